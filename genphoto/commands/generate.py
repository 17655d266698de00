"""`python -m genphoto generate`: a scene under a sweep of settings, made by a lifted image model.

Without weights it is the embedded tiny model.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from .. import checkpoint
from ..camera.settings import SETTINGS
from ..camera.sweep import CameraSweep
from ..embedded import GUIDANCE_SCALE, MOTION, camera_path, load_tiny_model
from ..files.exif import GENERATED
from ..files.sweeps import SweepFiles
from ..model.config import MOST_STEPS, MOST_STRENGTH
from ..model.steering import released_setting
from ..optional_packages import set_aside_broken_torchvision
from .arguments import chosen_device, file_path, number, picture_size, seed_number, typed
from .output_folder import add_output_arguments, output_folder
from .sweep_arguments import add_sweep_arguments, read_sweep, read_values

WEIGHTS = checkpoint.RELEASES[checkpoint.CAMERA_ADAPTER]

# Option -> what it should be, where that comes from. The first three are needed, or none of all.
FILES = {
    "base": (
        "SD 1.5 as a diffusers folder or a single .safetensors file",
        "https://huggingface.co/stable-diffusion-v1-5/stable-diffusion-v1-5",
    ),
    "motion": (
        "the motion module v3_sd15_mm.ckpt, or one in our .safetensors",
        checkpoint.RELEASES[checkpoint.MOTION_MODULE],
    ),
    "camera": ("the camera adapter of the setting, such as checkpoint-bokehK.ckpt", WEIGHTS),
    "unet": ("the folder unet_merged", WEIGHTS),
    "lora": ("the image LoRA RealEstate10K_LoRA.ckpt", WEIGHTS),
    "config": ("a diffusers folder with the configuration and the tokenizer of SD 1.5", "the same place as --base"),
}
log = logging.getLogger(__name__)
NEEDED = ("base", "motion", "camera")

PUBLISHED_GUIDANCE_SCALE = 8.0

EXAMPLES = """examples:
  python -m genphoto generate --scene "a red ball in front of a blue box on a wooden floor" \\
      --setting focal_length --values 24 35 50 60 70 --out balls
  python -m genphoto generate --scene "A vase of tulips on a table by the window" \\
      --setting bokeh --values 2 6 12 18 28 --base stable-diffusion-v1-5 --motion v3_sd15_mm.ckpt \\
      --camera checkpoint-bokehK.ckpt --lora RealEstate10K_LoRA.ckpt --out tulips"""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `generate` to the commands."""
    command = commands.add_parser(
        "generate",
        help="generate a scene under a sweep of settings",
        description="Writes one PNG per frame with the camera in its EXIF, contact_sheet.png and sweep.json. Nothing "
        "is written unless all is.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=generate_files)
    command.add_argument("--scene", required=True, metavar="TEXT", help="what the picture shows")
    command.add_argument("--negative", default="", metavar="TEXT", help="what it should not show (default: nothing)")
    add_sweep_arguments(command)

    group = command.add_argument_group(
        "weights", f"none for the embedded tiny model, which knows a few dozen words; published ones: {WEIGHTS}"
    )
    group.add_argument("--base", type=file_path, metavar="PATH", help="SD 1.5: diffusers folder, .safetensors or .ckpt")
    group.add_argument("--motion", type=file_path, metavar="FILE", help="motion module: .ckpt or .safetensors")
    group.add_argument("--camera", type=file_path, metavar="FILE", help="camera adapter: .ckpt or .safetensors")
    group.add_argument(
        "--lora", type=file_path, metavar="FILE", help="image LoRA, merged into the UNet (default: none)"
    )
    group.add_argument(
        "--unet",
        type=file_path,
        metavar="DIR",
        help="UNet (default: the base's unet_merged, or its unet where there is none)",
    )
    group.add_argument(
        "--config",
        type=file_path,
        metavar="DIR",
        help="for a single-file base: folder with configuration and tokenizer",
    )

    group = command.add_argument_group("sampling")
    group.add_argument(
        "--steps", type=number(1, MOST_STEPS, whole=True), default=25, metavar="N", help="denoising steps (default 25)"
    )
    group.add_argument(
        "--cfg",
        type=number(0, 100),
        metavar="SCALE",
        help=f"weight of the scene's words (default {PUBLISHED_GUIDANCE_SCALE:g}; embedded model {GUIDANCE_SCALE:g})",
    )
    group.add_argument("--seed", type=typed(seed_number), default=0, metavar="N", help="of the start noise (default 0)")
    group.add_argument(
        "--size", type=typed(picture_size), metavar="WxH", help="pixels of a frame (default: the trained size)"
    )
    group.add_argument(
        "--strength",
        type=number(0, MOST_STRENGTH),
        default=1.0,
        metavar="S",
        help="of the camera, 0 is off (default 1)",
    )
    group.add_argument("--device", choices=("cpu", "cuda", "mps"), help="default: cuda, else mps, else cpu")

    add_output_arguments(command)


def generate_files(args: argparse.Namespace) -> None:
    """Generate a sweep of a scene into a folder."""
    sweep = read_sweep(args) or CameraSweep(read_values(args.settings))
    embedded = all(getattr(args, option) is None for option in FILES)
    if not embedded:
        _require_files(args)
    device = chosen_device(args.device)
    files = SweepFiles(sweep, GENERATED, document=True)
    with output_folder(args, files.names) as folder:
        generator = _embedded_generator(args, sweep, device) if embedded else _generator(args, sweep, device)
        with tqdm(total=args.steps, unit="step", disable=None, leave=False) as bar:
            frames = generator.generate(
                args.scene,
                sweep,
                negative=args.negative,
                seed=args.seed,
                steps=args.steps,
                guidance_scale=_guidance_scale(args.cfg, embedded),
                size=args.size,
                strength=args.strength,
                on_step=lambda step, _: bar.update(step - bar.n),
            )
        replace(files, sweep=generator.with_reach(sweep)).write(folder, frames)


def _require_files(args: argparse.Namespace) -> None:
    paths = {option: getattr(args, option) for option in FILES}
    if lacking := [option for option in NEEDED if paths[option] is None]:
        sources = "; ".join(f"--{option}: {FILES[option][0]}, from {FILES[option][1]}" for option in lacking)
        raise ValueError(f"generate needs weights that are not given. {sources}.")
    for option, path in paths.items():
        if path is not None and not path.exists():
            what, where = FILES[option]
            raise ValueError(
                f"--{option}: there is no {path.name} in {path.resolve().parent}. It should be {what}, from {where}."
            )


def _generator(args: argparse.Namespace, sweep: CameraSweep, device: str):
    """The smaller files first: what does not fit is refused before gigabytes are read."""
    camera = _camera_file(args.camera, sweep)
    _libraries()
    from ..generate import checked_size
    from ..image_model import load_image_model, unet_of
    from ..model.diffusers_host import merge_image_lora

    checked_size(args.size, camera.architecture.backbone, camera.architecture.encoder)
    lora = checkpoint.image_lora(checkpoint.load(args.lora)[0], args.lora.name) if args.lora else None
    motion = checkpoint.motion_module(*checkpoint.load(args.motion), args.motion.name)
    image_model = load_image_model(args.base, args.unet, args.config)
    if args.unet is None and args.base.is_dir():
        print(f"UNet: {unet_of(args.base)}")
    if lora is not None:
        merge_image_lora(image_model.unet, lora)
    return _assembled(image_model, motion, camera, device, torch.float16 if device == "cuda" else torch.float32)


def _embedded_generator(args: argparse.Namespace, sweep: CameraSweep, device: str):
    setting = released_setting(sweep)
    path = camera_path(setting.name)
    if not path.exists():
        known = ", ".join(s.name for s in SETTINGS if camera_path(s.name).exists())
        raise ValueError(f"The embedded model knows no {setting.label.lower()}. It knows: {known}.")
    camera = _camera_file(path, sweep)
    file = load_tiny_model()
    file.tokenizer([args.scene, args.negative])  # unknown words are refused before anything is built
    _libraries()
    from ..generate import checked_size
    from ..image_model import tiny_image_model

    height, width = checked_size(args.size, camera.architecture.backbone, camera.architecture.encoder)
    far = file.sampling.departures(width, height, _guidance_scale(args.cfg, embedded=True))
    for concern in file.sampling.concerns(far):
        log.warning("%s", concern)
    motion = checkpoint.motion_module(*checkpoint.load(MOTION), MOTION.name)
    return _assembled(tiny_image_model(file), motion, camera, device, torch.float32)


def _assembled(image_model, motion, camera, device: str, dtype: torch.dtype):
    from ..generate import SweepGenerator
    from ..model.diffusers_host import LiftedUNet

    adapter = checkpoint.build_camera(camera)
    adapter.encoder.to(device, torch.float32)
    adapter.merges.to(device, dtype)
    image_model.autoencoder.to(device)
    image_model.text_encoder.to(device)
    return SweepGenerator(
        LiftedUNet(image_model.unet.to(device, dtype), checkpoint.build_lift(motion).to(device, dtype)),
        image_model,
        adapter,
    )


def _libraries() -> None:
    """Require diffusers and transformers, and quiet them."""
    set_aside_broken_torchvision()
    try:
        import diffusers
        import transformers
    except ImportError as error:
        raise ValueError(
            f"generate needs diffusers and transformers ({error}). Run: pip install 'genphoto[generate]'."
        ) from None
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()


def _guidance_scale(chosen: float | None, embedded: bool) -> float:
    if chosen is not None:
        return chosen
    return GUIDANCE_SCALE if embedded else PUBLISHED_GUIDANCE_SCALE


def _camera_file(path: Path, sweep: CameraSweep) -> checkpoint.CameraFile:
    """The file of an adapter that steers this sweep."""
    file = checkpoint.camera_adapter(*checkpoint.load(path), path.name)
    steering = file.steering.settled(sweep)
    if not file.steering.settings:
        print(f"{path.name} does not say which setting it steers: taken as {steering.name}, which the sweep varies.")
    steering.question(sweep)
    return replace(file, steering=steering)
