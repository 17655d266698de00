"""The sizes of a lift, in one place: backbone, motion modules and camera encoder."""

from __future__ import annotations

from dataclasses import dataclass

from .backbone import Backbone, unet_backbone

MOST_STRENGTH = 2.0  # of a camera: twice as much as it was trained for
MOST_STEPS = 100  # of sampling: beyond, whole-numbered step widths start far below the last timestep


@dataclass(frozen=True, slots=True)
class MotionSizes:
    """Sizes of motion modules, and what their training was like. The defaults are the published ones.

    Args:
        heads: attention heads.
        positions: longest sequence of frames that there are position codes for.
        window: most frames that attend to each other; longer sweeps are made in overlapping windows. No more than
            the cameras were seen on.
        image_size: (height, width) of the pictures it was trained on.
        own_noise: percent of the noise's variance that is a frame's own; the rest is the first frame's, enlarged with
            the picture.
    """

    heads: int = 8
    positions: int = 32
    window: int = 16
    image_size: tuple[int, int] = (256, 384)
    own_noise: int = 100


@dataclass(frozen=True, slots=True)
class EncoderSizes:
    """Sizes of a camera encoder. The defaults are the published ones.

    Args:
        heads: attention heads.
        positions: most frames that attend to each other, each with its position code.
        blocks: (convolution, temporal attention) pairs per level.
        image_size: (height, width) of the pictures it was trained on.
        embedding_downscale: pixels of the picture per pixel of the camera embedding, along each side.
    """

    heads: int = 8
    positions: int = 16
    blocks: int = 2
    image_size: tuple[int, int] = (256, 384)
    embedding_downscale: int = 1

    @property
    def embedding_size(self) -> tuple[int, int]:
        """(height, width) of the camera embedding."""
        height, width = self.image_size
        return height // self.embedding_downscale, width // self.embedding_downscale


@dataclass(frozen=True, slots=True)
class Architecture:
    """What a lift with its cameras is made of.

    Raises:
        ValueError: if the camera embedding is not a whole number of the text vectors that fill it.
    """

    backbone: Backbone
    motion: MotionSizes = MotionSizes()
    encoder: EncoderSizes = EncoderSizes()

    def __post_init__(self) -> None:
        height, width = self.encoder.embedding_size
        if height * width % self.backbone.text_width:
            raise ValueError(
                f"A camera embedding of {height} x {width} is not a whole number of text vectors of width "
                f"{self.backbone.text_width}."
            )


PUBLISHED = Architecture(unet_backbone())
TINY = Architecture(
    unet_backbone((64, 128), down_sites=1, up_sites=2, text_width=128),
    MotionSizes(heads=4, positions=16, image_size=(128, 192), own_noise=30),
    EncoderSizes(heads=4, blocks=1, image_size=(128, 192), embedding_downscale=2),
)
