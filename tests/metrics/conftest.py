"""Sequences of known truth: real photographs behind the project's own camera, and what files do to them."""

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from genphoto.camera.imaging import simulate
from genphoto.camera.photo import Photo
from genphoto.camera.progress import unreported
from genphoto.metrics.quantities import QUANTITIES
from genphoto.metrics.sequence import FrameSequence

SIZE = (128, 192)  # of the embedded model: the smallest frames that matter


def _picture(name):
    from skimage import data

    return torch.from_numpy(getattr(data, name)().copy()).movedim(-1, 0).float() / 255


@pytest.fixture(scope="session")
def picture():
    """name of a scikit-image photograph -> (3,H,W) at full resolution."""
    return _picture


@pytest.fixture(scope="session")
def shoot():
    """(name, sweep, size) -> the frames (F,3,H,W) in 8 bits that the sweep makes of that photograph without depth."""

    made = {}

    def frames(name, sweep, size=SIZE, generator=None):
        key = name, sweep.to_json(), size, generator
        if key not in made:
            photo = Photo(_picture(name), camera=sweep.base)
            made[key] = in_8_bits(torch.stack([*simulate(photo, sweep, size=size, generator=generator)]))
        return made[key]

    return frames


@pytest.fixture(scope="session")
def shoot_cards():
    """(name, sweep, size) -> frames and disparity (H,W): the photograph on cards at 1.05 m, 2 m and 6.7 m."""

    made = {}

    def frames(name, sweep, size=SIZE):
        key = name, sweep.to_json(), size
        if key not in made:
            made[key] = cards(name, sweep, size)
        return made[key]

    def cards(name, sweep, size):
        image = F.interpolate(_picture(name)[None], size, mode="bicubic", antialias=True)[0].clamp(0, 1)
        disparity = torch.full(size, 0.15)
        disparity[size[0] // 3 :, : size[1] // 2] = 0.5
        disparity[size[0] // 2 :, size[1] // 3 : size[1] * 5 // 6] = 0.95
        return in_8_bits(torch.stack([*simulate(Photo(image, disparity, sweep.base), sweep)])), disparity

    return frames


def in_8_bits(frames):
    return (frames * 255).round() / 255


def _images(frames):
    return [Image.fromarray((frame.movedim(0, -1) * 255).round().byte().numpy()) for frame in frames]


def _frame(image):
    return torch.from_numpy(np.array(image.convert("RGB"))).movedim(-1, 0) / 255


def _jpeg(frames):
    stored = []
    for image in _images(frames):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=90)
        stored.append(_frame(Image.open(file)))
    return torch.stack(stored)


def _gif(frames):
    """Own palette of 256 colors for each frame, dithered, as Pillow writes GIF."""
    first, *others = _images(frames)
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=others)
    gif = Image.open(file)
    stored = []
    for index in range(gif.n_frames):
        gif.seek(index)
        stored.append(_frame(gif))
    return torch.stack(stored)


def _noise(frames):
    generator = torch.Generator().manual_seed(0)
    return in_8_bits((frames + 0.01 * torch.randn(frames.shape, generator=generator)).clamp(0, 1))


STORAGE = {"8 bit": in_8_bits, "JPEG 90": _jpeg, "GIF": _gif, "noise": _noise}


@pytest.fixture(params=STORAGE, scope="session")
def stored(request):
    """A way in which frames reach us; its `name` picks the tolerance."""
    function = STORAGE[request.param]

    def store(frames):
        return function(frames)

    store.name = request.param
    return store


@pytest.fixture(scope="session")
def sequence_of():
    """(frames, sweep, disparity) -> what quantities read."""

    def sequence(frames, sweep, disparity=None):
        return FrameSequence.of(frames, sweep, QUANTITIES, disparity)

    return sequence


@pytest.fixture(scope="session")
def measure(sequence_of):
    """(quantity, frames, sweep, disparity) -> its measurement, at the magnifications of the sweep."""

    def measurement(quantity, *sequence):
        return quantity.measure(sequence_of(*sequence), unreported)

    return measurement


@pytest.fixture(scope="session")
def noise_texture():
    """(3,H,W) Gaussian noise, smooth over a few pixels, mid gray: no object, no edge, structure everywhere."""
    generator = torch.Generator().manual_seed(3)
    plane = torch.randn(1, 3, 200, 300, generator=generator)
    return (0.5 + 0.12 * F.interpolate(plane, (400, 600), mode="bicubic")[0]).clamp(0.05, 0.95)
