"""Animated WebP in which every frame is there, also one that equals its neighbor.

libwebp's encoder of animations, which Pillow calls, merges equal neighbors into one frame that lasts longer: a bracket
that ends in white would lose frames. So each frame is encoded as a picture of its own, and the pictures are put into
one file here. Source of the layout: WebP Container Specification, developers.google.com/speed/webp/docs/riff_container.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from PIL import Image

EXIF_FLAG, XMP_FLAG, ANIMATION_FLAG = 0x08, 0x04, 0x02
REPLACES = 0x02  # of a frame: it is not blended with the one before
ENDLESS = 0
WHITE_BGRA = b"\xff\xff\xff\xff"


def animated_webp(pictures: Sequence[Image.Image], duration_ms: int, quality: int, exif: bytes, xmp: bytes) -> bytes:
    """An endless animation of RGB pictures of one size, as many frames as pictures.

    Args:
        duration_ms: of each frame, below 2^24.
        quality: of the lossy frames, 1 to 100.
        exif: without the header "Exif\\0\\0".
    """
    width, height = pictures[0].size
    size = _number(width - 1, 3) + _number(height - 1, 3)
    flags = EXIF_FLAG | XMP_FLAG | ANIMATION_FLAG
    frame = _number(0, 3) * 2 + size + _number(duration_ms, 3) + _number(REPLACES, 1)
    parts = [_chunk(b"VP8X", _number(flags, 4) + size), _chunk(b"ANIM", WHITE_BGRA + _number(ENDLESS, 2))]
    parts += [_chunk(b"ANMF", frame + _pixels(picture, quality)) for picture in pictures]
    parts += [_chunk(b"EXIF", exif), _chunk(b"XMP ", xmp)]
    return _chunk(b"RIFF", b"WEBP" + b"".join(parts))


def _pixels(picture: Image.Image, quality: int) -> bytes:
    """The chunk of a picture that holds its pixels."""
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=quality)
    return next(_chunk(name, content) for name, content in _chunks(file.getvalue()[12:]) if name == b"VP8 ")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + _number(len(content), 4) + content + bytes(len(content) % 2)


def _number(value: int, count: int) -> bytes:
    return value.to_bytes(count, "little")
