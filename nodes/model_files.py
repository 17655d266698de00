"""The folders of our model files, and the files in them as networks under ComfyUI's memory management."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import folder_paths
import torch
from comfy.model_patcher import ModelPatcher

from ..genphoto.checkpoint import (
    CAMERA_ADAPTER,
    MOTION_MODULE,
    RELEASES,
    build_camera,
    build_lift,
    camera_adapter,
    cast,
    load,
    motion_module,
)
from ..genphoto.embedded import CAMERA_FOLDER, MOTION_FOLDER
from ..genphoto.model.camera_adapter import CameraAdapter
from . import comfy_host


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A kind of model file.

    Args:
        key: ComfyUI's name of its folders, also in extra_model_paths.yaml; the first is models/<key>.
        files: names of the released files.
        source: where those are found.
        embedded: the last of its folders, in this pack, with the files of the embedded model.
    """

    key: str
    files: tuple[str, ...]
    source: str
    embedded: Path

    def advice(self, name: str = "") -> str:
        """What to do to have that file, or one of its kind."""
        file = name if name in self.files else " or ".join(self.files)
        return f"Put {file} ({self.source}) into models/{self.key}."

    def register(self) -> None:
        """Makes the folders known; other packs may have done so before."""
        for folder in (os.path.join(folder_paths.models_dir, self.key), str(self.embedded)):
            folder_paths.add_model_folder_path(self.key, folder)
        folder_paths.folder_names_and_paths[self.key][1].update(folder_paths.supported_pt_extensions)

    def names(self) -> list[str]:
        """The files there, the embedded ones last."""
        return sorted(folder_paths.get_filename_list(self.key), key=self._is_embedded)

    def problem(self, name: str) -> str | None:
        """Why the file cannot be used, before anything runs."""
        if folder_paths.get_full_path(self.key, name):
            return None
        places = " or ".join(p for p in folder_paths.get_folder_paths(self.key) if Path(p) != self.embedded)
        return f"{name} is not in {places}. {self.advice(name)} Then press R to refresh the lists."

    def path(self, name: str) -> Path:
        """The file."""
        return Path(folder_paths.get_full_path_or_raise(self.key, name))

    def fingerprint(self, name: str) -> tuple[int, int] | None:
        """Changes when the file is replaced."""
        found = folder_paths.get_full_path(self.key, name)
        return found and (os.stat(found).st_mtime_ns, os.stat(found).st_size)

    def _is_embedded(self, name: str) -> bool:
        return folder_paths.get_full_path(self.key, name) == str(self.embedded / name)


MOTION_MODULES = ModelFolder(
    "animatediff_models", ("v3_sd15_mm.ckpt",), f"AnimateDiff v3, {RELEASES[MOTION_MODULE]}", MOTION_FOLDER
)
CAMERA_ADAPTERS = ModelFolder(
    "genphoto",
    tuple(f"checkpoint-{setting}.ckpt" for setting in ("bokehK", "focal_length", "shutter_speed", "color_temperature")),
    f"Generative Photography, {RELEASES[CAMERA_ADAPTER]}",
    CAMERA_FOLDER,
)


def load_lift(path: Path, dtype: torch.dtype, disable_dynamic: bool = False) -> ModelPatcher:
    """The motion modules of a file, with weights of `dtype`; position codes stay in float32."""
    file = motion_module(*load(path), path.name)
    lift = build_lift(replace(file, weights=cast(file.weights, dtype)), comfy_host.LAYERS)
    patcher = comfy_host.managed(lift, disable_dynamic)
    patcher.cached_patcher_init = (load_lift, (path, dtype))  # another GPU loads its own
    return patcher


def load_camera(path: Path, disable_dynamic: bool = False) -> tuple[CameraAdapter, ModelPatcher]:
    """A camera adapter, whose encoder is run once, and its merges for the MODEL."""
    adapter = build_camera(camera_adapter(*load(path), path.name), comfy_host.LAYERS)
    merges = comfy_host.managed(adapter.merges, disable_dynamic)
    merges.cached_patcher_init = (load_camera, (path,), 1)
    return adapter, merges
