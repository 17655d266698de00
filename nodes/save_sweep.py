"""GenPhotoSaveSweep: the frames of a sweep as files whose EXIF says how they were taken."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import folder_paths
import torch
from comfy.cli_args import args
from comfy_api.latest import io, ui

from ..genphoto.camera.sweep import CameraSweep
from ..genphoto.files.exif import ORIGINS
from ..genphoto.files.sweeps import FORMATS, SweepFiles, complete_or_nothing
from . import comfy_host
from .photographs import to_photo_image
from .provenance import with_reach_of_makers
from .sockets import Sweep


class GenPhotoSaveSweep(io.ComfyNode):
    """The frames of a sweep as files whose EXIF says how they were taken."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GenPhotoSaveSweep",
            display_name="Save Sweep",
            category="Generative Photography",
            description="Saves the frames of a sweep in ComfyUI's output folder, named by their values. The EXIF of "
            "each says how it was taken: focal length, f-number, exposure time, ISO, white balance and focus; and that "
            "it is a synthetic image. All files are saved, or none.",
            search_aliases=["save", "export", "EXIF", "metadata", "jpeg", "webp", "contact sheet", "animation"],
            is_output_node=True,
            inputs=[
                io.Image.Input("images", tooltip="The frames in the order of the sweep; several sweeps may follow."),
                Sweep.Input("sweep", tooltip="The camera of each frame, for EXIF and names."),
                io.String.Input(
                    "filename_prefix",
                    default="genphoto/sweep",
                    tooltip="Folder in the output folder, and how the names begin: genphoto/sweep gives "
                    "genphoto/sweep_00001_01_24mm.png. %year%, %month%, %day%, %width% and the like are filled in.",
                ),
                io.Combo.Input(
                    "format",
                    options=list(FORMATS),
                    tooltip="Of frames and contact sheet. png: exact, 8 bit. jpeg, webp: smaller. png and webp open "
                    "this workflow when dropped on the canvas; jpeg cannot.",
                ),
                io.Int.Input("quality", default=95, min=1, max=100, tooltip="Of jpeg, webp and the animation [1-100]."),
                io.Combo.Input(
                    "origin",
                    options=list(ORIGINS),
                    tooltip="Where the frames come from. Every file is marked as a synthetic image of this kind, also "
                    "by the IPTC digital source type that agencies and social networks read.",
                ),
                io.Boolean.Input(
                    "contact_sheet",
                    default=True,
                    tooltip="Also save all frames side by side, each with its value beneath.",
                ),
                io.Boolean.Input("animation", default=False, tooltip="Also save the frames as an animated WebP."),
                io.Float.Input(
                    "fps",
                    default=2.0,
                    min=0.1,
                    max=60.0,
                    step=0.1,
                    tooltip="Frames per second of the animation.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        images: torch.Tensor,
        sweep: CameraSweep,
        filename_prefix: str,
        format: str,
        quality: int,
        origin: str,
        contact_sheet: bool,
        animation: bool,
        fps: float,
    ) -> io.NodeOutput:
        sweep = with_reach_of_makers(sweep, cls.hidden.prompt)
        count, rest = divmod(len(images), len(sweep))
        if rest or not count:
            raise ValueError(
                f"images holds {len(images)} pictures, but the sweep has {len(sweep)} frames. Connect the sweep that "
                "the pictures were made with, and all of its frames (of several sweeps, all frames of each)."
            )
        folder, name, number, subfolder = _place(filename_prefix, images)
        sweeps = [
            SweepFiles(
                sweep,
                origin,
                f"{name}_{number + index:05}_",
                format,
                quality,
                contact_sheet,
                fps if animation else None,
                workflow=_workflow(cls),
            )
            for index in range(count)
        ]
        names = [name for files in sweeps for name in files.names]
        frames = _frames(images)
        with complete_or_nothing(folder, names) as unfinished:
            for files in sweeps:
                files.write(unfinished, (next(frames) for _ in range(len(sweep))))
        return io.NodeOutput(
            ui=ui.SavedImages([ui.SavedResult(name, subfolder, io.FolderType.output) for name in names])
        )


def _place(prefix: str, images: torch.Tensor) -> tuple[Path, str, int, str]:
    """Folder, first part of the names, first number that is free, and the folder within the output folder."""
    if not Path(prefix).name.strip("."):
        raise ValueError(f"filename_prefix = {prefix!r} is no name. Write one, such as genphoto/sweep.")
    height, width = images.shape[1:3]
    try:
        folder, name, number, subfolder, _ = folder_paths.get_save_image_path(
            os.path.normpath(prefix), folder_paths.get_output_directory(), width, height
        )
    except OSError as error:
        raise ValueError(
            f"filename_prefix = {prefix!r}: its folder cannot be used ({error.strerror}). Choose another."
        ) from None
    return Path(folder), name, number, subfolder


def _frames(images: torch.Tensor) -> Iterator[torch.Tensor]:
    """(3,H,W) of each picture of an IMAGE, with progress."""
    progress = comfy_host.progress()
    for index, image in enumerate(images):
        progress(index / len(images))
        yield to_photo_image(image[None])


def _workflow(cls: type[io.ComfyNode]) -> dict[str, str]:
    """What ComfyUI writes into its pictures, unless it was told not to."""
    if args.disable_metadata:
        return {}
    found = {"prompt": cls.hidden.prompt, **(cls.hidden.extra_pnginfo or {})}
    return {name: json.dumps(value) for name, value in found.items() if value is not None}
