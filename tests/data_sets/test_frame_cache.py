"""Simulated sweeps and their latents on disk."""

import errno
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genphoto.camera.settings import setting_named
from genphoto.data.dataset import DifferentialDataset, ProceduralScenes
from genphoto.data.frame_cache import BLOCK, FrameCache, LatentCache
from genphoto.data.photos.folder import PhotoFolder

SIZE = (32, 48)


def data_set(source, seed=0):
    settings = [(setting_named(name),) for name in ("focal_length", "shutter_speed")]
    return DifferentialDataset(source, settings, 2, SIZE, seed=seed)


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (96, 64), (40 * number, 90, 200)).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"picture {number}")
    return folder


def test_frames_come_back_as_simulated(tmp_path):
    data = data_set(ProceduralScenes(BLOCK + 2))
    cache = FrameCache(data, tmp_path)
    for index in (0, BLOCK + 1):
        kept, new = cache[3, index], data[0, index]
        assert (kept.frames - new.frames).abs().max() <= 0.5 / 255 + 1e-6
        assert (kept.sweep, kept.caption) == (new.sweep, new.caption)
        assert cache.settings_at(3, index) == data.settings_at(0, index)
    again = FrameCache(data_set(ProceduralScenes(BLOCK + 2)), tmp_path)
    data.source = None  # nothing is simulated twice
    assert torch.equal(again[0, 1].frames, cache[0, 1].frames)


def test_photographs_that_changed_are_another_data_set(tmp_path, photographs):
    FrameCache(data_set(PhotoFolder(photographs)), tmp_path / "cache")
    FrameCache(data_set(PhotoFolder(photographs)), tmp_path / "cache")
    (photographs / "1.txt").write_text("another caption")
    with pytest.raises(ValueError, match=r"holds examples of another data set, described in data_set\.json"):
        FrameCache(data_set(PhotoFolder(photographs)), tmp_path / "cache")
    with pytest.raises(ValueError, match="another data set"):
        FrameCache(data_set(ProceduralScenes(3)), tmp_path / "cache")


def test_latents_are_made_once(tmp_path):
    frames = FrameCache(data_set(ProceduralScenes(3)), tmp_path)
    done = []
    first = LatentCache(frames, lambda pictures: pictures[:, :, ::8, ::8] - 0.5, "a", done.append)
    assert done == [1, 2, 3]
    assert first[0, 2].latents.shape == (2, 3, 4, 6)
    assert torch.allclose(first[0, 2].latents, frames[0, 2].frames[:, :, ::8, ::8] - 0.5, atol=1e-3)
    again = LatentCache(frames, None, "a")
    assert torch.equal(again[7, 1].latents, first[0, 1].latents)


@pytest.mark.parametrize("kind", ["frames", "latents"])
def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch, kind):
    frames = FrameCache(data_set(ProceduralScenes(3)), tmp_path)
    if kind == "latents":
        frames[0, 0]
    before = sorted(tmp_path.iterdir())

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*((np, "save", full) if kind == "frames" else (np.lib.format, "write_array_header_1_0", full)))
    with pytest.raises(ValueError, match=r"npy cannot be written: No space left on device\. Free some disk space"):
        frames[0, 0] if kind == "frames" else LatentCache(frames, lambda pictures: pictures, "a")
    left = sorted(path for path in tmp_path.iterdir() if path.suffix != ".json")
    assert left == [path for path in before if path.suffix != ".json"]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are counted by Linux")
def test_a_cache_keeps_no_files_open(tmp_path, monkeypatch):
    """However many blocks it has: the usual limit is 1,024 open files."""
    monkeypatch.setattr("genphoto.data.frame_cache.BLOCK", 1)
    frames = FrameCache(data_set(ProceduralScenes(4)), tmp_path)
    latents = LatentCache(frames, lambda pictures: pictures[:, :, ::8, ::8], "a")
    before = len(list(Path("/proc/self/fd").iterdir()))
    kept = [frames[0, index].frames for index in range(4)] + [latents[0, index].latents for index in range(4)]
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert len(pickle.dumps(latents)) < 20_000  # for a process that starts anew
    del kept
