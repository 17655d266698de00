"""`python -m genphoto settings`: the table of settings."""

from __future__ import annotations

import argparse

from ..camera.setting import CameraSetting
from ..camera.settings import SETTINGS


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `settings` to the commands."""
    table = commands.add_parser("settings", help="list the settings with units and ranges")
    table.set_defaults(run=list_settings)


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
    return [setting.format(float(f"{v:.2g}")).replace(" ", "") for v in (low, (low + high) / 2, high)]
