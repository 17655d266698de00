"""The command line: `python -m genphoto simulate` and `python -m genphoto settings`."""

from __future__ import annotations

import argparse
import math
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import torch
import torch.nn.functional as F
from tqdm import tqdm

from .camera.imaging import VARIANTS, simulate
from .camera.optics import crop_ratio
from .camera.photo import MissingDepth, Photo
from .camera.sensor import SENSORS, sensor_named
from .camera.setting import CameraSetting
from .camera.settings import SETTINGS, setting_named
from .camera.sweep import CameraSweep
from .contact_sheet import contact_sheet
from .photo_files import DEPTH_KINDS, read_camera, read_depth, read_photo, write_frame

SHEET_FRAME_PX = 1024  # longest side of a frame on the contact sheet
SPACINGS = {"linear": CameraSweep.linear, "stops": CameraSweep.stops}
# Options of the camera that took the photograph: field of Camera -> option, the setting that reads its text, help.
BASE = {
    "focal_length_mm": ("--base-focal-length", "focal_length", "focal length of the photograph [mm]"),
    "f_number": ("--base-f-number", "aperture", "f-number of the photograph, whose blur is in the picture already"),
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


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message.rstrip('.')}. See {self.prog} --help.\n")


class OfSetting(argparse.Action):
    """An option that belongs to the --setting before it."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        given = namespace.settings = list(namespace.settings or [])
        if self.dest == "setting":
            given.append({"setting": values})
        elif not given:
            parser.error(f"{option_string} belongs to a --setting: write --setting NAME before it.")
        else:
            given[-1] = given[-1] | {self.dest: values}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; the exit status: 0, 2 for an input that cannot be used, 130 after Ctrl-C."""
    try:
        args = _parser().parse_args(argv)
        args.run(args)
    except SystemExit as stop:
        return int(stop.code or 0)
    except MissingDepth as error:
        print(f"genphoto: error: {error} Use --depth FILE.", file=sys.stderr)
        return 2
    except (ValueError, OSError) as error:
        print(f"genphoto: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("genphoto: stopped; unfinished files were removed.", file=sys.stderr)
        return 130
    return 0


def list_settings(args: argparse.Namespace) -> None:
    """Print the table of settings."""
    table = [("name", "label", "unit", "trained range", "physical range", "example", "description")]
    for s in SETTINGS:
        trained = f"{s.format(s.domain[0])} to {s.format(s.domain[1])}"
        physical = "{:g} to {:g} {}".format(*s.limits, s.unit)
        table.append((s.name, s.label, s.unit, trained, physical, f"--values {' '.join(examples(s))}", s.description))
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def examples(setting: CameraSetting) -> list[str]:
    """Lowest, middle and highest trained value as one types them."""
    low, high = setting.domain
    return [setting.format(float(f"{v:.2g}")).replace(" ", "") for v in (low, math.sqrt(low * high), high)]


def simulate_files(args: argparse.Namespace) -> None:
    """Render a sweep of a photograph into a folder."""
    _refuse_physical_options(args)
    if not args.depth and any(v is not None for v in (args.depth_kind, args.near, args.far, args.focus_point)):
        raise ValueError("--depth-kind, --near, --far and --focus-point describe a depth map. Give it by --depth FILE.")
    image = read_photo(args.photo)
    disparity = args.depth and read_depth(args.depth, image.shape[1:], args.depth_kind, args.near, args.far)
    sweep, source = _sweep(args)
    device = _device(args.device)
    image, disparity = image.to(device), disparity if disparity is None else disparity.to(device)
    photo = Photo(image, disparity, sweep.base)
    if args.variant == "physical":
        sweep = _focused(args, photo, sweep)
        photo = replace(photo, camera=sweep.base)
        _check_angles(sweep)

    options = {"highlights": args.highlights, "dial": args.dial} | _generator(args.seed)
    names = [*_frame_names(sweep.labels), "contact_sheet.png", "sweep.json"]
    with _complete_or_nothing(args.out, names, args.overwrite) as folder:
        if source:
            print(source)
        small = []
        bar = tqdm(
            total=len(sweep), unit="frame", disable=None, leave=False, bar_format="{l_bar}{bar}| {n:.1f}/{total}"
        )
        with bar:
            for index, name in enumerate(names[: len(sweep)]):
                frame = simulate(
                    photo,
                    _frame_of(sweep, index),
                    variant=args.variant,
                    size=args.size,
                    on_progress=lambda done, index=index: bar.update(index + done - bar.n),
                    **options,
                )[0]
                write_frame(folder / name, frame)
                small.append(_reduced(frame))
        contact_sheet(small, sweep.labels).save(folder / "contact_sheet.png")
        (folder / "sweep.json").write_text(sweep.to_json() + "\n", encoding="utf-8")
    print("Written:", *(f"  {args.out / name}" for name in names), sep="\n")


def _parser() -> Parser:
    parser = Parser("python -m genphoto", description="One photograph under other camera settings.")
    commands = parser.add_subparsers(required=True, metavar="simulate | settings")
    table = commands.add_parser("settings", help="list the settings with units and ranges")
    table.set_defaults(run=list_settings)
    command = commands.add_parser(
        "simulate",
        help="render a photograph under a sweep of settings",
        description="Writes one PNG per frame, contact_sheet.png and sweep.json. Nothing is written unless all is.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=simulate_files, settings=None)
    command.add_argument("photo", type=Path, metavar="PHOTO", help="JPEG, PNG, TIFF or WebP; converted to sRGB")

    group = command.add_argument_group("sweep", "--setting with its values, repeated for settings that vary together")
    group.add_argument("--setting", action=OfSetting, metavar="NAME", help=", ".join(s.name for s in SETTINGS))
    group.add_argument("--values", action=OfSetting, nargs="*", metavar="V", help='such as 24 35 "50 mm" f/2.8 1/125')
    group.add_argument("--start", action=OfSetting, metavar="V", help="first value, in place of --values")
    group.add_argument("--stop", action=OfSetting, metavar="V", help="last value")
    group.add_argument("--frames", action=OfSetting, type=int, metavar="N", help="number of values from start to stop")
    group.add_argument("--spacing", action=OfSetting, choices=SPACINGS, help="equal steps (default) or equal stops")
    group.add_argument("--sweep", type=Path, metavar="FILE.json", help="a sweep.json in place of --setting")

    group = command.add_argument_group("depth")
    group.add_argument(
        "--depth", type=Path, metavar="FILE", help="depth of the photograph, same size: PNG, TIFF or .npy"
    )
    group.add_argument(
        "--depth-kind",
        choices=DEPTH_KINDS,
        help="disparity: larger is nearer (default for pictures); distance: larger is farther, in proportion; "
        "metric: meters in .npy, millimeters in 16-bit pictures",
    )
    group.add_argument("--near", type=float, metavar="M", help="distance of the nearest point [m] (default 1)")
    group.add_argument("--far", type=float, metavar="M", help="distance of the farthest point [m] (default 1000)")

    group = command.add_argument_group(
        "base camera", "what took the photograph; default: its EXIF, else neutral values"
    )
    for field, (option, setting, text) in BASE.items():
        kind = _reader(setting_named(setting).parse) if setting else float
        group.add_argument(option, dest=field, type=kind, metavar=field.rsplit("_", 1)[-1].upper(), help=text)
    group.add_argument(
        "--focus-point", type=float, nargs=2, metavar=("X", "Y"), help="focus on this point: shares of width and height"
    )
    group.add_argument("--sensor", choices=[s.name for s in SENSORS], help="sensor (default full-frame)")
    group.add_argument("--blades", type=int, metavar="N", help="blades of the iris, 0 or 3 and more (default 0: round)")

    group = command.add_argument_group("rendering")
    group.add_argument("--variant", choices=VARIANTS, default="physical", help="default physical")
    group.add_argument(
        "--size", type=_reader(_size), metavar="WxH", help="pixels of a frame (default: the photograph's)"
    )
    group.add_argument(
        "--seed", type=_reader(_seed), metavar="N", help="add the sensor's noise (default: none, the expected frame)"
    )
    group.add_argument(
        "--highlights", type=float, default=0.0, metavar="STOPS", help="extend clipped lights (default 0)"
    )
    group.add_argument("--dial", action="store_true", help="kelvin is the white balance dial's: 2000 K turns blue")
    group.add_argument("--device", choices=("cpu", "cuda", "mps"), help="default: cuda, else mps, else cpu")

    group = command.add_argument_group("output")
    group.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder, made if missing")
    group.add_argument("--overwrite", action="store_true", help="replace files of the same names (default: refuse)")
    return parser


def _reader(parse: Callable[[str], object]) -> Callable[[str], object]:
    def read(text: str) -> object:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if not match:
        raise ValueError(f"{text!r} is not a size in pixels, 1 to 99999 each way. Write WIDTHxHEIGHT, such as 768x512.")
    return int(match[2]), int(match[1])


def _seed(text: str) -> int:
    if not re.fullmatch(r"\d{1,18}", text):
        raise ValueError(f"{text!r} is not a whole number of at most 18 digits. Write one, such as 7.")
    return int(text)


def _sweep(args: argparse.Namespace) -> tuple[CameraSweep, str]:
    """The sweep, and a line that says what of its base camera came from EXIF."""
    if (args.sweep is None) == (args.settings is None):
        raise ValueError("Say what changes: either --setting NAME with --values, or --sweep FILE.json.")
    chosen = {f: v for f in BASE if (v := getattr(args, f)) is not None}
    chosen |= {"sensor": sensor_named(args.sensor)} if args.sensor else {}
    found, source = {}, ""
    if args.sweep:
        sweep = _read_sweep(args.sweep)
        base = sweep.base
    else:
        base = setting_named(args.settings[0]["setting"]).base
        if args.variant == "physical":
            found = read_camera(args.photo, sensor_known=bool(args.sensor))
    found = {f: v for f, v in found.items() if f not in chosen}
    if found.get("iso", math.inf) < chosen.get("sensor", base.sensor).base_iso:
        del found["iso"]  # extended low ISO: metadata of the base ISO's gain
    if found:
        source = f"Base camera from EXIF: {', '.join(f'{f} {v:.4g}' for f, v in found.items())}. "
        source += f"Override: {', '.join(BASE[f][0] for f in found)}."
    base = replace(base, **(found | chosen))
    if args.blades is not None:
        base = replace(base, aperture=replace(base.aperture, blades=args.blades))
    if args.sweep:
        return replace(sweep, base=base), source
    return CameraSweep(_values(args.settings), base), source


def _read_sweep(path: Path) -> CameraSweep:
    try:
        return CameraSweep.from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"--sweep {path} cannot be read: {error.strerror}. Check the path.") from None
    except ValueError as error:
        raise ValueError(f"--sweep {path}: {error}") from None


def _values(settings: list[dict[str, object]]) -> dict[str, Sequence[float | str]]:
    values = {}
    for given in settings:
        name = given["setting"]
        setting_named(name)
        if name in values:
            raise ValueError(f"--setting {name} is given twice. Give all its values after one --setting.")
        ends = [given.get(end) for end in ("start", "stop", "frames")]
        if ("values" in given) == any(end is not None for end in ends) or ("values" not in given and None in ends):
            raise ValueError(f"--setting {name} needs either --values V ... or --start V --stop V --frames N.")
        spaced = SPACINGS[given.get("spacing", "linear")]
        values[name] = given["values"] if "values" in given else spaced(name, *ends).values[name]
    return values


def _focused(args: argparse.Namespace, photo: Photo, sweep: CameraSweep) -> CameraSweep:
    if args.focus_point and args.focus_distance_m is not None:
        raise ValueError("--focus-point and --focus-distance contradict each other. Give one of them.")
    if args.focus_point is None and (args.focus_distance_m is not None or args.sweep or photo.disparity is None):
        return sweep
    x, y = args.focus_point or (0.5, 0.5)
    focused = sweep.focused_at(photo.focus_distance_at(x, y))
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


def _device(wanted: str | None) -> str:
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    present = [name for name, available in here.items() if available]
    if wanted and wanted not in present:
        raise ValueError(f"--device {wanted} is not available here. Use {' or '.join(present)}, or leave it out.")
    return wanted or present[0]


def _frame_of(sweep: CameraSweep, index: int) -> CameraSweep:
    return CameraSweep({name: values[index : index + 1] for name, values in sweep.values.items()}, sweep.base)


def _reduced(frame: torch.Tensor) -> torch.Tensor:
    scale = min(1.0, SHEET_FRAME_PX / max(frame.shape))
    size = [max(1, round(n * scale)) for n in frame.shape[1:]]
    return F.interpolate(frame[None].cpu(), size, mode="bilinear", antialias=True)[0]


def _frame_names(labels: Sequence[str]) -> list[str]:
    """01_24mm.png, 02_f1.4_1-60s.png: sortable, and safe on every file system."""
    digits = max(2, len(str(len(labels))))
    words = [re.sub(r"(?<=\d)/(?=\d)", "-", label.replace(", ", "_")) for label in labels]
    return [f"{i:0{digits}}_{re.sub(r'[^A-Za-z0-9._-]', '', word)}.png" for i, word in enumerate(words, 1)]


@contextmanager
def _complete_or_nothing(out: Path, names: Sequence[str], overwrite: bool) -> Iterator[Path]:
    """A temporary folder in `out` whose files `names` move there at the end; after an error nothing is left."""
    if not overwrite and (there := [name for name in names if (out / name).exists()]):
        raise ValueError(f"{out} already holds {', '.join(there[:3])}. Choose another --out, or say --overwrite.")
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=out, prefix=".unfinished-"))
    except OSError as error:
        raise ValueError(f"--out {out} cannot be written: {error.strerror}. Choose another folder.") from None
    try:
        yield folder
        for name in names:
            os.replace(folder / name, out / name)
    except BaseException:
        shutil.rmtree(folder)
        for empty in made:
            empty.rmdir()
        raise
    folder.rmdir()
