"""A whole training: parts, data and stages of a configuration, into one folder."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from accelerate import PartialState
from tqdm import tqdm

from ..camera.settings import settings_named
from ..data.dataset import DifferentialDataset, ProceduralScenes, SubjectSource
from ..data.frame_cache import FrameCache, LatentCache
from ..data.photos.folder import PhotoFolder
from .config import DataConfig, StageConfig, TrainConfig
from .examples import Examples, TrainingExamples
from .export import export
from .loop import TrainingState, accelerator_for, train_stage
from .losses import StageLoss
from .parts import Parts

log = logging.getLogger(__name__)

FREE = ("name", "steps", "accumulate", "save_every", "sample_every")  # may change while a stage is stopped
FREE_DATA = ("cache", "workers")


def train(
    config: TrainConfig,
    folder: Path,
    *,
    cpu: bool = False,
    only: str | None = None,
    minutes: float = math.inf,
    on_save: Callable[[str], None] = lambda line: None,
) -> list[Path]:
    """Train all stages, going on where an earlier run stopped; the result is in `folder`/result.

    Of several processes the main one writes it; the others return no paths.

    Args:
        config: what to train.
        folder: checkpoints, loss curves (TensorBoard), pictures and the result.
        cpu: even where there is an accelerator.
        only: name of the last stage to train; None for all.
        minutes: after which training stops, with a checkpoint and no result.
        on_save: called at every checkpoint with a line that says where the stage stands.

    Raises:
        ValueError: data or weights cannot be used, or a checkpoint cannot be written.
    """
    names = [stage.name for stage in config.stages]
    if only is not None and only not in names:
        raise ValueError(f"There is no stage {only!r}. Stages: {', '.join(names)}.")
    folder.mkdir(parents=True, exist_ok=True)
    parts = parts_of(config)
    stages = config.stages[: names.index(only) + 1] if only is not None else config.stages
    deadline = time.monotonic() + 60 * minutes
    for stage in stages:
        dataset = dataset_of(config.data, stage.kind)
        state = run_stage(config, stage, parts, dataset, folder / stage.name, cpu, deadline, on_save)
        if state.step < stage.steps:
            return []
    processes = PartialState()
    written: list[Path] = []
    if processes.is_main_process:
        written = export(parts, config, {name for stage in stages for name in stage.train}, folder / "result")
    processes.wait_for_everyone()
    return written


def run_stage(
    config: TrainConfig,
    stage: StageConfig,
    parts: Parts,
    dataset: Examples,
    folder: Path,
    cpu: bool = False,
    deadline: float = math.inf,
    on_save: Callable[[str], None] = lambda line: None,
) -> TrainingState:
    """One stage of a training, with its loss curve and pictures in `folder`."""
    from torch.utils.tensorboard import SummaryWriter

    from .samples import write_samples

    folder.mkdir(parents=True, exist_ok=True)
    accelerator = accelerator_for(config.precision, cpu)
    if stage.gradient_checkpointing:
        parts.unet.enable_gradient_checkpointing()
    else:
        parts.unet.disable_gradient_checkpointing()
    origin = _origin(config, stage, parts)
    parts.to(accelerator.device)
    if isinstance(dataset, FrameCache) and "autoencoder" not in stage.train:
        with accelerator.main_process_first():
            dataset = as_latents(dataset, parts)
    examples = examples_of(config, stage, parts, dataset)
    writers: list[SummaryWriter] = []  # one, of the main process, from the first step on

    def report(step: int, loss: float) -> None:
        if not writers and accelerator.is_main_process:
            writers.append(SummaryWriter(folder, purge_step=step))
        for writer in writers:
            writer.add_scalar("loss", loss, step)

    def sample(step: int) -> None:
        for writer in writers:
            write_samples(parts, config, examples, folder / f"step_{step:06d}.png", writer, step)

    state = train_stage(
        StageLoss(parts, stage, config.model.prediction),
        parts,
        examples,
        config.data.frames,
        folder,
        accelerator,
        seed=config.seed,
        workers=workers_of(config.data, accelerator.num_processes),
        origin=origin,
        deadline=deadline,
        on_step=report,
        on_sample=sample,
        on_save=on_save,
    )
    for writer in writers:
        writer.close()
    accelerator.wait_for_everyone()
    return state


def workers_of(data: DataConfig, processes: int) -> int:
    """Processes that prepare the examples of one training process, where `processes` train.

    Those of one machine share its cores; a launcher says how many they are in LOCAL_WORLD_SIZE.
    """
    here = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
    total = (os.cpu_count() or 1) if data.workers < 0 else data.workers
    return max(total // here, 1) if total else 0


def parts_of(config: TrainConfig) -> Parts:
    """The networks of a configuration, before training."""
    if config.model.kind == "tiny":
        from .tiny import untrained_parts

        return untrained_parts(config.data, config.model.prediction, config.seed)
    from .full_size import full_size_parts

    return full_size_parts(config.model, config.data, config.seed)


def dataset_of(data: DataConfig, kind: str = "sweep") -> DifferentialDataset | FrameCache:
    """The data set for a kind of stage: sweeps, or single frames."""
    settings = [settings_named(name) for name in data.settings]
    source: SubjectSource
    if data.folder:
        deep = any(setting.moves_iris for varied in settings for setting in varied)
        source = PhotoFolder(data.folder, with_depth=deep)
    else:
        source = ProceduralScenes(data.scenes, data.seed)
    frames, plain, place = (data.frames, 0.0, "") if kind == "sweep" else (1, data.plain, "frames")
    dataset = DifferentialDataset(source, settings, frames, data.size, data.variant, data.seed, plain)
    return FrameCache(dataset, Path(data.cache) / place) if data.cache else dataset


def examples_of(config: TrainConfig, stage: StageConfig, parts: Parts, dataset: Examples) -> TrainingExamples:
    """What a stage learns from."""
    architecture = parts.architecture
    latent_shape = (parts.unet.config.in_channels, *(n // architecture.backbone.downscale for n in config.data.size))
    steered = {name: adapter.steering for name, adapter in parts.camera.items()}
    tokenize = parts.image_model.tokenize
    return TrainingExamples(dataset, stage, architecture, steered, tokenize, latent_shape, config.seed)


@torch.no_grad()
def as_latents(frames: FrameCache, parts: Parts) -> LatentCache:
    """The examples of a cache as latents of the autoencoder."""
    device = next(parts.autoencoder.parameters()).device
    parts.autoencoder.eval()
    with tqdm(total=len(frames), desc="encoding", unit="sweep", disable=None) as bar:
        return LatentCache(
            frames,
            lambda pictures: parts.image_model.to_latents(pictures.to(device)),
            _digest(parts.autoencoder),
            lambda done: bar.update(done - bar.n),
        )


def _digest(module: torch.nn.Module) -> str:
    """Of the weights."""
    digest = hashlib.blake2b(digest_size=6)
    for value in module.state_dict().values():
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _origin(config: TrainConfig, stage: StageConfig, parts: Parts) -> dict[str, str]:
    """What a stage's result depends on: what is configured, but for how long and how often, and the weights so far."""
    origin = {"seed": config.seed, "precision": config.precision, "weights at the start": _digest(parts)}
    for where, part, free in (("model", config.model, ()), ("data", config.data, FREE_DATA), ("stage", stage, FREE)):
        origin |= {f"{where}: {name}": value for name, value in asdict(part).items() if name not in free}
    return {name: repr(value) for name, value in origin.items()}
