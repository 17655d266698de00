"""Architecture: the sizes of a lift, in one place."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

MOST_STRENGTH = 2.0  # of a camera: twice as much as it was trained for
MOST_STEPS = 100  # of sampling: beyond, whole-numbered step widths start far below the last timestep


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes of motion modules, camera merges and camera encoder. The defaults are the published ones, for SD 1.5.

    Args:
        channels: width of the UNet at each level, finest first.
        heads: attention heads, everywhere.
        down_sites: motion modules per level on the way down.
        up_sites: motion modules per level on the way up.
        positions: longest sequence of frames that a motion module has position codes for.
        encoder_blocks: (convolution, temporal attention) pairs per level of the camera encoder.
        encoder_positions: the same limit in the camera encoder.
        image_size: (height, width) of the pictures it was trained on.
        downscale: pixels of the picture per pixel of the latent, at the finest level.
        text_width: width of the text encoder whose differences enter the camera embedding.
        embedding_downscale: pixels of the picture per pixel of the camera embedding, along each side.
        own_noise: percent of the noise's variance that is a frame's own; the rest is the first frame's, enlarged with
            the picture.
    """

    channels: tuple[int, ...] = (320, 640, 1280, 1280)
    heads: int = 8
    down_sites: int = 2
    up_sites: int = 3
    positions: int = 32
    encoder_blocks: int = 2
    encoder_positions: int = 16
    image_size: tuple[int, int] = (256, 384)
    downscale: int = 8
    text_width: int = 768
    embedding_downscale: int = 1
    own_noise: int = 100

    def __post_init__(self) -> None:
        for name in ("channels", "image_size"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        height, width = self.embedding_size
        if height * width % self.text_width:
            raise ValueError(
                f"A camera embedding of {height} x {width} is not a whole number of text vectors of width "
                f"{self.text_width}."
            )

    @property
    def embedding_size(self) -> tuple[int, int]:
        """(height, width) of the camera embedding."""
        return tuple(n // self.embedding_downscale for n in self.image_size)

    @property
    def embedding_patch(self) -> int:
        """Pixels of the camera embedding per pixel of the latent, along each side."""
        return self.downscale // self.embedding_downscale

    @property
    def sites(self) -> tuple[tuple[str, int], ...]:
        """(site, level) of every motion module, in the order in which a UNet reaches them."""
        levels = range(len(self.channels))
        down = [(f"down.{level}.{i}", level) for level in levels for i in range(self.down_sites)]
        up = [(f"up.{n}.{i}", level) for n, level in enumerate(reversed(levels)) for i in range(self.up_sites)]
        return (*down, *up)

    def same_unet(self, other: Architecture) -> bool:
        """Whether both belong to one UNet: motion modules at the same sites, of the same widths."""
        return (self.channels, self.sites) == (other.channels, other.sites)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Architecture:
        """The inverse of `to_dict`; unknown fields are an error."""
        if unknown := sorted(set(values) - {f.name for f in fields(cls)}):
            raise ValueError(f"Unknown architecture field(s) {unknown}: this file needs a newer GenPhoto.")
        return cls(**values)


PUBLISHED = Architecture()
TINY = Architecture(
    channels=(64, 128),
    heads=4,
    down_sites=1,
    positions=16,
    up_sites=2,
    encoder_blocks=1,
    image_size=(128, 192),
    text_width=128,
    embedding_downscale=2,
    own_noise=30,
)
