"""Parts: the networks of a training, whichever size they have."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ..camera.settings import settings_named
from ..image_model import ImageModel
from ..model.camera_adapter import CameraAdapter
from ..model.config import Architecture, EncoderSizes
from ..model.lift import Lift
from ..model.steering import Steering
from .config import DataConfig


class Parts(nn.Module):
    """All networks of a lifted model, by the names under which a stage trains them.

    Args:
        image_model: becomes the parts "autoencoder", "text" and "unet".
        motion: motion modules.
        encoder: sizes of the camera encoders.
        steered: what new camera adapters steer, each by its name.
    """

    def __init__(self, image_model: ImageModel, motion: Lift, encoder: EncoderSizes, steered: Sequence[Steering]):
        super().__init__()
        self.image_model = image_model
        self.autoencoder = image_model.autoencoder
        self.text = image_model.text_encoder
        self.unet = image_model.unet
        self.motion = motion
        self.architecture = Architecture(motion.backbone, motion.sizes, encoder)
        self.camera = nn.ModuleDict(
            {steering.name: CameraAdapter.untrained(steering, motion.backbone, encoder) for steering in steered}
        )

    def hidden_states(self, tokens: Tensor) -> Tensor:
        """Token numbers (...,T) -> last hidden states (...,T,D)."""
        return self.image_model.hidden_states(tokens.flatten(0, -2)).unflatten(0, tokens.shape[:-1])

    def freeze_all_but(self, names: Sequence[str]) -> dict[str, nn.Parameter]:
        """Let the named parts learn and nothing else; returns what learns, by name."""
        learning = {}
        for name, part in self.named_children():
            part.requires_grad_(name in names)
            part.train(name in names)
            if name in names:
                learning |= {f"{name}.{key}": value for key, value in part.named_parameters()}
        return learning

    def buffers_of(self, names: Sequence[str]) -> dict[str, Tensor]:
        """The buffers of the named parts, by name."""
        return {f"{name}.{key}": value for name in names for key, value in getattr(self, name).named_buffers()}


def steered_by(data: DataConfig, vocabulary: str = "") -> list[Steering]:
    """What the camera adapters of a training steer: the settings of its data, over their domains.

    `vocabulary` is the digest of that in which their prompts are numbered.
    """
    varied = [settings_named(name) for name in data.settings]
    return [Steering(s, data.variant, tuple(setting.domain for setting in s), vocabulary) for s in varied]


def initialized(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A module whose random weights depend on the seed alone; the process's own random state is untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()
