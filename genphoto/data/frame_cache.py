"""FrameCache: the examples of a data set on disk, for machines on which simulating costs more than training."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch.utils.data import Dataset

from ..camera.setting import CameraSetting
from ..camera.settings import joint_name
from ..camera.sweep import CameraSweep
from ..files.whole_file import whole_file
from .dataset import DifferentialDataset, SweepExample

BLOCK = 64  # examples per file: what an interruption can lose


class FrameCache(Dataset):
    """The first epoch of a data set, each example simulated once and kept in 8 bits; later epochs see it again.

    The folder is filled as examples are asked for, from as many processes as one likes. Frames stay on disk until they
    are used.

    Raises:
        ValueError: the folder was filled from another data set, or cannot be written.
    """

    def __init__(self, dataset: DifferentialDataset, folder: str | Path):
        self.dataset = dataset
        self.folder = Path(folder)
        self._told: dict[int, list[dict]] = {}
        self._require_same_data_set()

    def __len__(self) -> int:
        return len(self.dataset)

    def settings_at(self, epoch: int, index: int) -> tuple[CameraSetting, ...]:
        """The settings that vary in an example, the same in every epoch."""
        return self.dataset.settings_at(0, index)

    def __getitem__(self, at: tuple[int, int]) -> SweepExample:
        _, index = at
        block, row = divmod(index, BLOCK)
        return replace(self.described(index), frames=_row(self._filled(block), row) / 255)

    def described(self, index: int) -> SweepExample:
        """An example without its frames."""
        block, row = divmod(index, BLOCK)
        if block not in self._told:
            self._told[block] = json.loads(self._filled(block).with_suffix(".json").read_text(encoding="utf-8"))
        entry = self._told[block][row]
        return SweepExample(None, CameraSweep.from_json(entry["sweep"]), entry["caption"])

    def _filled(self, block: int) -> Path:
        """The file of a block's frames, (N,F,3,H,W) in 8 bits; what else is known lies beside it, written before."""
        path = self.folder / f"{block:06d}.npy"
        if not path.exists():
            self._write(block, path)
        return path

    def _write(self, block: int, path: Path) -> None:
        examples = [self.dataset[0, i] for i in range(block * BLOCK, min((block + 1) * BLOCK, len(self)))]
        frames = torch.stack([(example.frames * 255).round().byte() for example in examples]).numpy()
        told = [{"sweep": example.sweep.to_json(), "caption": example.caption} for example in examples]
        _write_json(path.with_suffix(".json"), told)
        with _written(path) as file:
            np.save(file, frames)

    def _require_same_data_set(self) -> None:
        data = self.dataset
        told = {
            "source": data.source.fingerprint(),
            "settings": [joint_name(settings) for settings in data.settings],
            "frames": data.frames,
            "size": list(data.size),
            "variant": data.variant,
            "seed": data.seed,
            "plain": data.plain,
        }
        note = self.folder / "data_set.json"
        if not note.exists():
            _write_json(note, told)
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
        self.path = frames.folder / f"latents-{name}.npy"
        if not self.path.exists():
            with _written(self.path) as file:
                for index in range(len(frames)):
                    latents = encode(frames[0, index].frames).half().cpu().numpy()
                    if index == 0:
                        told = {"descr": "<f2", "fortran_order": False, "shape": (len(frames), *latents.shape)}
                        np.lib.format.write_array_header_1_0(file, told)
                    file.write(latents.tobytes())
                    on_example(index + 1)

    def __len__(self) -> int:
        return len(self.frames)

    def settings_at(self, epoch: int, index: int) -> tuple[CameraSetting, ...]:
        """The settings that vary in an example, the same in every epoch."""
        return self.frames.settings_at(epoch, index)

    def __getitem__(self, at: tuple[int, int]) -> SweepExample:
        return replace(self.frames.described(at[1]), latents=_row(self.path, at[1]))


def _row(path: Path, row: int) -> torch.Tensor:
    """One example of a file, float32. The file is open for no longer: there may be more of them than a process can."""
    return torch.from_numpy(np.load(path, mmap_mode="r")[row].astype(np.float32))


@contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    """A new file, whole or not there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as unfinished, unfinished.open("wb") as file:
            yield file
    except OSError as error:
        raise ValueError(
            f"{path} cannot be written: {error.strerror}. Free some disk space, or choose another folder for `cache`."
        ) from error


def _write_json(path: Path, told: object) -> None:
    with _written(path) as file:
        file.write(json.dumps(told, indent=1).encode())
