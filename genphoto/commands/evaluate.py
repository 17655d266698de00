"""`python -m genphoto evaluate`: sequences of frames, from anywhere, measured against the sweep they were asked for."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from ..camera.sweep import CameraSweep
from ..files.frames import read_frames
from ..files.photos import DEPTH_KINDS, read_depth
from ..files.sweeps import SWEEP
from ..metrics.following import PUBLISHED_CLIP, clip_following, require_prompt
from ..metrics.perceptual import BACKBONES, lpips_distance
from ..metrics.report_page import Entry
from ..optional_packages import set_aside_broken_torchvision
from .arguments import DISTANCE_M, file_path
from .report_files import PAGE, PARTS, REPORT, measured_entry, write_report
from .ruler import Ruler
from .sweep_arguments import add_sweep_arguments, read_sweep, read_values, sweep_in

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

            def progress(done: float, index: int = index) -> None:
                bar.update(index + done - bar.n)

            try:
                asked = sweep or _sweep_of(path)
                entry, measured_before = measured_entry(path, asked, prompt, ruler, args.out / PARTS, progress)
                known += measured_before
            except ValueError as error:
                entry = Entry(str(path), {"error": str(error)})
            entries.append(entry)
            progress(1.0)
            write_report(args.out, entries)
    print("Written:", f"  {args.out / PAGE}", f"  {args.out / REPORT}", sep="\n")
    if known:
        print(f"{known} of {len(entries)} sequences were measured before and not again.")
    if failed := [entry for entry in entries if "error" in entry.results]:
        why = "; ".join(f"{entry.name}: {entry.results['error'].rstrip('.')}" for entry in failed)
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
    prompts = args.prompt or []
    if bool(prompts) != bool(args.clip):
        raise ValueError("Following a prompt needs both: --prompt TEXT and --clip.")
    for prompt in prompts:
        require_prompt(prompt)
    if len(prompts) not in (0, 1, len(args.sequences)):
        raise ValueError(
            f"{len(prompts)} prompts do not fit {len(args.sequences)} sequences: give --prompt once, or once for each."
        )
    return prompts if len(prompts) > 1 else [*prompts, None][:1] * len(args.sequences)


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
    return Ruler(
        (args.reference, read_frames(args.reference)) if args.reference else None,
        lambda size: read_depth(args.depth, size, args.depth_kind, args.near, args.far) if args.depth else None,
        distance,
        following,
        args.cross_talk,
    )
