"""FrameCache: the examples of a data set on disk, for machines on which simulating costs more than training."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from ..camera.setting import CameraSetting
from ..camera.sweep import CameraSweep
from .dataset import DifferentialDataset, SweepExample

BLOCK = 64  # examples per file: what an interruption can lose


class FrameCache(Dataset):
    """The first epoch of a data set, each example simulated once and kept in 8 bits; later epochs see it again.

    The folder is filled as examples are asked for, or by `fill`, from as many processes as one likes: every block of
    examples is written to a temporary file and renamed.

    Raises:
        ValueError: the folder was filled from another data set.
    """

    def __init__(self, dataset: DifferentialDataset, folder: str | Path):
        self.dataset = dataset
        self.folder = Path(folder)
        self._told: dict[int, list[dict]] = {}
        self._frames: dict[int, np.ndarray] = {}
        self._require_same_data_set()

    def __len__(self) -> int:
        return len(self.dataset)

    def setting_at(self, epoch: int, index: int) -> CameraSetting:
        """The setting that varies in an example, the same in every epoch."""
        return self.dataset.setting_at(0, index)

    def __getitem__(self, at: tuple[int, int]) -> SweepExample:
        _, index = at
        block, row = divmod(index, BLOCK)
        if block not in self._frames:
            with self._opened(block) as file:
                self._frames[block] = file["frames"]
        frames = torch.from_numpy(self._frames[block][row].astype(np.float32) / 255)
        return replace(self.described(index), frames=frames)

    def described(self, index: int) -> SweepExample:
        """An example without its frames."""
        block, row = divmod(index, BLOCK)
        if block not in self._told:
            with self._opened(block) as file:
                self._told[block] = json.loads(str(file["told"]))
        entry = self._told[block][row]
        return SweepExample(None, CameraSweep.from_json(entry["sweep"]), entry["caption"])

    def fill(self, part: int = 0, of: int = 1) -> Iterator[int]:
        """Simulate what is missing, or this part of it; yields after every block, for a progress bar."""
        for block in range(part, -(-len(self) // BLOCK), of):
            if not self._path(block).exists():
                self._write(block)
            yield block

    def _path(self, block: int) -> Path:
        return self.folder / f"{block:06d}.npz"

    def _opened(self, block: int) -> np.lib.npyio.NpzFile:
        if not self._path(block).exists():
            self._write(block)
        return np.load(self._path(block))

    def _write(self, block: int) -> None:
        examples = [self.dataset[0, i] for i in range(block * BLOCK, min((block + 1) * BLOCK, len(self)))]
        frames = torch.stack([(example.frames * 255).round().byte() for example in examples]).numpy()
        told = [{"sweep": example.sweep.to_json(), "caption": example.caption} for example in examples]
        unfinished = self._path(block).with_suffix(f".{uuid.uuid4().hex}.unfinished")
        with unfinished.open("wb") as file:
            np.savez(file, frames=frames, told=json.dumps(told))
        unfinished.replace(self._path(block))

    def _require_same_data_set(self) -> None:
        data = self.dataset
        told = {
            "source": repr(data.source),
            "settings": [setting.name for setting in data.settings],
            "frames": data.frames,
            "size": list(data.size),
            "variant": data.variant,
            "seed": data.seed,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        note = self.folder / "data_set.json"
        if not note.exists():
            note.write_text(json.dumps(told, indent=2), encoding="utf-8")
        elif json.loads(note.read_text(encoding="utf-8")) != told:
            raise ValueError(
                f"{self.folder} holds examples of another data set, described in {note.name}. Choose another folder "
                "for `cache`, or delete this one."
            )


class LatentCache(Dataset):
    """A FrameCache as the latents of an autoencoder, all in one file that is made on first use.

    Args:
        frames: the examples.
        encode: frames (F,3,H,W) in [0,1] -> latents (F,C,h,w).
        name: tells the autoencoder from others, in the file's name.
        on_example: called with the number of encoded examples.
    """

    def __init__(
        self,
        frames: FrameCache,
        encode: Callable[[torch.Tensor], torch.Tensor],
        name: str,
        on_example: Callable[[int], None] = lambda done: None,
    ):
        self.frames = frames
        path = frames.folder / f"latents-{name}.npy"
        if not path.exists():
            unfinished = path.with_suffix(f".{uuid.uuid4().hex}.unfinished")
            file = None
            for index in range(len(frames)):
                latents = encode(frames[0, index].frames).half().cpu().numpy()
                if file is None:
                    shape = (len(frames), *latents.shape)
                    file = np.lib.format.open_memmap(unfinished, "w+", np.float16, shape)
                file[index] = latents
                on_example(index + 1)
            file.flush()
            unfinished.replace(path)
        self.latents = np.load(path, mmap_mode="r")

    def __len__(self) -> int:
        return len(self.frames)

    def setting_at(self, epoch: int, index: int) -> CameraSetting:
        """The setting that varies in an example, the same in every epoch."""
        return self.frames.setting_at(epoch, index)

    def __getitem__(self, at: tuple[int, int]) -> SweepExample:
        latents = torch.from_numpy(self.latents[at[1]].astype(np.float32))
        return replace(self.frames.described(at[1]), latents=latents)
