"""ComfyUI's side of the work: which device, how progress is shown, how a run is cancelled."""

from collections.abc import Callable

import comfy.model_management
import comfy.utils
import torch

PROGRESS_STEPS = 1000


def compute_device() -> torch.device:
    """The device on which ComfyUI computes."""
    return comfy.model_management.get_torch_device()


def reserve(nbytes: int, device: torch.device) -> None:
    """Ask ComfyUI to unload models until `nbytes` are free on the device."""
    comfy.model_management.free_memory(nbytes, device)


def to_image(frames: torch.Tensor) -> torch.Tensor:
    """Frames (F,3,H,W) as an IMAGE (F,H,W,3) where ComfyUI keeps what travels between nodes."""
    host = comfy.model_management
    return frames.movedim(1, -1).to(host.intermediate_device(), host.intermediate_dtype())


def progress() -> Callable[[float], None]:
    """Takes the finished share in [0,1] to the node's progress bar; raises when the user has cancelled."""
    bar = comfy.utils.ProgressBar(PROGRESS_STEPS)

    def report(done: float) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        bar.update_absolute(round(done * PROGRESS_STEPS))

    return report
