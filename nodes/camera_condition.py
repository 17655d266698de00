"""CameraCondition: a camera sweep as the features that steer a lifted MODEL, made from a CLIP and a camera adapter."""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from comfy.model_patcher import ModelPatcher
from comfy.sd import CLIP
from torch import Tensor

from ..genphoto.camera.sweep import CameraSweep
from ..genphoto.model.camera_adapter import CameraAdapter
from ..genphoto.model.steering import CameraQuestion
from . import comfy_host
from .tiny_text import vocabulary_of

WORKING_SET = 20  # memory that the camera encoder takes, in sizes of its input: 16.7 of the published one's tensors

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CameraCondition:
    """One camera adapter's answer to a sweep.

    Args:
        question: the camera states, one per frame, and the settings that the adapter steers.
        features: per level (1,F,C,h,w), float32 on the CPU.
        merges: the CameraMerges through which the features enter the motion modules.
        role: tells this condition's merges from others in a MODEL.
    """

    question: CameraQuestion
    features: tuple[Tensor, ...]
    merges: ModelPatcher
    role: str

    @property
    def sweep(self) -> CameraSweep:
        """The camera states, one per frame."""
        return self.question.sweep

    @property
    def frames(self) -> int:
        """Number of frames of the sweep."""
        return len(self.sweep)

    def __repr__(self) -> str:
        return f"CameraCondition of {self.question.label}: {'; '.join(self.sweep.labels)}"


def encode(clip: CLIP, sweep: CameraSweep, adapter: CameraAdapter, merges: ModelPatcher) -> CameraCondition:
    """The condition of a sweep, by a camera adapter whose merges ComfyUI manages.

    Raises:
        ValueError: if the adapter steers a setting that the sweep does not vary, the sweep has one frame, or the CLIP
            is not of the kind that the adapter was trained with.
    """
    question = adapter.question(sweep)
    if not adapter.steering.settings:
        log.info("The camera adapter does not say which setting it steers; taken for one of %s.", question.label)
    comfy_host.warn(*adapter.concerns(sweep))
    _require_clip(adapter, clip)
    hidden = hidden_states(clip, question.prompts)
    _require_clip(adapter, clip, hidden.shape[-1])
    embedding = adapter.embedding(question, hidden)
    working = comfy_host.managed(adapter.encoder)
    device = comfy_host.load(working, WORKING_SET * embedding.nbytes)
    features = tuple(feature.cpu() for feature in adapter.encoder(embedding.to(device)))
    return CameraCondition(question, features, merges, f"camera {uuid.uuid4().hex}")


def _require_clip(adapter: CameraAdapter, clip: CLIP, text_width: int | None = None) -> None:
    """Refuse a CLIP with which the adapter was not trained."""
    if why := adapter.mismatch(vocabulary_of(clip), text_width):
        raise ValueError(
            f"The camera adapter needs the CLIP that it was made for, but this {type(clip.cond_stage_model).__name__} "
            f"{why}. Connect the CLIP of the MODEL that is lifted: of an SD 1.5 checkpoint, or of 'Embedded Model' for "
            "the adapters genphoto_tiny."
        )


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
