"""The folder that a command writes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..files.sweeps import complete_or_nothing
from .arguments import file_path


def add_output_arguments(command: argparse.ArgumentParser) -> None:
    """Add the group "output": --out and --overwrite."""
    group = command.add_argument_group("output")
    group.add_argument("--out", type=file_path, required=True, metavar="DIR", help="folder, made if missing")
    group.add_argument("--overwrite", action="store_true", help="replace files of the same names (default: refuse)")


@contextmanager
def output_folder(args: argparse.Namespace, names: Sequence[str]) -> Iterator[Path]:
    """A temporary folder whose files `names` are in --out at the end, and named; after an error nothing is left."""
    if not args.overwrite and (there := [name for name in names if (args.out / name).exists()]):
        raise ValueError(f"{args.out} already holds {', '.join(there[:3])}. Choose another --out, or say --overwrite.")
    with complete_or_nothing(args.out, names) as folder:
        yield folder
    print("Written:", *(f"  {args.out / name}" for name in names), sep="\n")
