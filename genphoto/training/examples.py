"""Training examples: what a step learns from, as tensors that depend on the configuration's seed and the step alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from ..camera.settings import joint_name
from ..data.dataset import DifferentialDataset, seeded
from ..data.frame_cache import FrameCache, LatentCache
from ..model.config import Architecture
from ..model.steering import CameraQuestion, Steering
from .config import StageConfig

TIMESTEPS = 1000
WINDOW = 1024  # examples
Examples = DifferentialDataset | FrameCache | LatentCache
Key = tuple[int, int, int, int]  # epoch, index, number of the draw, frames


class StepSampler(Sampler):
    """The keys of every step's examples from step `start` on, in as many batches as the stage accumulates.

    All examples of a step vary the same settings.
    """

    def __init__(self, dataset: Examples, stage: StageConfig, frames: int, seed: int, start: int = 0):
        self.dataset = dataset
        self.stage = stage
        self.frames = frames
        self.seed = seed
        self.start = start
        self.batch_size = stage.batch_size // stage.accumulate  # by these two accelerate shares a batch among processes
        self.drop_last = True

    def __len__(self) -> int:
        return (self.stage.steps - self.start) * self.stage.accumulate

    def __iter__(self) -> Iterator[list[Key]]:
        for step, at in enumerate(islice(self._batches(), self.stage.steps)):
            if step >= self.start:
                frames = self._frames_at(step)
                keys = [(epoch, index, step * len(at) + k, frames) for k, (epoch, index) in enumerate(at)]
                yield from (keys[k : k + self.batch_size] for k in range(0, len(keys), self.batch_size))

    def _batches(self) -> Iterator[list[tuple[int, int]]]:
        epoch = 0
        size = self.stage.batch_size
        rest: dict[str, list[tuple[int, int]]] = {}
        while True:
            for index in self._order(epoch):
                name = joint_name(self.dataset.settings_at(epoch, index)) if self.stage.kind == "sweep" else ""
                waiting = rest.setdefault(name, [])
                waiting.append((epoch, index))
                if len(waiting) == size:
                    yield list(waiting)
                    waiting.clear()
            epoch += 1

    def _order(self, epoch: int) -> Iterator[int]:
        """All examples once, shuffled within windows and window by window: a cache is not filled all at once."""
        generator = seeded(self.seed, self.stage.name, "order", epoch)
        count = len(self.dataset)
        for window in torch.randperm(-(-count // WINDOW), generator=generator).tolist():
            first = window * WINDOW
            yield from (first + torch.randperm(min(WINDOW, count - first), generator=generator)).tolist()

    def _frames_at(self, step: int) -> int:
        if self.stage.kind != "sweep":
            return 1
        most = min(self.stage.most_frames or self.frames, self.frames)
        fewest = min(self.stage.fewest_frames, most)
        draw = torch.randint(fewest, most + 1, (), generator=seeded(self.seed, self.stage.name, "frames", step))
        return int(draw)


class TrainingExamples(Dataset):
    """Examples of a stage as tensors: frames, words, camera, noise and timestep.

    Args:
        dataset: sweeps of photographs.
        stage: what is trained.
        architecture: of the lift; its camera embedding is prepared here.
        steered: what every camera adapter steers, by its name.
        tokenize: texts -> token numbers (N,T).
        latent_shape: (C,h,w) of a frame's latent.
        seed: of noise, timesteps and dropouts.
    """

    def __init__(
        self,
        dataset: Examples,
        stage: StageConfig,
        architecture: Architecture,
        steered: Mapping[str, Steering],
        tokenize: Callable[[Sequence[str]], Tensor],
        latent_shape: tuple[int, int, int],
        seed: int,
    ):
        self.dataset = dataset
        self.stage = stage
        self.architecture = architecture
        self.steered = steered
        self.tokenize = tokenize
        self.latent_shape = latent_shape
        self.seed = seed

    def __getitem__(self, key: Key) -> dict[str, object]:
        epoch, index, draw, count = key
        example = self.dataset[epoch, index]
        generator = seeded(self.seed, self.stage.name, "draw", draw)
        drop_text = torch.rand((), generator=generator).item()
        stored = "frames" if example.latents is None else "latents"
        pictures = getattr(example, stored)
        first = int(torch.randint(len(pictures) - count + 1, (), generator=generator))
        pictures = pictures[first : first + count]
        item: dict[str, object] = {"timestep": shifted(self._timestep(draw, generator), self.stage)}
        if self.stage.kind == "autoencoder":
            pictures = self._cropped(pictures, generator)
        else:
            item["text"] = self.tokenize(["" if drop_text < self.stage.drop_text else example.caption])
        if self.stage.kind == "sweep":
            item["steered"] = joint_name(self.dataset.settings_at(epoch, index))
            step = draw // self.stage.batch_size
            item["camera_drawn"] = torch.rand((), generator=seeded(self.seed, self.stage.name, "camera", step))
            item |= self._camera(self.steered[item["steered"]].question(example.sweep), slice(first, first + count))
            if self.stage.blind == "camera":
                item["text"] = self._with_plain_prompts(item["text"], item["camera_text"])
        shape = self.latent_shape
        if self.stage.kind == "autoencoder":
            shape = (shape[0], *(n // self.architecture.backbone.downscale for n in pictures.shape[-2:]))
        return item | {stored: pictures, "noise": torch.randn(count, *shape, generator=generator)}

    def _timestep(self, draw: int, generator: torch.Generator) -> Tensor:
        """A timestep from the example's share of all: those of a batch are spread evenly, which calms the loss."""
        size = self.stage.batch_size
        place = (draw % size + torch.rand((), dtype=torch.float64, generator=generator)) / size
        return (place * TIMESTEPS).long()

    def _camera(self, question: CameraQuestion, shown: slice) -> dict[str, Tensor]:
        """What the camera encoder gets of the frames that are shown, and how much larger than in the first of them."""
        larger = question.magnification(reference=shown.start)
        return {
            "prior": question.prior(self.architecture.encoder.embedding_size)[shown],
            "camera_text": self.tokenize(question.prompts[shown]),
            "magnification": larger[shown].float(),  # batches go to devices without float64
        }

    @staticmethod
    def _with_plain_prompts(caption: Tensor, words: Tensor) -> Tensor:
        """Token numbers of a caption (1,T) and of the camera's words (F,T), which take the camera encoder's place.

        In two pieces (F,2,T), each read by itself, since both together may be too long.
        """
        return torch.stack([caption.expand(len(words), -1), words], 1)

    def _cropped(self, frames: Tensor, generator: torch.Generator) -> Tensor:
        if not self.stage.crop:
            return frames
        top, left = (
            int(torch.randint(have - want + 1, (), generator=generator))
            for have, want in zip(frames.shape[-2:], self.stage.crop, strict=True)
        )
        return frames[..., top : top + self.stage.crop[0], left : left + self.stage.crop[1]]


def shifted(timestep: Tensor, stage: StageConfig) -> Tensor:
    """A uniform timestep, moved towards noise by the stage's shift s: t -> s t / (1 + (s - 1) t) for t in 0..1.

    Esser et al., Scaling Rectified Flow Transformers (ICML 2024), equation 23.
    """
    t = (timestep + 0.5) / TIMESTEPS
    s = stage.timestep_shift
    return (s * t / (1 + (s - 1) * t) * TIMESTEPS).long()


def collate(items: Sequence[dict[str, object]]) -> dict[str, object]:
    """A batch: tensors stacked, the name of what is steered once."""
    return {
        name: torch.stack([item[name] for item in items]) if isinstance(value, Tensor) else value
        for name, value in items[0].items()
    }
