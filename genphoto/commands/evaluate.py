"""`python -m genphoto evaluate`: sequences of frames, from anywhere, measured against the sweep they were asked for."""

from __future__ import annotations

import argparse
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from ..camera.progress import Progress
from ..camera.sweep import CameraSweep
from ..files.contact_sheet import contact_sheet
from ..files.frames import merged_frames, read_frames
from ..files.photos import DEPTH_KINDS, read_depth
from ..files.sweeps import SWEEP
from ..files.whole_file import whole_file
from ..metrics.following import PUBLISHED_CLIP, Following, clip_following, require_prompt
from ..metrics.perceptual import BACKBONES, Lpips, adjacent_lpips, compensated_lpips, lpips_distance
from ..metrics.plot import plot_report
from ..metrics.report_page import Entry, report_page
from ..metrics.sweep_metrics import measure_sweep
from ..optional_packages import set_aside_broken_torchvision
from .arguments import DISTANCE_M, file_path
from .sweep_arguments import add_sweep_arguments, read_sweep, read_values, sweep_in

REPORT, PAGE, PARTS = "report.json", "report.html", "sequences"
COLUMNS = 6  # of the frames on the page
MEASURED_AS = 2  # raise it when the numbers change, so that nothing older is taken up again

EXAMPLES = """examples:
  python -m genphoto evaluate zoom/ --out report
  python -m genphoto evaluate ours.gif flux.gif --setting focal_length --values 24 35 50 70 --out report
  python -m genphoto evaluate made/ --reference physics/ --lpips vgg --clip --prompt "a red rose" --out report"""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `evaluate` to the commands."""
    command = commands.add_parser(
        "evaluate",
        help="measure sequences of frames against their sweep",
        description=f"Writes {PAGE}, which needs nothing beside it, and {REPORT}. A sequence that was measured before "
        "into the same folder, with the same input, is not measured again.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=evaluate_files)
    command.add_argument(
        "sequences",
        type=file_path,
        nargs="+",
        metavar="FOLDER_OR_GIF",
        help=f"pictures in the order of their names, or an animated GIF, WebP or PNG. A folder's {SWEEP} and a "
        "NAME.json beside NAME.gif say what was asked for, where --setting does not",
    )
    add_sweep_arguments(command)

    group = command.add_argument_group("what to compare with")
    group.add_argument(
        "--reference",
        type=file_path,
        metavar="FOLDER_OR_GIF",
        help="the same sweep by physics, as `simulate` makes it from frame 1: adds the paper's score and what "
        "consistency can be had",
    )
    group.add_argument(
        "--depth",
        type=file_path,
        metavar="FILE",
        help="depth of frame 1, same size: blur is then in pixels, not only in K",
    )
    group.add_argument("--depth-kind", choices=DEPTH_KINDS, help="as for simulate")
    group.add_argument("--near", type=DISTANCE_M, metavar="M", help="distance of the nearest point [m] (default 1)")
    group.add_argument("--far", type=DISTANCE_M, metavar="M", help="distance of the farthest point [m] (default 1000)")

    group = command.add_argument_group("what else to measure")
    group.add_argument("--cross-talk", action="store_true", help="also what the sweep should not change")
    group.add_argument("--lpips", choices=BACKBONES, help="perceptual distance; vgg as in the paper")
    group.add_argument(
        "--lpips-weights",
        type=file_path,
        metavar="DIR",
        help="where torchvision's weights lie (default: torch hub cache)",
    )
    group.add_argument(
        "--clip",
        nargs="?",
        const=PUBLISHED_CLIP,
        metavar="FOLDER",
        help=f"likeness to --prompt by a CLIP of transformers: folder or cached name (default {PUBLISHED_CLIP})",
    )
    group.add_argument(
        "--prompt", action="append", metavar="TEXT", help="what the frames show: once, or once per sequence"
    )

    group = command.add_argument_group("output")
    group.add_argument(
        "--out", type=file_path, required=True, metavar="DIR", help="folder of the report, made if missing"
    )


@dataclass(frozen=True, slots=True)
class Ruler:
    """What all sequences of a call are measured with.

    Args:
        reference: file or folder of the reference and its frames, or None.
        disparity_of: size (H,W) of the frames -> disparity (H,W) [1/m] of the first, or None without depth.
        distance: LPIPS, or None.
        following: CLIP, or None.
        cross_talk: measure also what should not change.
        names: what decides over the result and is no picture: options, and the networks' weights.
    """

    reference: tuple[Path, list[Tensor]] | None
    disparity_of: Callable[[tuple[int, int]], Tensor | None]
    distance: Lpips | None
    following: Following | None
    cross_talk: bool
    names: tuple[str, ...]


def evaluate_files(args: argparse.Namespace) -> None:
    """Measure sequences and write the report."""
    sweep = _common_sweep(args)
    prompts = _prompts(args)
    ruler = _ruler(args)
    try:
        (args.out / PARTS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"--out {args.out} cannot be written: {error.strerror}. Choose another folder.") from None
    entries: list[Entry] = []
    known = 0
    bar = tqdm(
        total=len(args.sequences),
        unit="sequence",
        disable=None,
        leave=False,
        bar_format="{l_bar}{bar}| {n:.1f}/{total}",
    )
    with bar:
        for index, (path, prompt) in enumerate(zip(args.sequences, prompts, strict=True)):

            def report(done: float, index: int = index) -> None:
                bar.update(index + done - bar.n)

            try:
                entry, measured_before = _entry(path, sweep or _sweep_of(path), prompt, ruler, args.out / PARTS, report)
                known += measured_before
            except ValueError as error:
                entry = Entry(str(path), {"error": str(error)})
            entries.append(entry)
            report(1.0)
            _write_report(args.out, entries)
    print("Written:", f"  {args.out / PAGE}", f"  {args.out / REPORT}", sep="\n")
    if known:
        print(f"{known} of {len(entries)} sequences were measured before and not again.")
    if failed := [entry for entry in entries if "error" in entry.found]:
        why = "; ".join(f"{entry.name}: {entry.found['error'].rstrip('.')}" for entry in failed)
        raise ValueError(f"{len(failed)} of {len(entries)} sequences could not be measured and were left out. {why}.")


def _common_sweep(args: argparse.Namespace) -> CameraSweep | None:
    """The sweep of the command line; None where each sequence has its own."""
    if args.sweep is None and args.settings is None:
        return None
    return read_sweep(args) or CameraSweep(read_values(args.settings))


def _sweep_of(path: Path) -> CameraSweep:
    file = path / SWEEP if path.is_dir() else path.with_suffix(".json")
    if not path.exists():
        raise ValueError(f"{path} does not exist. Check the path.")
    if not file.is_file():
        raise ValueError(
            f"Nothing says what was asked for: there is no {file}. Give --setting NAME with --values, one per frame."
        )
    return sweep_in(file)


def _prompts(args: argparse.Namespace) -> list[str | None]:
    given = args.prompt or []
    if bool(given) != bool(args.clip):
        raise ValueError("Following a prompt needs both: --prompt TEXT and --clip.")
    for prompt in given:
        require_prompt(prompt)
    if len(given) not in (0, 1, len(args.sequences)):
        raise ValueError(
            f"{len(given)} prompts do not fit {len(args.sequences)} sequences: give --prompt once, or once for each."
        )
    return given if len(given) > 1 else [*given, None][:1] * len(args.sequences)


def _ruler(args: argparse.Namespace) -> Ruler:
    if not args.depth and any(v is not None for v in (args.depth_kind, args.near, args.far)):
        raise ValueError("--depth-kind, --near and --far describe a depth map. Give it by --depth FILE.")
    if args.clip:
        set_aside_broken_torchvision()
    try:
        distance = lpips_distance(args.lpips, args.lpips_weights) if args.lpips else None
        following = clip_following(args.clip) if args.clip else None
    except ImportError as error:
        raise ValueError(str(error)) from None
    networks = distance, following
    return Ruler(
        (args.reference, read_frames(args.reference)) if args.reference else None,
        lambda size: read_depth(args.depth, size, args.depth_kind, args.near, args.far) if args.depth else None,
        distance,
        following,
        args.cross_talk,
        (str(MEASURED_AS), str(args.cross_talk), *(network.identity if network else "" for network in networks)),
    )


def _entry(
    path: Path, sweep: CameraSweep, prompt: str | None, ruler: Ruler, folder: Path, report: Progress
) -> tuple[Entry, bool]:
    """What was found in a sequence, and whether that was known before; it is kept in `folder`."""
    frames = read_frames(path)
    for file, pictures in filter(None, ((path, frames), ruler.reference)):
        if merged := merged_frames(file, len(pictures), len(sweep)):
            raise ValueError(merged)
    disparity = ruler.disparity_of(tuple(frames[0].shape[1:]))
    reference = ruler.reference[1] if ruler.reference else ()
    pictures = [*frames, *reference, *(() if disparity is None else (disparity,))]
    key = _key(pictures, sweep.to_json(), str(prompt), *ruler.names)
    numbers, sheet, plot = (folder / f"{key}{ending}" for ending in (".json", ".jpg", ".png"))
    known = numbers.is_file()
    if not known:
        found, drawing = _measure(frames, sweep, prompt, ruler, disparity, report)
        _write(sheet, _encoded(contact_sheet(frames, sweep.captions, columns=COLUMNS, max_width=1200), "JPEG"))
        _write(plot, _encoded(drawing, "PNG"))
        _write(numbers, _json(found))  # last: it says that all is there
    return Entry(str(path), json.loads(numbers.read_bytes()), sheet.read_bytes(), plot.read_bytes()), known


def _measure(frames, sweep, prompt, ruler, disparity, report):
    found = measure_sweep(
        frames,
        sweep,
        disparity=disparity,
        reference=ruler.reference and ruler.reference[1],
        cross_talk=ruler.cross_talk,
        on_progress=report,
    )
    numbers: dict[str, Any] = {"sweep": json.loads(sweep.to_json()), **found.to_dict()}
    batch, rows = torch.stack(frames), {}
    if ruler.distance is not None:
        adjacent = adjacent_lpips(batch, ruler.distance)
        compensated = compensated_lpips(batch, sweep.cameras, ruler.distance, disparity, sweep.dial)
        numbers["lpips"] = {
            "adjacent": adjacent,
            "adjacent_mean": _mean(adjacent),
            "compensated": compensated,
            "compensated_mean": _mean(compensated[1:]),
        }
        rows["LPIPS"] = compensated
    if ruler.following is not None:
        likeness = ruler.following(batch, prompt)
        numbers["following"] = {"prompt": prompt, "per_frame": likeness, "mean": _mean(likeness)}
        rows["CLIP"] = likeness
    return numbers, plot_report(found, sweep.labels, rows)


def _write_report(out: Path, entries: Sequence[Entry]) -> None:
    document = {
        "format": "genphoto-report",
        "version": 1,
        "sequences": [{"name": entry.name, **entry.found} for entry in entries],
    }
    _write(out / REPORT, _json(document))
    _write(out / PAGE, report_page(entries).encode())


def _key(pictures: Sequence[Tensor], *words: str) -> str:
    digest = hashlib.sha256()
    for word in words:
        digest.update(f"{len(word)}:{word}".encode())
    for picture in pictures:
        digest.update(str(tuple(picture.shape)).encode())
        digest.update(picture.contiguous().numpy().tobytes())
    return digest.hexdigest()[:20]


def _json(document: Any) -> bytes:
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()


def _encoded(picture, kind: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def _write(path: Path, content: bytes) -> None:
    with whole_file(path) as unfinished:
        unfinished.write_bytes(content)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
