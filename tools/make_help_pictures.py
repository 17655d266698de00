"""Makes the pictures of the nodes' help pages, web/docs/*.webp: all, or those of the node ids named.

    python -m tools.make_help_pictures [NODE_ID ...]

Those with generated pictures run the embedded model, half a minute each; install with '.[generate]'.
"""

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import ExifTags, Image, ImageDraw, ImageFont
from torch import Tensor

from genphoto.camera.camera import Camera
from genphoto.camera.imaging import simulate
from genphoto.camera.photo import Photo
from genphoto.camera.sweep import CameraSweep
from genphoto.cli import main as genphoto
from genphoto.data.scenes.scene import Scene
from genphoto.data.scenes.shapes import Thing
from genphoto.files.contact_sheet import INK, PAPER, to_picture
from genphoto.files.exif import SIMULATED
from genphoto.files.photos import read_depth, read_photo
from genphoto.files.sweeps import SweepFiles
from genphoto.metrics.baselines import baseline_prompts
from genphoto.metrics.plot import plot_report
from genphoto.metrics.sweep_metrics import measure_sweep

ROOT = Path(__file__).parent.parent
DOCS, PAGES = ROOT / "docs", ROOT / "web" / "docs"
WIDTH_PX, TEXT_PX, GAP_PX = 720, 22, 8  # twice what the help panel shows, for sharp screens
NEAR_M, FAR_M = 0.366, 0.8  # of sample_depth.png
CUP, FLOOR = (0.48, 0.5), (0.04, 0.05)  # points of sample.jpg
SHOWN_TAGS = ("FocalLength", "FNumber", "ExposureTime", "ISOSpeedRatings", "SubjectDistance")
PORTRAIT = Camera(focal_length_mm=85.0)
SWEEPS = {
    "focal_length": "24 35 50 70",
    "aperture": "f/1.4 f/2.8 f/5.6 f/16",
    "shutter_speed": "1/8 1/4 1/2 1",
    "color_temperature": "2500 4000 6504 10000",
}
PROMPT = "a red ball on a wooden floor by a plain wall"
PROMPTS = (PROMPT, "a yellow cone on a grassy floor under a sunset sky", "a blue box on a tiled floor by a brick wall",
           "a green tree on a sandy floor under a clear sky")  # fmt: skip
TIMES, KELVINS = "0.2 0.35 0.6 1", "3000 4500 6504 9000"
SCENE = Scene((Thing("red", "ball", 0.0, 2.0, 0.45), Thing("blue", "box", 0.45, 3.2, 0.6)), "wooden", "brick wall", 5)


def coffee(camera: Camera = PORTRAIT) -> Photo:
    """The sample photograph, taken by this camera."""
    image = read_photo(DOCS / "sample.jpg")
    return Photo(image, read_depth(DOCS / "sample_depth.png", image.shape[1:], near_m=NEAR_M, far_m=FAR_M), camera)


def refocused(photo: Photo, sweep: CameraSweep, point: tuple[float, float], **options: object) -> Tensor:
    """Frames (F,3,H,W) focused on a point of the photograph."""
    sweep = sweep.focused_at(photo.focus_distance_at(*point))
    return torch.stack([*simulate(Photo(photo.image, photo.disparity, sweep.base), sweep, **options)])


def generated(setting: str, values: str, scene: str = PROMPT, *options: str) -> Tensor:
    """Frames (F,3,H,W) of the embedded model."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--scene", scene, "--setting", setting, "--values", *values.split(), "--out", folder, *options]
        if genphoto(["generate", *arguments, "--overwrite"]):
            raise RuntimeError(f"generate failed with {arguments}")
        return torch.stack([read_photo(path) for path in sorted(Path(folder).glob("[0-9]*.png"))])


def sheet(rows: Sequence[tuple[Sequence[Tensor], Sequence[str]]]) -> Image.Image:
    """Rows of frames (3,H,W) as wide as the picture, with a line of text under each frame, all of one size."""
    placed, top, text_px = [], 2 * GAP_PX, TEXT_PX
    for frames, labels in rows:
        width = (WIDTH_PX - (len(frames) + 3) * GAP_PX) // len(frames)
        text_px = min(text_px, *(int(TEXT_PX * width / _length(label)) for label in labels))
        height = round(width * frames[0].shape[1] / frames[0].shape[2])
        for index, (frame, label) in enumerate(zip(frames, labels, strict=True)):
            placed.append((frame, label, (2 * GAP_PX + index * (width + GAP_PX), top, width, height)))
        top += height + round(1.7 * TEXT_PX)
    picture = Image.new("RGB", (WIDTH_PX, top), PAPER)
    draw = ImageDraw.Draw(picture)
    for frame, label, (left, upper, width, height) in placed:
        picture.paste(to_picture(frame).resize((width, height), Image.Resampling.LANCZOS), (left, upper))
        place = left + width / 2, upper + height + 1.15 * TEXT_PX
        draw.text(place, label, INK, ImageFont.load_default(text_px), anchor="ms")
    return picture


def _length(text: str) -> float:
    return ImageFont.load_default(TEXT_PX).getlength(text)


def four_settings() -> Image.Image:
    """The sample photograph under a sweep of each setting."""
    rows = []
    for setting, values in SWEEPS.items():
        sweep = CameraSweep({setting: values})
        photo = coffee(sweep.base)
        rows.append((refocused(photo, sweep, CUP), sweep.labels))
    return sheet(rows)


def focus_points() -> Image.Image:
    """The photograph, its depth, and f/2.8 focused near and far."""
    photo, sweep = coffee(), CameraSweep({"aperture": ["f/2.8"]})
    depth = (photo.disparity / photo.disparity.max()).expand(3, -1, -1)
    near, far = (refocused(photo, sweep, point)[0] for point in (CUP, FLOOR))
    names = "photograph", "depth, white is near", "f/2.8, focus on the cup", "f/2.8, focus on the floor"
    return sheet([((photo.image, depth), names[:2]), ((near, far), names[2:])])


def prompts() -> Image.Image:
    """A frame of the embedded model for each of four prompts."""
    frames = [generated("shutter_speed", "0.5 0.6", scene)[0] for scene in PROMPTS]
    return sheet([(frames[i : i + 2], PROMPTS[i : i + 2]) for i in (0, 2)])


def lifted() -> Image.Image:
    """Pictures of one prompt one by one, and as the frames of one sweep."""
    seeds = "1234"
    alone = [generated("shutter_speed", TIMES, PROMPT, "--seed", seed)[0] for seed in seeds]
    together = generated("shutter_speed", TIMES), CameraSweep({"shutter_speed": TIMES}).labels
    return sheet([(alone, [f"seed {seed}" for seed in seeds]), together])


def priors() -> Image.Image:
    """The coarse pictures that camera encoders are told, for the sweeps of `four_settings`."""
    rows = []
    for setting, values in SWEEPS.items():
        sweep = CameraSweep({setting: values})
        seen = sweep.settings[0].prior(sweep.cameras, sweep.base, (96, 144))
        rows.append((seen / seen.max(), sweep.labels))
    return sheet(rows)


def strengths() -> Image.Image:
    """A sweep at three strengths."""
    labels = CameraSweep({"color_temperature": KELVINS}).labels
    rows = []
    for strength in ("0", "0.5", "1"):
        frames = generated("color_temperature", KELVINS, PROMPT, "--strength", strength)
        rows.append((frames, [f"{label}, {strength}" for label in labels]))
    return sheet(rows)


def sampled() -> Image.Image:
    """Two sweeps of the embedded model."""
    rows = []
    for setting, values, scene in (
        ("shutter_speed", TIMES, PROMPTS[1]),
        ("color_temperature", KELVINS, PROMPTS[2]),
    ):
        rows.append((generated(setting, values, scene), CameraSweep({setting: values}).labels))
    return sheet(rows)


def half_obeyed() -> Image.Image:
    """The plot of a sequence that shows half of the stops asked for."""
    asked = CameraSweep({"shutter_speed": "1/8 1/4 1/2 1"})
    given = CameraSweep({"shutter_speed": [(t * 0.5) ** 0.5 for t in asked.values["shutter_speed"]]})
    frames = torch.stack([*simulate(coffee(given.base), given, generator=torch.Generator().manual_seed(0))])
    return plot_report(measure_sweep(frames, asked), asked.labels)


def said_in_words() -> Image.Image:
    """The prompts of a sweep under the frames that they ask for."""
    sweep = CameraSweep({"focal_length": SWEEPS["focal_length"]})
    frames = torch.stack([*simulate(SCENE.render(), sweep)])
    said = baseline_prompts("a red ball in front of a blue box", sweep)
    return sheet([(frames[i : i + 2], said[i : i + 2]) for i in (0, 2)])


def compared() -> Image.Image:
    """Two frames, and their difference as the viewer brightens it."""
    photo, sweep = coffee(), CameraSweep({"aperture": ["f/2.8"]})
    near, far = (refocused(photo, sweep, point)[0] for point in (CUP, FLOOR))
    return sheet([((near, far, 4 * (near - far).abs()), ("images", "compare", "difference, 4 times"))])


def saved() -> Image.Image:
    """Files of a sweep under their names, and what Pillow reads in the EXIF of the first."""
    sweep = CameraSweep({"aperture": "f/1.4 f/4 f/11"}).focused_at(coffee().focus_distance_at(*CUP))
    files = SweepFiles(sweep, SIMULATED, "sweep_00001_", "jpeg", sheet=False)
    with tempfile.TemporaryDirectory() as folder:
        files.write(Path(folder), refocused(coffee(), sweep, CUP))
        frames = [read_photo(Path(folder, name)) for name in files.names]
        with Image.open(Path(folder, files.names[0])) as first:
            description, tags = (
                first.getexif()[ExifTags.Base.ImageDescription],
                first.getexif().get_ifd(ExifTags.IFD.Exif),
            )
    lines = [f"{name}: {float(tags[ExifTags.Base[name]]):.4g}" for name in SHOWN_TAGS] + [description]
    picture = sheet([(frames, files.names)])
    shown = Image.new("RGB", (WIDTH_PX, picture.height + round(1.5 * TEXT_PX * len(lines)) + GAP_PX), PAPER)
    shown.paste(picture)
    place = 2 * GAP_PX, picture.height + GAP_PX
    ImageDraw.Draw(shown).multiline_text(place, "\n".join(lines), INK, ImageFont.load_default(18), spacing=12)
    return shown


PICTURES: dict[str, Callable[[], Image.Image]] = {
    "CameraSweepSpec": four_settings,
    "PhysicsSimulate": focus_points,
    "GenPhotoEmbeddedModel": prompts,
    "GenPhotoLiftModel": lifted,
    "DifferentialCameraEncode": priors,
    "GenPhotoApplyCamera": strengths,
    "LiftedT2VSampler": sampled,
    "GenPhotoSweepMetrics": half_obeyed,
    "GenPhotoBaselinePrompts": said_in_words,
    "GenPhotoSweepViewer": compared,
    "GenPhotoSaveSweep": saved,
}


def main(names: Sequence[str]) -> None:
    """Write the pictures of these nodes."""
    for name in names:
        PICTURES[name]().save(PAGES / f"{name}.webp", quality=82, method=6)


if __name__ == "__main__":
    main(sys.argv[1:] or list(PICTURES))
