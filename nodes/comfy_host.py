"""ComfyUI's side of the work: devices, how networks are loaded, how progress and warnings are shown, how a run ends."""

import logging
import math
from collections.abc import Callable, Iterable

import comfy.model_management
import comfy.model_patcher
import comfy.ops
import comfy.utils
import torch
from comfy.model_patcher import ModelPatcher
from comfy_execution.utils import get_executing_context
from server import PromptServer

from ..genphoto.camera.imaging import stacked

LAYERS = comfy.ops.manual_cast  # cast their weights to the input as it comes, from wherever they are kept
PROGRESS_STEPS = 1000
WARNING = "genphoto.warning"  # the event on which web/genphoto.js writes on a node

log = logging.getLogger(__name__)


def compute_device() -> torch.device:
    """The device on which ComfyUI computes."""
    return comfy.model_management.get_torch_device()


def reserve(nbytes: int, device: torch.device) -> None:
    """Ask ComfyUI to unload models until `nbytes` are free on the device."""
    comfy.model_management.free_memory(nbytes, device)


def managed(module: torch.nn.Module, disable_dynamic: bool = False) -> ModelPatcher:
    """A network under ComfyUI's memory management: it loads and unloads the weights."""
    make = ModelPatcher if disable_dynamic else comfy.model_patcher.CoreModelPatcher
    return make(module, compute_device(), comfy.model_management.unet_offload_device())


def load(patcher: ModelPatcher, nbytes: int) -> torch.device:
    """Load a network, with `nbytes` free to work in, and return the device that it is on."""
    comfy.model_management.load_models_gpu([patcher], memory_required=nbytes)
    return patcher.load_device


def stop_if_cancelled() -> None:
    """Raise when the user has cancelled the run."""
    comfy.model_management.throw_exception_if_processing_interrupted()


def warn(*sentences: str) -> None:
    """Tell the user what does not stop the run: in the log, and on the node that is running."""
    for sentence in sentences:
        log.warning("%s", sentence)
    running = get_executing_context()
    if sentences and running is not None:
        warning = {"node": running.node_id, "text": "\n".join(sentences)}
        PromptServer.instance.send_sync(WARNING, warning, PromptServer.instance.client_id)


def image_bytes(count: int, size: tuple[int, int], device: torch.device) -> int:
    """Memory that an IMAGE of `count` frames of (height, width) takes on the device: none where it lies elsewhere."""
    host = comfy.model_management
    if host.intermediate_device() != device:
        return 0
    return 3 * count * math.prod(size) * host.intermediate_dtype().itemsize


def to_image(frames: Iterable[torch.Tensor], count: int, size: tuple[int, int]) -> torch.Tensor:
    """`count` frames (3,H,W) of (height, width), as they come, in an IMAGE (F,H,W,3) as it travels between nodes."""
    host = comfy.model_management
    image = torch.empty(count, *size, 3, device=host.intermediate_device(), dtype=host.intermediate_dtype())
    stacked(frames, count, image.movedim(-1, 1))
    return image


def progress() -> Callable[[float], None]:
    """Takes the finished share in [0,1] to the node's progress bar; raises when the user has cancelled."""
    bar = comfy.utils.ProgressBar(PROGRESS_STEPS)

    def report(done: float) -> None:
        stop_if_cancelled()
        bar.update_absolute(round(done * PROGRESS_STEPS))

    return report
