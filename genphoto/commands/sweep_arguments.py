"""The arguments that say what changes from frame to frame: --setting with its values, or a sweep.json."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..camera.settings import SETTINGS, setting_named
from ..camera.sweep import MOST_FRAMES, CameraSweep
from ..files.texts import read_text
from .arguments import file_path, number

SPACINGS = {"linear": CameraSweep.linear, "stops": CameraSweep.stops}


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


def add_sweep_arguments(command: argparse.ArgumentParser) -> None:
    """Add the group "sweep"; `read_sweep` and `read_values` read what it leaves in `sweep` and `settings`."""
    command.set_defaults(settings=None)
    group = command.add_argument_group("sweep", "--setting with its values, repeated for settings that vary together")
    group.add_argument("--setting", action=OfSetting, metavar="NAME", help=", ".join(s.name for s in SETTINGS))
    group.add_argument("--values", action=OfSetting, nargs="*", metavar="V", help='such as 24 35 "50 mm" f/2.8 1/125')
    group.add_argument("--start", action=OfSetting, metavar="V", help="first value, in place of --values")
    group.add_argument("--stop", action=OfSetting, metavar="V", help="last value")
    group.add_argument(
        "--frames",
        action=OfSetting,
        type=number(1, MOST_FRAMES, whole=True),
        metavar="N",
        help="number of values from start to stop",
    )
    group.add_argument("--spacing", action=OfSetting, choices=SPACINGS, help="equal steps (default) or equal stops")
    group.add_argument("--sweep", type=file_path, metavar="FILE.json", help="a sweep.json in place of --setting")


def read_sweep(args: argparse.Namespace) -> CameraSweep | None:
    """The sweep of --sweep; None where --setting is given in its place."""
    if (args.sweep is None) == (args.settings is None):
        raise ValueError("Say what changes: either --setting NAME with --values, or --sweep FILE.json.")
    return sweep_in(args.sweep) if args.sweep else None


def read_values(settings: list[dict[str, object]]) -> dict[str, Sequence[float | str]]:
    """Setting name -> values, of each --setting with --values or --start, --stop and --frames."""
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
        values[name] = " ".join(given["values"]) if "values" in given else spaced(name, *ends).values[name]
    return values


def sweep_in(path: Path) -> CameraSweep:
    """The sweep of a sweep.json."""
    try:
        return CameraSweep.from_json(read_text(path))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}. Check the path and its rights.") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
