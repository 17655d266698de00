"""The training loop of one stage: steps, moving average, checkpoints that are complete or not there, exact resuming."""

from __future__ import annotations

import logging
import math
import pickle
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration, DistributedDataParallelKwargs
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from ..files.whole_file import whole_file
from .config import StageConfig
from .examples import StepSampler, TrainingExamples, collate
from .optimizers import optimizers_of
from .parts import Parts
from .standing import Pace, standing

log = logging.getLogger(__name__)

LOWEST = 0.01  # of the learning rate, at the end of its decay


@dataclass(slots=True)
class TrainingState:
    """All that a stage needs to go on as if it had not stopped: randomness follows from seed and step.

    Args:
        origin: what the stage and its start were, by name; only the same may go on.
        step: finished optimizer steps.
        weights: parameters and buffers of the learning parts, by name.
        average: their moving average; empty without one.
        optimizer: states of the optimizers, by name.
        scaler: state of the gradient scaler of fp16; empty without one.
        losses: of every finished step.
    """

    origin: dict[str, str]
    step: int
    weights: dict[str, Tensor]
    average: dict[str, Tensor]
    optimizer: dict[str, Any]
    scaler: dict[str, Any]
    losses: list[float]

    def save(self, path: Path) -> None:
        """Write the state, all of it or nothing: the older checkpoint survives a full disk.

        Raises:
            ValueError: it cannot be written.
        """
        try:
            with whole_file(path) as unfinished:
                torch.save({name: getattr(self, name) for name in self.__slots__}, unfinished)
        except (OSError, RuntimeError) as error:  # PyTorch's writer raises RuntimeError where the disk is full
            raise ValueError(
                f"{path} cannot be written: {str(error).splitlines()[0]}. The checkpoint before it is intact; free "
                "some disk space and run the same command again."
            ) from error

    @classmethod
    def load(cls, path: Path, origin: Mapping[str, str] | None = None) -> TrainingState:
        """The state in a file.

        Raises:
            ValueError: it cannot be read, or is not of that origin, where one is given.
        """
        try:
            state = cls(**torch.load(path, map_location="cpu", weights_only=True))
        except (OSError, RuntimeError, TypeError, EOFError, pickle.UnpicklingError) as error:
            raise ValueError(
                f"{path} is no complete checkpoint ({error}). Delete it to start the stage anew."
            ) from None
        for name, now in (origin or {}).items():
            before = state.origin.get(name)
            if before != now:
                raise ValueError(
                    f"{path} is of another training: its {name} was {before}, and is now {now}. Choose another folder "
                    "for the run, or delete this checkpoint to start the stage anew."
                )
        return state


def rate_share(stage: StageConfig, step: int) -> float:
    """Share of the highest learning rates, of a step from 0 on: rises linearly, stays, falls linearly at the end."""
    rise = min(1.0, (step + 1) / max(stage.warmup, 1))
    left = (stage.steps - step) / max(stage.decay * stage.steps, 1)
    return min(rise, LOWEST + (1 - LOWEST) * min(left, 1.0))


def accelerator_for(precision: str, cpu: bool = False) -> Accelerator:
    """Hugging Face accelerate with what a stage asks for; batches are those of one process, split over all."""
    return Accelerator(
        mixed_precision=precision,
        cpu=cpu,
        dataloader_config=DataLoaderConfiguration(split_batches=True),
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )


def train_stage(
    loss: nn.Module,
    parts: Parts,
    examples: TrainingExamples,
    frames: int,
    folder: Path,
    accelerator: Accelerator,
    *,
    seed: int,
    workers: int,
    origin: Mapping[str, str],
    deadline: float = math.inf,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
    on_sample: Callable[[int], None] | None = None,
    on_save: Callable[[str], None] = lambda line: None,
) -> TrainingState:
    """Train until the stage's last step, from the checkpoint in `folder` if there is one; returns the final state.

    After `deadline`, in the time of `time.monotonic`, it stops with a checkpoint behind the step at hand.

    `origin` says of what training the stage is: a checkpoint of another one is refused.
    `loss` maps a batch to a scalar and holds `parts`, whose learning parameters end as their moving average where the
    stage has one. `on_step(step, loss)` is called after every step, `on_sample(step)` while the averaged weights are
    in place, and `on_save` with a line that says where the stage stands.

    Raises:
        ValueError: a loss or a gradient is infinite or none (NaN); nothing is learned from it.
    """
    stage = examples.stage
    learning = parts.freeze_all_but(stage.train)
    stored = learning | parts.buffers_of(stage.train)
    path = folder / "checkpoint.pt"
    state = TrainingState(dict(origin), 0, {}, {}, {}, {}, [])
    if path.exists():
        state = TrainingState.load(path, origin)
    _copy(stored, state.weights)
    if state.step >= stage.steps:
        _copy(learning, state.average)
        return state
    optimizers = optimizers_of(stage, learning, parts)
    highest = {name: optimizer.param_groups[0]["lr"] for name, optimizer in optimizers.items()}
    sampler = StepSampler(examples.dataset, stage, frames, seed, state.step)
    loader = DataLoader(
        examples, batch_sampler=sampler, collate_fn=collate, num_workers=workers, persistent_workers=workers > 0
    )
    loss, loader, *prepared = accelerator.prepare(loss, loader, *optimizers.values())
    optimizers = dict(zip(optimizers, prepared, strict=True))
    for name, optimizer_state in state.optimizer.items():
        optimizers[name].load_state_dict(optimizer_state)
    if state.scaler:
        accelerator.scaler.load_state_dict(state.scaler)
    average = {name: p.detach().clone() for name, p in learning.items()} if stage.ema else {}
    _copy(average, state.average)

    silent = None if accelerator.is_main_process else True
    bar = tqdm(total=stage.steps, initial=state.step, desc=stage.name, unit="step", disable=silent)
    batches, pace = iter(loader), Pace(accelerator.device)
    for step in range(state.step, stage.steps):
        with pace.step():
            value = _backward(loss, islice(batches, stage.accumulate), stage.accumulate, accelerator)
            _require_finite("loss", value, stage, step, folder)
            norm = accelerator.clip_grad_norm_(learning.values(), stage.clip_gradient)
            if accelerator.scaler is None:  # the scaler of fp16 looks itself, and leaves out such a step
                _require_finite("norm of the gradient", float(norm), stage, step, folder)
            for name, optimizer in optimizers.items():
                for group in optimizer.param_groups:
                    group["lr"] = highest[name] * rate_share(stage, step)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            if average and not accelerator.optimizer_step_was_skipped:
                _follow(average, learning, min(stage.ema, (step + 1) / (step + 10)))
        state.losses.append(value)
        done = step + 1
        on_step(done, state.losses[-1])
        bar.update(1)
        bar.set_postfix(loss=f"{sum(state.losses[-50:]) / len(state.losses[-50:]):.4f}", refresh=False)
        late = _late(deadline, accelerator)
        last = done == stage.steps or late
        if (last or (stage.save_every and done % stage.save_every == 0)) and accelerator.is_main_process:
            state.step = done
            state.weights = {name: p.detach().cpu().clone() for name, p in stored.items()}
            state.average = {name: p.cpu().clone() for name, p in average.items()}
            state.optimizer = {name: optimizer.state_dict() for name, optimizer in optimizers.items()}
            state.scaler = accelerator.scaler.state_dict() if accelerator.scaler else {}
            state.save(path)
            on_save(standing(stage.name, done, stage.steps, state.losses, pace.step_s))
        due = last or (stage.sample_every and done % stage.sample_every == 0)
        if on_sample and accelerator.is_main_process and due:
            _with_average(learning, average, partial(on_sample, done))
        if late:
            break
    state.step = done
    bar.close()
    _copy(learning, average)
    return state


def _backward(loss: nn.Module, batches: Iterable[dict], count: int, accelerator: Accelerator) -> float:
    """The mean loss of `count` batches, whose gradients are summed; processes exchange them once, at the last."""
    total = torch.zeros((), device=accelerator.device)
    for number, batch in enumerate(batches, 1):
        with nullcontext() if number == count else accelerator.no_sync(loss):
            value = loss(batch) / count
            accelerator.backward(value)
        total += value.detach()
    return accelerator.reduce(total, "mean").item()


def _require_finite(what: str, value: float, stage: StageConfig, step: int, folder: Path) -> None:
    if not math.isfinite(value):
        raise ValueError(
            f"stage {stage.name}: the {what} of step {step + 1} is {value}. Training stopped before it learned from "
            f"that; the last checkpoint in {folder} is intact. Lower learning_rate = {stage.learning_rate:g}, or use "
            "precision bf16 or no, in a new folder."
        )


def _late(deadline: float, accelerator: Accelerator) -> bool:
    """Whether the time is up for any process: all stop behind the same step."""
    if deadline == math.inf:
        return False
    late = torch.tensor(float(time.monotonic() >= deadline), device=accelerator.device)
    return accelerator.reduce(late, "sum").item() > 0


def _follow(average: Mapping[str, Tensor], learning: Mapping[str, nn.Parameter], decay: float) -> None:
    torch._foreach_lerp_(list(average.values()), [p.detach() for p in learning.values()], 1 - decay)


@torch.no_grad()
def _copy(into: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    for name, value in weights.items():
        into[name].copy_(value)


def _with_average(learning: Mapping[str, nn.Parameter], average: Mapping[str, Tensor], act: Callable[[], None]) -> None:
    own = {name: p.detach().clone() for name, p in learning.items()}
    _copy(learning, average)
    act()
    _copy(learning, own)
