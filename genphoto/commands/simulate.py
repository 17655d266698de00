"""`python -m genphoto simulate`: a photograph under a sweep of settings, rendered by the physics."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from typing import Any

import torch
from tqdm import tqdm

from ..camera.aperture import MOST_BLADES
from ..camera.camera import LIMITS, Camera
from ..camera.defocus import MOST_HIGHLIGHT_STOPS
from ..camera.imaging import VARIANTS, simulate
from ..camera.optics import crop_ratio
from ..camera.photo import Photo
from ..camera.sensor import SENSORS, sensor_named
from ..camera.settings import setting_named
from ..camera.sweep import CameraSweep
from ..files.exif import SIMULATED
from ..files.photos import DEPTH_KINDS, read_camera, read_depth, read_photo
from ..files.sweeps import SweepFiles
from .arguments import DISTANCE_M, chosen_device, file_path, number, picture_size, seed_number, typed
from .output_folder import add_output_arguments, output_folder
from .sweep_arguments import add_sweep_arguments, read_sweep, read_values

# Options of the camera that took the photograph: field of Camera -> option, the setting that reads its text, help.
BASE = {
    "focal_length_mm": ("--base-focal-length", "focal_length", "focal length of the photograph [mm]"),
    "f_number": (
        "--base-f-number",
        "aperture",
        "its blur is in the picture already (64, the default, and more: sharp all over)",
    ),
    "exposure_time_s": ("--exposure-time", "shutter_speed", 'exposure time of the photograph [s], such as "1/125"'),
    "color_temperature_k": ("--base-color-temperature", "color_temperature", "light in the photograph [K]"),
    "iso": ("--iso", None, "ISO of the photograph and of all frames"),
    "focus_distance_m": ("--focus-distance", None, "distance in focus [m]; default with depth: the picture's center"),
}

EXAMPLES = """examples:
  python -m genphoto simulate photo.jpg --setting focal_length --values 24 35 50 70 --out zoom
  python -m genphoto simulate photo.jpg --depth depth.png --setting aperture --start f/1.4 --stop f/16 --frames 8 \\
      --spacing stops --out bokeh
  python -m genphoto simulate photo.jpg --depth depth.png --setting aperture --values f/1.4 f/2.8 \\
      --setting shutter_speed --values 1/60 1/30 --out both"""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `simulate` to the commands."""
    command = commands.add_parser(
        "simulate",
        help="render a photograph under a sweep of settings",
        description="Writes one PNG per frame with the camera in its EXIF, contact_sheet.png and sweep.json. Nothing "
        "is written unless all is.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=simulate_files)
    command.add_argument("photo", type=file_path, metavar="PHOTO", help="JPEG, PNG, TIFF or WebP; converted to sRGB")
    add_sweep_arguments(command)

    group = command.add_argument_group("depth")
    group.add_argument(
        "--depth", type=file_path, metavar="FILE", help="depth of the photograph, same size: PNG, TIFF or .npy"
    )
    group.add_argument(
        "--depth-kind",
        choices=DEPTH_KINDS,
        help="disparity: larger is nearer (default for pictures); distance: larger is farther, in proportion; "
        "metric: meters in .npy, millimeters in 16-bit pictures",
    )
    group.add_argument("--near", type=DISTANCE_M, metavar="M", help="distance of the nearest point [m] (default 1)")
    group.add_argument("--far", type=DISTANCE_M, metavar="M", help="distance of the farthest point [m] (default 1000)")

    group = command.add_argument_group(
        "base camera", "what took the photograph; default: its EXIF, else neutral values"
    )
    for field, (option, setting, text) in BASE.items():
        unit, low, high = LIMITS[field]
        kind = typed(setting_named(setting).parse) if setting else number(low, high, unit)
        group.add_argument(option, dest=field, type=kind, metavar=field.rsplit("_", 1)[-1].upper(), help=text)
    group.add_argument(
        "--focus-point",
        type=number(0, 1),
        nargs=2,
        metavar=("X", "Y"),
        help="focus on this point: shares of width and height",
    )
    group.add_argument("--sensor", choices=[s.name for s in SENSORS], help="sensor (default full-frame)")
    group.add_argument(
        "--blades",
        type=number(0, MOST_BLADES, whole=True),
        metavar="N",
        help="blades of the iris, 0 or 3 and more (default 0: round)",
    )

    group = command.add_argument_group("rendering")
    group.add_argument("--variant", choices=VARIANTS, default="physical", help="default physical")
    group.add_argument(
        "--size", type=typed(picture_size), metavar="WxH", help="pixels of a frame (default: the photograph's)"
    )
    group.add_argument(
        "--seed",
        type=typed(seed_number),
        metavar="N",
        help="add the sensor's noise (default: none, the expected frame)",
    )
    group.add_argument(
        "--highlights",
        type=number(0, MOST_HIGHLIGHT_STOPS, "stops"),
        default=0.0,
        metavar="STOPS",
        help="extend clipped lights (default 0)",
    )
    group.add_argument("--dial", action="store_true", help="kelvin is the white balance dial's: 2000 K turns blue")
    group.add_argument("--device", choices=("cpu", "cuda", "mps"), help="default: cuda, else mps, else cpu")

    add_output_arguments(command)


def simulate_files(args: argparse.Namespace) -> None:
    """Render a sweep of a photograph into a folder."""
    _refuse_physical_options(args)
    if not args.depth and any(v is not None for v in (args.depth_kind, args.near, args.far, args.focus_point)):
        raise ValueError("--depth-kind, --near, --far and --focus-point describe a depth map. Give it by --depth FILE.")
    image = read_photo(args.photo)
    disparity = args.depth and read_depth(args.depth, image.shape[1:], args.depth_kind, args.near, args.far)
    sweep, source = _sweep(args)
    device = chosen_device(args.device)
    image, disparity = image.to(device), disparity if disparity is None else disparity.to(device)
    photo = Photo(image, disparity, sweep.base)
    if args.variant == "physical":
        sweep = _focused(args, photo, sweep)
        photo = replace(photo, camera=sweep.base)
        _check_angles(sweep)

    options = {"highlights": args.highlights} | _generator(args.seed)
    files = SweepFiles(sweep, SIMULATED, document=True)
    with output_folder(args, files.names) as folder:
        if source:
            print(source)
        bar = tqdm(
            total=len(sweep), unit="frame", disable=None, leave=False, bar_format="{l_bar}{bar}| {n:.1f}/{total}"
        )
        with bar:
            frames = simulate(
                photo,
                sweep,
                variant=args.variant,
                size=args.size,
                on_progress=lambda done: bar.update(len(sweep) * done - bar.n),
                **options,
            )
            files.write(folder, frames)


def _sweep(args: argparse.Namespace) -> tuple[CameraSweep, str]:
    """The sweep, and a line that says what of its base camera came from EXIF."""
    written = read_sweep(args)
    chosen = {f: v for f in BASE if (v := getattr(args, f)) is not None}
    chosen |= {"sensor": sensor_named(args.sensor)} if args.sensor else {}
    base = written.base if written is not None else setting_named(args.settings[0]["setting"]).base
    found, source = {}, ""
    if written is None and args.variant == "physical":
        found, source = _from_exif(args, chosen, base)
    base = replace(base, **(found | chosen))
    if args.blades is not None:
        base = replace(base, aperture=replace(base.aperture, blades=args.blades))
    if written is not None:
        return replace(written, base=base, dial=args.dial or written.dial), source
    return CameraSweep(read_values(args.settings), base, args.dial), source


def _from_exif(args: argparse.Namespace, chosen: dict[str, Any], base: Camera) -> tuple[dict[str, float], str]:
    """Fields of the base camera that EXIF gives and no option does, and a line that says them."""
    exif = read_camera(args.photo, sensor_known=bool(args.sensor))
    found = {f: v for f, v in exif.fields.items() if f not in chosen}
    said = {f: f"{f} {v:.4g}" + (f" ({exif.notes[f]})" if f in exif.notes else "") for f, v in found.items()}
    said |= {f: f"{f} left out ({why})" for f, why in exif.left_out.items() if f not in chosen}
    sensor = chosen.get("sensor", base.sensor)
    if found.get("iso", math.inf) < sensor.base_iso:
        del found["iso"]  # extended low ISO: metadata of the base ISO's gain
        said["iso"] += f" (left out: below the base ISO {sensor.base_iso:g} of {sensor.name})"
    if (
        "focus_distance_m" not in chosen
        and (focal_mm := found.get("focal_length_mm", 0)) >= base.focus_distance_m * 1000
    ):
        found["focus_distance_m"] = focus_m = LIMITS["focus_distance_m"][2]
        said["focus_distance_m"] = f"focus_distance_m {focus_m:g} (far: {focal_mm:g} mm does not focus nearby)"
    if not said:
        return found, ""
    return found, f"Base camera from EXIF: {', '.join(said.values())}. Override: {', '.join(BASE[f][0] for f in said)}."


def _focused(args: argparse.Namespace, photo: Photo, sweep: CameraSweep) -> CameraSweep:
    if args.focus_point and args.focus_distance_m is not None:
        raise ValueError("--focus-point and --focus-distance contradict each other. Give one of them.")
    if args.focus_point is None and (args.focus_distance_m is not None or args.sweep or photo.disparity is None):
        return sweep
    x, y = args.focus_point or (0.5, 0.5)
    distance_m = photo.focus_distance_at(x, y)
    longest_mm = max(camera.focal_length_mm for camera in (sweep.base, *sweep.cameras))
    if not args.focus_point and distance_m * 1000 <= longest_mm:
        print(
            f"Focus: {sweep.base.focus_distance_m:.3g} m; {longest_mm:g} mm does not focus on the picture's center at "
            f"{distance_m:.3g} m. Override: --focus-point, --focus-distance."
        )
        return sweep
    focused = sweep.focused_at(distance_m)
    print(f"Focus: {focused.base.focus_distance_m:.3g} m, the distance at ({x:g}, {y:g}).")
    return focused


def _check_angles(sweep: CameraSweep) -> None:
    for camera in sweep.cameras:
        try:
            crop_ratio(camera, sweep.base)
        except ValueError as error:
            raise ValueError(f"{error} The option is --base-focal-length.") from None


def _refuse_physical_options(args: argparse.Namespace) -> None:
    if args.variant == "physical":
        return
    names = {"--sensor": args.sensor, "--blades": args.blades, "--focus-point": args.focus_point, "--seed": args.seed}
    names |= {option: getattr(args, field) for field, (option, *_) in BASE.items()}
    names |= {"--dial": args.dial or None, "--highlights": args.highlights or None}
    if given := [option for option, value in names.items() if value is not None]:
        raise ValueError(
            f"--variant {args.variant} renders what the released adapters were trained on and knows no "
            f"{', '.join(given)}. Leave it out, or use --variant physical."
        )


def _generator(seed: int | None) -> dict[str, torch.Generator]:
    return {} if seed is None else {"generator": torch.Generator().manual_seed(seed)}
