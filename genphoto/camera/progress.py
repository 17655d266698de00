"""Progress: how long work tells how far it is, and how it is cancelled."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float], None]
"""Called with the finished share in [0,1] many times; may raise to cancel."""


def unreported(done: float) -> None:
    """Progress that nobody follows."""


def part_of(progress: Progress, start: float, end: float) -> Progress:
    """The progress of a part, that takes the whole from `start` to `end`."""
    return lambda done: progress(start + (end - start) * done)
