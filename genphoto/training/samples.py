"""Pictures during training: what a stage has learned so far, to be looked at."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter

from ..files.contact_sheet import contact_sheet
from ..model.diffusers_host import LiftedUNet
from ..sampling import published_scheduler, sample
from .config import TrainConfig
from .examples import TrainingExamples, collate
from .losses import StageLoss
from .parts import Parts

PICTURES = 5
STEPS, GUIDANCE_SCALE = 25, 3.0


@torch.no_grad()
def write_samples(
    parts: Parts,
    config: TrainConfig,
    examples: TrainingExamples,
    path: Path,
    writer: SummaryWriter,
    step: int,
) -> None:
    """Write a sheet of what the stage makes of its first examples, and show it in TensorBoard.

    The autoencoder's: each original beside its reconstruction. The others': samples from words, for "sweep" one sweep
    per row and setting.
    """
    parts.eval()
    examples = copy(examples)
    examples.stage = stage = replace(examples.stage, drop_text=0.0, drop_camera=0.0)
    model = parts.image_model
    loss = StageLoss(parts, stage, config.model.prediction)
    rows, captions = [], []
    count = 1 if stage.kind != "sweep" else config.data.frames
    for row in range(PICTURES if stage.kind != "sweep" else len(config.data.settings)):
        batch = collate([examples[0, row, -1 - row, count]])
        batch = {k: v.to(parts.unet.device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
        if stage.kind == "autoencoder":
            frames = batch["frames"][0]
            rows.append(torch.cat([frames, model.to_pictures(model.to_latents(frames))]))
            captions += ["", ""]
            continue
        nothing = batch["text"].clone()
        nothing[..., 0, :] = model.tokenize([""])[0]
        cameras, noise = [], batch["noise"][0]
        if stage.kind == "sweep":
            cameras = loss.cameras(batch)
            noise = loss.noise(batch, cameras)
        denoiser = LiftedUNet(parts.unet, parts.motion) if stage.kind == "sweep" else _images(parts)
        latents = sample(
            denoiser,
            noise,
            published_scheduler(STEPS, config.model.prediction),
            loss.text(batch["text"]),
            loss.text(nothing),
            guidance_scale=GUIDANCE_SCALE,
            cameras=cameras,
        )
        rows.append(model.to_pictures(latents))
        example = examples.dataset[0, row]
        captions += example.sweep.labels[:count] if stage.kind == "sweep" else [example.caption[:40]]
    columns = max(map(len, rows))
    sheet = contact_sheet(list(torch.cat(rows).cpu()), captions, columns=columns if columns > 1 else PICTURES)
    sheet.save(path)
    writer.add_image("samples", np.asarray(sheet), step, dataformats="HWC")
    parts.freeze_all_but(stage.train)


def _images(parts: Parts):
    def denoise(latents, timestep, text, frames, cameras):
        return parts.unet(latents, timestep, text).sample

    return denoise
