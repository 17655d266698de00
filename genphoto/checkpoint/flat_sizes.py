"""FlatSizes: the sizes of a lift as model files spell them, in one flat JSON object."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from ..model.backbone import unet_backbone
from ..model.config import Architecture, EncoderSizes, MotionSizes


@dataclass(frozen=True, slots=True)
class FlatSizes:
    """The fields of a file's `architecture`, in their order; what a file leaves out is as published.

    What motion modules and camera encoder share is spelled once: `heads`, `image_size`, and as `encoder_positions` how
    many frames both see at a time.
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

    @property
    def embedding_patch(self) -> int:
        """Pixels of the camera embedding per place of the hidden states, along each side."""
        return self.downscale // self.embedding_downscale

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FlatSizes:
        """The inverse of `to_dict`; unknown fields are an error."""
        if unknown := sorted(set(values) - {f.name for f in fields(cls)}):
            raise ValueError(f"Unknown architecture field(s) {unknown}: this file needs a newer GenPhoto.")
        return cls(**values)

    def architecture(self) -> Architecture:
        """The parts that these sizes are of."""
        return Architecture(
            unet_backbone(self.channels, self.down_sites, self.up_sites, self.text_width, downscale=self.downscale),
            MotionSizes(self.heads, self.positions, self.encoder_positions, self.image_size, self.own_noise),
            EncoderSizes(
                self.heads, self.encoder_positions, self.encoder_blocks, self.image_size, self.embedding_downscale
            ),
        )

    @classmethod
    def of(cls, architecture: Architecture) -> FlatSizes:
        """The inverse of `architecture`.

        Raises:
            ValueError: files have no words for it: it is not of a UNet, or motion modules and encoder differ in what
                is spelled once.
        """
        backbone, motion, encoder = architecture.backbone, architecture.motion, architecture.encoder
        down_sites, up_sites = (sum(site.startswith(way) for site, _ in backbone.sites) for way in ("down.0.", "up.0."))
        flat = cls(
            backbone.widths,
            motion.heads,
            down_sites,
            up_sites,
            motion.positions,
            encoder.blocks,
            encoder.positions,
            encoder.image_size,
            backbone.downscale,
            backbone.text_width,
            encoder.embedding_downscale,
            motion.own_noise,
        )
        if flat.architecture() != architecture:
            raise ValueError(
                f"Files cannot tell these sizes: {architecture}. They know UNets whose frames are images of a batch, "
                "and one number of heads, frames at a time and image size for motion modules and camera encoder."
            )
        return flat
