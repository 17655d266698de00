"""Draws icon.jpg, the pack's picture in the registry: sample.jpg in four strips, each under another color temperature.

python -m tools.make_icon
"""

from pathlib import Path

import torch

from genphoto.camera.imaging import simulate
from genphoto.camera.photo import Photo
from genphoto.camera.sweep import CameraSweep
from genphoto.files.contact_sheet import to_picture
from genphoto.files.photos import read_photo

DOCS = Path(__file__).parent.parent / "docs"
KELVIN = (2500, 4000, 6504, 10000)
CUP = slice(70, 470)  # the columns of a square around it

if __name__ == "__main__":
    sweep = CameraSweep({"color_temperature": KELVIN})
    frames = torch.stack([*simulate(Photo(read_photo(DOCS / "sample.jpg")[..., CUP], camera=sweep.base), sweep)])
    strips = [frame.chunk(len(KELVIN), -1)[index] for index, frame in enumerate(frames)]
    to_picture(torch.cat(strips, -1)).save(DOCS / "icon.jpg", quality=90)
