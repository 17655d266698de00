"""Where a training stands: one line for whoever waits for it, and a warning when others hold the cores."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

log = logging.getLogger(__name__)

LAST = 50  # losses that are averaged
JUDGED_S = 20.0  # of work, until its share of the cores is judged
FEW = 0.6  # share of the cores, below which others hold them


def standing(name: str, step: int, steps: int, losses: Sequence[float], step_s: float) -> str:
    """`base: step 1200 of 17000 (7%), loss 0.2134, 1.12 s a step, 4 h 55 min to go`; the loss is the latest mean."""
    recent = losses[-LAST:]
    minutes = round((steps - step) * step_s / 60)
    left = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
    loss = sum(recent) / len(recent)
    return f"{name}: step {step} of {steps} ({step / steps:.0%}), loss {loss:.4f}, {step_s:.3g} s a step, {left} to go"


class Pace:
    """Times steps, and warns once when this process gets far less than the cores that it uses."""

    def __init__(self, device: torch.device):
        self.started = time.monotonic()
        self.steps = 0
        self._judges = device.type == "cpu"  # beside an accelerator, a waiting CPU is no sign
        self._worked = self._used = 0.0

    @property
    def step_s(self) -> float:
        """Mean duration [s] of a step, data included."""
        return (time.monotonic() - self.started) / max(self.steps, 1)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Around the work of a step."""
        wall, cpu = time.monotonic(), time.process_time()
        yield
        self.steps += 1
        self._worked += time.monotonic() - wall
        self._used += time.process_time() - cpu
        if self._judges and self._worked >= JUDGED_S:
            self._judges = False
            self._warn(self._used / self._worked, torch.get_num_threads())

    def _warn(self, cores: float, threads: int) -> None:
        if cores < FEW * threads:
            log.warning(
                "Training gets %.0f %% of the %d core(s) that it uses: other processes hold them. Let it wait for them "
                "or set OMP_NUM_THREADS to the number of free cores; two threads that wait for each other cost more "
                "than one.",
                100 * cores / threads,
                threads,
            )
