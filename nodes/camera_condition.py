"""CameraCondition: a camera sweep as the features that steer a lifted MODEL, made from a CLIP and a camera adapter."""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from comfy.model_patcher import ModelPatcher
from comfy.sd import CLIP
from torch import Tensor

from ..genphoto.camera.setting import CameraSetting
from ..genphoto.camera.sweep import CameraSweep
from ..genphoto.checkpoint import CameraFile
from ..genphoto.model.camera_encoder import DifferentialCameraEncoder
from ..genphoto.model.differential import (
    camera_embedding,
    camera_prompts,
    coarse_prior,
    magnifications,
    setting_values,
    steered_setting,
)
from ..genphoto.model.trained_range import TrainingRange
from . import comfy_host

WORKING_SET = 20  # memory that the camera encoder takes, in sizes of its input: 16.7 of the published one's tensors

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CameraCondition:
    """One camera adapter's view of a sweep.

    Args:
        sweep: the camera states, one per frame.
        setting: the camera setting that the adapter steers.
        features: per level (1,F,C,h,w), float32 on the CPU.
        merges: the CameraMerges through which the features enter the motion modules.
        role: tells this condition's merges from others in a MODEL.
    """

    sweep: CameraSweep
    setting: CameraSetting
    features: tuple[Tensor, ...]
    merges: ModelPatcher
    role: str

    @property
    def frames(self) -> int:
        """Number of frames of the sweep."""
        return len(self.sweep)

    def magnifications(self, strength: float) -> Tensor:
        """How large every frame (F,) shows things relative to the first."""
        return magnifications(setting_values(self.sweep, self.setting), self.setting, strength)

    def __repr__(self) -> str:
        return f"CameraCondition of {self.setting.label.lower()}: {'; '.join(self.sweep.labels)}"


def encode(
    clip: CLIP, sweep: CameraSweep, file: CameraFile, encoder: DifferentialCameraEncoder, merges: ModelPatcher
) -> CameraCondition:
    """The condition of a sweep, from the parts of a camera adapter.

    Raises:
        ValueError: if the adapter steers a setting that the sweep does not vary, the sweep has one frame, or the CLIP
            is not of the kind that the adapter was trained with.
    """
    setting = steered_setting(file.setting, sweep)
    if file.setting is None:
        log.info("The camera adapter does not say which setting it steers; taken for one of %s.", setting.label.lower())
    values = setting_values(sweep, setting)
    trained = TrainingRange(setting, file.values or setting.domain, file.variant, file.architecture.encoder)
    comfy_host.warn(*trained.concerns(sweep))
    hidden = hidden_states(clip, camera_prompts(values, setting))
    text_width = file.architecture.backbone.text_width
    if hidden.shape[-1] != text_width:
        raise ValueError(
            f"The camera adapter needs the CLIP that it was made for ({text_width} wide), but this "
            f"one is {type(clip.cond_stage_model).__name__} ({hidden.shape[-1]} wide). Connect the CLIP of the MODEL "
            "that is lifted: of an SD 1.5 checkpoint, or of 'Embedded Model' for the adapters genphoto_tiny."
        )
    prior = coarse_prior(sweep, setting, values, file.variant, file.architecture.encoder.embedding_size)
    embedding = camera_embedding(prior, hidden)
    working = comfy_host.managed(encoder)
    device = comfy_host.load(working, WORKING_SET * embedding.nbytes)
    features = tuple(feature.cpu() for feature in encoder(embedding.to(device)))
    return CameraCondition(sweep, setting, features, merges, f"camera {uuid.uuid4().hex}")


def hidden_states(clip: CLIP, prompts: Sequence[str]) -> Tensor:
    """Last hidden states (F,T,D) of the prompts, float32, by the text encoder as its file has it.

    Without LoRA, hooks or "CLIP Set Last Layer": the adapters learned the differences of the bare encoder.
    """
    bare = clip.clone()
    bare.layer_idx, bare.tokenizer_options = None, {}
    patcher = bare.patcher
    if patcher.patches or patcher.weight_wrapper_patches or patcher.hook_patches or patcher.injections:
        patcher.patches_uuid = uuid.uuid4()  # by which ComfyUI notices that the loaded weights are others
    patcher.patches, patcher.weight_wrapper_patches, patcher.hook_patches = {}, {}, {}
    patcher.injections, patcher.is_injected, patcher.forced_hooks = {}, False, None
    states = []
    for prompt in prompts:
        comfy_host.stop_if_cancelled()
        states.append(bare.encode_from_tokens(bare.tokenize(prompt)).float().cpu())
    return torch.cat(states)
