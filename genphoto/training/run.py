"""A whole training: parts, data and stages of a configuration, into one folder."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import torch
from tqdm import tqdm

from ..camera.settings import setting_named
from ..data.dataset import DifferentialDataset, PhotoSource, ProceduralScenes
from ..data.frame_cache import FrameCache, LatentCache
from ..data.photo_folder import PhotoFolder
from .config import DataConfig, StageConfig, TrainConfig
from .examples import Examples, TrainingExamples
from .export import export
from .loop import TrainingState, accelerator_for, train_stage
from .losses import StageLoss
from .parts import Parts

log = logging.getLogger(__name__)


def train(config: TrainConfig, folder: Path, *, cpu: bool = False, only: str | None = None) -> list[Path]:
    """Train all stages, going on where an earlier run stopped; the result is in `folder`/result.

    Args:
        config: what to train.
        folder: checkpoints, loss curves (TensorBoard), pictures and the result.
        cpu: even where there is an accelerator.
        only: name of the last stage to train; None for all.

    Raises:
        ValueError: data or weights cannot be used, or a checkpoint cannot be written.
    """
    names = [stage.name for stage in config.stages]
    if only is not None and only not in names:
        raise ValueError(f"There is no stage {only!r}. Stages: {', '.join(names)}.")
    folder.mkdir(parents=True, exist_ok=True)
    parts = parts_of(config)
    dataset = dataset_of(config.data)
    for stage in config.stages:
        run_stage(config, stage, parts, dataset, folder / stage.name, cpu)
        if stage.name == only:
            break
    return export(parts, config, folder / "result")


def run_stage(
    config: TrainConfig, stage: StageConfig, parts: Parts, dataset: Examples, folder: Path, cpu: bool = False
) -> TrainingState:
    """One stage of a training, with its loss curve and pictures in `folder`."""
    from torch.utils.tensorboard import SummaryWriter

    from .samples import write_samples

    folder.mkdir(parents=True, exist_ok=True)
    accelerator = accelerator_for(stage.precision, cpu)
    if stage.gradient_checkpointing:
        parts.unet.enable_gradient_checkpointing()
    parts.to(accelerator.device)
    if isinstance(dataset, FrameCache) and "autoencoder" not in stage.train:
        with accelerator.main_process_first():
            dataset = as_latents(dataset, parts)
    examples = TrainingExamples(
        dataset,
        stage,
        parts.architecture,
        parts.image_model.tokenize,
        _latent_shape(parts, config.data.size),
        config.data.variant,
        config.seed,
    )
    writer = SummaryWriter(folder) if accelerator.is_main_process else None

    def report(step: int, loss: float) -> None:
        if writer:
            writer.add_scalar("loss", loss, step)

    def sample(step: int) -> None:
        write_samples(parts, config, stage, examples, folder / f"step_{step:06d}.png", writer, step)

    state = train_stage(
        StageLoss(parts, stage, config.model.prediction),
        parts,
        examples,
        config.data.frames,
        folder,
        accelerator,
        seed=config.seed,
        workers=(os.cpu_count() or 1) if config.data.workers < 0 else config.data.workers,
        on_step=report,
        on_sample=sample,
    )
    if writer:
        writer.close()
    accelerator.wait_for_everyone()
    return state


def parts_of(config: TrainConfig) -> Parts:
    """The networks of a configuration, before training."""
    if config.model.kind == "tiny":
        from .tiny import untrained_parts

        return untrained_parts(config.data.settings, config.model.prediction, config.seed)
    from .full_size import full_size_parts

    return full_size_parts(config.model, config.data, config.seed)


def dataset_of(data: DataConfig) -> DifferentialDataset | FrameCache:
    """The data set of a configuration."""
    settings = [setting_named(name) for name in data.settings]
    source: PhotoSource
    if data.folder:
        deep = data.variant == "published" or any(name in ("bokeh", "aperture") for name in data.settings)
        source = PhotoFolder(data.folder, with_depth=deep)
    else:
        source = ProceduralScenes(data.scenes, data.seed)
    dataset = DifferentialDataset(source, settings, data.frames, data.size, data.variant, data.seed)
    return FrameCache(dataset, data.cache) if data.cache else dataset


@torch.no_grad()
def as_latents(frames: FrameCache, parts: Parts) -> LatentCache:
    """The examples of a cache as latents of the autoencoder."""
    device = next(parts.autoencoder.parameters()).device
    digest = hashlib.blake2b(digest_size=6)
    for value in parts.autoencoder.state_dict().values():
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    parts.autoencoder.eval()
    with tqdm(total=len(frames), desc="encoding", unit="sweep", disable=None) as bar:
        return LatentCache(
            frames,
            lambda pictures: parts.image_model.to_latents(pictures.to(device)),
            digest.hexdigest(),
            lambda done: bar.update(done - bar.n),
        )


def _latent_shape(parts: Parts, size: tuple[int, int]) -> tuple[int, int, int]:
    downscale = parts.architecture.downscale
    return parts.unet.config.in_channels, size[0] // downscale, size[1] // downscale
