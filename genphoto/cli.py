"""The command line: `python -m genphoto simulate`, `generate`, `evaluate` and the others."""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

import torch

from .camera.photo import MissingDepth
from .commands import annotate, convert, evaluate, generate, settings, simulate, train

BROKEN_PIPE = 128 + 13  # what a shell says of a program that ended by SIGPIPE
_NEGATIVE = re.compile(r"^-(?=(\d+,\d+|\d*\.?\d+e[-+]?\d+)$)", re.I)  # numbers that argparse takes for options


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message.rstrip('.')}. See {self.prog} --help.\n")


def program() -> NoReturn:
    """`main` as a process of its own, on the console that there is."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the console's encoding lacks stops nothing
    try:
        status = main()
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        status = BROKEN_PIPE
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in filter(None, (sys.stdout, sys.stderr)):
            os.dup2(nowhere, stream.fileno())  # or what is still to be printed fails at exit
    except OSError as error:
        status = 2
        print(f"genphoto: error: the output cannot be printed: {error.strerror}.", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; the exit status: 0, 2 for an input that cannot be used, 130 after Ctrl-C.

    Raises:
        BrokenPipeError: nobody reads what is printed.
    """
    try:
        args = _parser().parse_args(
            [_NEGATIVE.sub("\N{MINUS SIGN}", word) for word in (sys.argv[1:] if argv is None else argv)]
        )
        args.run(args)
    except SystemExit as stop:
        return int(stop.code or 0)
    except MissingDepth as error:
        print(f"genphoto: error: {error} Use --depth FILE.", file=sys.stderr)
        return 2
    except BrokenPipeError:
        raise
    except (ValueError, OSError) as error:
        said = str(error)
        if isinstance(error, OSError) and error.filename is not None:
            said = f"{error.filename} cannot be used: {error.strerror}. Check the path."
        print(f"genphoto: error: {' '.join(said.split())}", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        print("genphoto: error: the memory is not enough. Choose smaller pictures or fewer frames.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("genphoto: stopped; unfinished files were removed.", file=sys.stderr)
        return 130
    return 0


def _parser() -> Parser:
    parser = Parser("python -m genphoto", description="One photograph under other camera settings.")
    commands = parser.add_subparsers(
        required=True, metavar="simulate | generate | evaluate | settings | convert | annotate | train"
    )
    for command in (settings, simulate, generate, evaluate, convert, annotate, train):
        command.add_parser(commands)
    return parser


def _out_of_memory(error: Exception) -> bool:
    """Whether memory ran out; PyTorch's allocator on the CPU says so in words only."""
    return isinstance(error, MemoryError | torch.cuda.OutOfMemoryError) or "allocate memory" in str(error)
