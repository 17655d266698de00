"""Does the tiny model obey the camera? Held-out prompts, every setting, measured in physical units.

python benchmarks/tiny_model.py --out DIR [--sweeps 64] [--model DIR]

Rows: ours; ours without camera encoder; ours with every frame but the first rendered by physics from the first; true
scenes rendered by physics and passed through the autoencoder, which is the best that any denoiser could reach.
Resumable: what was measured is kept in DIR.
"""

import argparse
import json
import statistics
from pathlib import Path

import torch
import torch.nn.functional as F
from judge import CLASSES, SIZE, Judge, labels_of, trained_judge
from kept import digest_of, require_same
from torch import Tensor
from tqdm import tqdm

from genphoto import checkpoint
from genphoto.camera.imaging import simulate
from genphoto.camera.photo import Photo
from genphoto.camera.settings import setting_named
from genphoto.camera.sweep import CameraSweep
from genphoto.data.dataset import SceneSubject, seeded
from genphoto.data.scenes.scene import Scene, random_scene
from genphoto.embedded import ASSETS, GUIDANCE_SCALE, IMAGE_MODEL, MOTION, camera_path, load_tiny_model
from genphoto.files.contact_sheet import contact_sheet
from genphoto.generate import SweepGenerator
from genphoto.image_model import tiny_image_model
from genphoto.metrics.measurement import Measurement
from genphoto.metrics.sweep_metrics import measure_sweep
from genphoto.model.diffusers_host import LiftedUNet

SETTINGS = {
    "focal_length": ("zoom", "zoom error [%]", 5.0),
    "bokeh": ("blur", "blur radius error [%]", 25.0),
    "shutter_speed": ("exposure", "exposure error [EV]", 0.25),
    "color_temperature": ("color_temperature", "color temperature error [mired]", 25.0),
}
ROWS = ("ours", "no camera", "physics from frame 1", "true scene, autoencoder")
FRAMES = 5
SHEETS = 6  # sweeps per setting on the contact sheet


def held_out(setting_name: str, index: int) -> tuple[Scene, CameraSweep]:
    """A scene that training never saw, and values that the setting's `sample` draws, in rising order."""
    scene = random_scene(seeded("held out", setting_name, index))
    setting = setting_named(setting_name)
    values = sorted(setting.sample(FRAMES, seeded("held out values", setting_name, index)).tolist())
    return scene, CameraSweep({setting_name: values}).focused_at(scene.focus_m)


def generator_of(folder: Path, setting_name: str) -> SweepGenerator:
    """The tiny model of a folder that is laid out as genphoto/assets."""

    def placed(path: Path) -> Path:
        return folder / path.relative_to(ASSETS)

    motion = checkpoint.motion_module(*checkpoint.load(placed(MOTION)), "motion")
    camera = checkpoint.camera_adapter(*checkpoint.load(placed(camera_path(setting_name))), setting_name)
    model = tiny_image_model(load_tiny_model(placed(IMAGE_MODEL)))
    lifted = LiftedUNet(model.unet, checkpoint.build_lift(motion).float())
    return SweepGenerator(lifted, model, checkpoint.build_camera(camera).float())


@torch.no_grad()
def frames_of(row: str, generator: SweepGenerator, scene: Scene, sweep: CameraSweep, index: int, judge: Judge):
    """(frames, disparity of the first frame or None) of a row of the table."""
    if row == "true scene, autoencoder":
        frames = SceneSubject(scene, scene.caption, scene.focus_m).frames(sweep, "physical", SIZE)
        model = generator.image_model
        return model.to_pictures(model.to_latents(frames)), scene.render(SIZE).disparity
    strength = 0.0 if row == "no camera" else 1.0
    frames = generator.generate(scene.caption, sweep, seed=index, guidance_scale=GUIDANCE_SCALE, strength=strength)
    disparity = read(judge, generator, frames[0])[1]
    if row == "physics from frame 1":
        frames = physics(frames[0], sweep, disparity)
    return frames, disparity


def physics(first: Tensor, sweep: CameraSweep, disparity: Tensor) -> Tensor:
    """A sweep that starts from a generated picture and continues by simulation."""
    cameras = sweep.cameras
    photo = Photo(first.clamp(0, 1), disparity, cameras[0])
    return torch.stack([*simulate(photo, CameraSweep(sweep.values, cameras[0]))])


@torch.no_grad()
def read(judge: Judge, generator: SweepGenerator, frame: Tensor) -> tuple[dict[str, int], Tensor]:
    """What the judge sees in a picture: classes, and disparity (H,W) [1/m]."""
    logits, disparity = judge(generator.image_model.to_latents(frame[None]))
    answers = {name: int(values.argmax()) for name, values in logits.items()}
    return answers, F.interpolate(disparity[None], frame.shape[1:], mode="nearest")[0, 0].clamp(min=0)


def measured(row: str, setting_name: str, index: int, generator: SweepGenerator, judge: Judge):
    """(numbers of one sweep, its frames)."""
    scene, sweep = held_out(setting_name, index)
    frames, disparity = frames_of(row, generator, scene, sweep, index, judge)
    quantity = SETTINGS[setting_name][0]
    deep = quantity == "blur"
    reference = physics(frames[0], sweep, disparity)
    report = measure_sweep(frames, sweep, disparity=disparity if deep else None, reference=reference)
    measurement = report.measurements[quantity]
    error = relative_radius_error(measurement) if deep else measurement.median_absolute_error
    base = setting_named(setting_name).read(sweep.base)
    plain = min(range(len(frames)), key=lambda k: abs(sweep.values[setting_name][k] - base))
    answers, truth = read(judge, generator, frames[plain])[0], labels_of(scene)
    words = scene.caption
    mentioned = {"floor": f"{scene.floor} floor" in words, "background": scene.background in words}
    return {
        "error": error,
        "slope": measurement.slope,
        "rank": measurement.rank_correlation,
        "published": report.published[setting_name].correlation if setting_name in report.published else None,
        "ssim": report.consistency.mean,
        "possible": report.reference_consistency and report.reference_consistency.mean,
        "right": {name: answers[name] == truth[name] for name in CLASSES if mentioned.get(name, True)},
    }, frames


def relative_radius_error(measurement: Measurement) -> float | None:
    """Median of |measured / requested - 1| [%] over frames whose radius is asked to grow by a pixel or more."""
    pairs = zip(measurement.measured, measurement.requested, strict=True)
    errors = [100 * abs(m / r - 1) for m, r in pairs if m is not None and abs(r) >= 1]
    return statistics.median(errors) if errors else None


def median(values: list) -> float | None:
    """Median of those that are not None."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def table(results: dict[str, dict[str, list[dict]]]) -> str:
    """The results as Markdown."""
    lines = [
        "| setting | row | sweeps | error (median) | target | measurable | slope | rank | published r | "
        "SSIM (physics) | color | shape | floor | background |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, (_, title, target) in SETTINGS.items():
        for row, sweeps in results[name].items():
            if not sweeps:
                continue
            cells = [title.split(" [")[0].removesuffix(" error"), row, str(len(sweeps))]
            unit = title.split("[")[1].rstrip("]")
            share = sum(f["error"] is not None for f in sweeps) / len(sweeps)
            cells += [f"{shown(median([f['error'] for f in sweeps]))} {unit}", f"{target:g} {unit}", f"{share:.0%}"]
            cells += [shown(median([f[key] for f in sweeps])) for key in ("slope", "rank", "published")]
            cells.append(
                f"{shown(median([f['ssim'] for f in sweeps]))} ({shown(median([f['possible'] for f in sweeps]))})"
            )
            for key in CLASSES:
                right = [f["right"][key] for f in sweeps if key in f["right"]]
                cells.append(f"{sum(right) / len(right):.0%}" if right else "-")
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def shown(value: float | None) -> str:
    """Three digits, or a dash."""
    return "-" if value is None else f"{value:.3g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=ASSETS)
    parser.add_argument("--sweeps", type=int, default=64, help="per setting, of our row")
    parser.add_argument("--others", type=int, default=16, help="per setting, of the other rows")
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS))
    args = parser.parse_args()
    require_same(args.out, {"weights": digest_of(*sorted(args.model.rglob("*.safetensors")))})
    judge = trained_judge(
        load_tiny_model(args.model / IMAGE_MODEL.name).build_autoencoder(), args.out / "judge.safetensors"
    )
    results: dict[str, dict[str, list[dict]]] = {name: {row: [] for row in ROWS} for name in SETTINGS}
    for name in SETTINGS:
        kept = args.out / f"{name}.json"
        if kept.exists():
            results[name] = json.loads(kept.read_text())
        if name not in args.settings:
            continue
        generator = generator_of(args.model, name)
        for row in ROWS:
            count = args.sweeps if row == "ours" else args.others
            pictures, labels = [], []
            for index in tqdm(range(len(results[name][row]), count), desc=f"{name}, {row}"):
                numbers, frames = measured(row, name, index, generator, judge)
                results[name][row].append(numbers)
                if index < SHEETS:
                    pictures += frames
                    labels += held_out(name, index)[1].labels
                kept.write_text(json.dumps(results[name]))
            if pictures:
                file = args.out / f"{name} {row.replace(',', '')}.png"
                contact_sheet(pictures, labels, columns=FRAMES).save(file)
    (args.out / "table.md").write_text(table(results) + "\n", encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    main()
