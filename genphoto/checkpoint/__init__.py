"""Model files: motion modules and camera adapters, released or our own, read strictly and written whole.

`load` opens a file; hosts with a loader of their own pass its result on. The kind of a file is told by its keys and
shapes, never by its name, which only appears in messages.
"""

from __future__ import annotations

from .camera_file import CameraFile, build_camera, camera_adapter, declared_steering, save_camera_adapter
from .disk import load
from .kinds import CAMERA_ADAPTER, IMAGE_LORA, MOTION_MODULE, RELEASES, recognize
from .layout import cast
from .lora_file import image_lora
from .motion_file import MotionFile, build_lift, motion_module, save_motion_module
from .tiny_model import Sampling, TinyModelFile, save_tiny_model, text_weights, tiny_model

__all__ = [
    "CAMERA_ADAPTER",
    "IMAGE_LORA",
    "MOTION_MODULE",
    "RELEASES",
    "CameraFile",
    "MotionFile",
    "Sampling",
    "TinyModelFile",
    "build_camera",
    "build_lift",
    "camera_adapter",
    "cast",
    "declared_steering",
    "image_lora",
    "load",
    "motion_module",
    "recognize",
    "save_camera_adapter",
    "save_motion_module",
    "save_tiny_model",
    "text_weights",
    "tiny_model",
]
