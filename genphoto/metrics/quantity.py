"""Quantity: one respect in which a camera changes a picture, how it is measured, and how its change is undone.

Quantities mirror the stages of rendering: each says whose work it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..camera.camera import Camera
from ..camera.progress import Progress
from .frames import Pair
from .measurement import Measurement
from .sequence import FrameSequence

Undo = Callable[[Pair, Camera, Camera, FrameSequence], Pair]


def _as_asked(sequence: FrameSequence, measurement: Measurement) -> FrameSequence:
    """The sequence as it is: what was measured does not matter to other quantities."""
    return sequence


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something that can be read off a sequence.

    Args:
        name: name of its measurement, also in files.
        unit: unit of what is requested.
        stages: names of the stages of rendering (`camera.stages`) whose work it reads.
        requested: cameras -> values (F,) that the sweep asks for, relative to one of its frames.
        noticeable: least change of those that counts as asked for.
        measure: (sequence, progress) -> what its frames show of it.
        undo: (pair, camera of its reference, camera of its frame, sequence) -> the pair with both brought to the
            worse of the two in this respect, as the cameras ask: a change that is missing is added to one side all the
            same. Quantities that can only be undone together share one function.
        pixelwise: whether `undo` changes every pixel by itself.
        registered: (sequence, measurement) -> the sequence in which the quantities after this one are read, where it
            decides which pixels show the same thing.
    """

    name: str
    unit: str
    stages: tuple[str, ...]
    requested: Callable[[Sequence[Camera]], tuple[float, ...]]
    noticeable: float
    measure: Callable[[FrameSequence, Progress], Measurement]
    undo: Undo
    pixelwise: bool = True
    registered: Callable[[FrameSequence, Measurement], FrameSequence] = _as_asked

    def asked_for(self, cameras: Sequence[Camera]) -> bool:
        """The sweep changes this quantity."""
        values = self.requested(cameras)
        return max(values) - min(values) >= self.noticeable


def undone(pair: Pair, first: Camera, camera: Camera, sequence: FrameSequence, quantities: Iterable[Quantity]) -> Pair:
    """The pair with what these cameras change undone in every respect, in the order of the quantities."""
    for undo in dict.fromkeys(quantity.undo for quantity in quantities):
        pair = undo(pair, first, camera, sequence)
    return pair
