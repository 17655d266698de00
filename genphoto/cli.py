"""The command line: `genphoto simulate`, `generate`, `evaluate` and the others, also as `python -m genphoto`."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from .camera.photo import MissingDepth
from .commands import annotate, convert, evaluate, generate, settings, simulate, train

READER_GONE = 141  # as a shell shows that a tool ended with the pipe that it wrote to


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message.rstrip('.')}. See {self.prog} --help.\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; the exit status: 0, 2 for an input that cannot be used, 130 after Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a notebook has others
            stream.reconfigure(errors="backslashreplace")  # a console of few characters, when all files are written
    try:
        try:
            args = _parser().parse_args(argv)
            args.run(args)
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains as it ends
        return READER_GONE
    except MissingDepth as error:
        print(f"genphoto: error: {error} Use --depth FILE.", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        print("genphoto: error: there is not enough memory. Ask for smaller frames, or for fewer.", file=sys.stderr)
        return 2
    except (ValueError, OSError) as error:
        message = str(error)
        if isinstance(error, OSError) and error.filename is not None:
            message = f"{error.filename} cannot be used: {error.strerror}. Check the path."
        print(f"genphoto: error: {' '.join(message.split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("genphoto: stopped; unfinished files were removed.", file=sys.stderr)
        return 130
    return status


def lacks_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out; PyTorch has one type of its own for that, and on GPUs only."""
    return isinstance(error, MemoryError) or "tried to allocate" in str(error).lower()


def _parser() -> Parser:
    program = "python -m genphoto" if Path(sys.argv[0]).name == "__main__.py" else "genphoto"
    parser = Parser(program, description="One photograph under other camera settings.")
    commands = parser.add_subparsers(
        required=True, metavar="simulate | generate | evaluate | settings | convert | annotate | train"
    )
    for command in (settings, simulate, generate, evaluate, convert, annotate, train):
        command.add_parser(commands)
    return parser
