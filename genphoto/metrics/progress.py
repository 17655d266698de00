"""Progress of a measurement: frame by frame, so that it can be cancelled at each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from ..camera.progress import Progress

T = TypeVar("T")


def reported(items: Sequence[T], progress: Progress) -> Iterator[T]:
    """The items; the finished share is reported once each is done with."""
    for index, item in enumerate(items, 1):
        yield item
        progress(index / len(items))
