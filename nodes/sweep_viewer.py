"""GenPhotoSweepViewer: the frames of a sweep to scrub through, with the value of each. web/genphoto.js draws it."""

import torch
from comfy_api.latest import io, ui

from ..genphoto.camera.sweep import CameraSweep
from . import comfy_host
from .photographs import require_frames
from .provenance import with_reach_of_makers
from .sockets import Sweep


class GenPhotoSweepViewer(io.ComfyNode):
    """The frames of a sweep to scrub through, with the value of each."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GenPhotoSweepViewer",
            display_name="Sweep Viewer",
            category="Generative Photography",
            description="Shows a sweep frame by frame, each with its value in photographer's units. Click it, then use "
            "the slider, the arrow keys or the wheel; space plays. A second batch can stand beside it, or be "
            "subtracted.",
            search_aliases=["preview", "compare", "difference", "side by side", "scrub", "play", "slideshow"],
            is_output_node=True,
            inputs=[
                io.Image.Input("images", tooltip="The frames as one batch. Several sweeps may follow one another."),
                Sweep.Input(
                    "sweep",
                    optional=True,
                    tooltip="The camera states of the frames, which are then labeled with their values (mm, f-number, "
                    "s, K). Without it the frames are numbered.",
                ),
                io.Image.Input(
                    "compare",
                    optional=True,
                    tooltip="A batch to stand beside the images or to be subtracted from them: as many frames, one for "
                    "all, or one sweep for several.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls, images: torch.Tensor, sweep: CameraSweep | None = None, compare: torch.Tensor | None = None
    ) -> io.NodeOutput:
        if sweep is not None:
            sweep = with_reach_of_makers(sweep, cls.hidden.prompt)
        labels, compared = _labels(len(require_frames("images", images)), sweep), []
        if lost := [i for i, image in enumerate(images) if not torch.isfinite(image).all()]:
            for index in lost:
                labels[index] += " (no picture: NaN)"
            shown = ", ".join(str(index + 1) for index in lost)
            comfy_host.warn(
                f"Frame {shown} of {len(images)} holds NaN and is shown black. Lower cfg or the strength of the camera "
                "or a LoRA; else run ComfyUI with --force-fp32."
            )
        if compare is not None:
            times, rest = divmod(len(images), len(require_frames("compare", compare)))
            if rest:
                raise ValueError(
                    f"compare holds {_frames(len(compare))}, images {len(images)}. Connect as many frames to compare "
                    "as to images, or one frame for all."
                )
            compared = [file["filename"] for file in _saved(cls, compare)] * times  # ComfyUI joins lists of calls
        return io.NodeOutput(
            ui={
                "images": _saved(cls, images),
                "genphoto_labels": labels,
                # Names only: App mode shows every file record, under whatever key, as one more result.
                "genphoto_compare": compared,
            }
        )


def _labels(count: int, sweep: CameraSweep | None) -> list[str]:
    """One label per frame."""
    if sweep is None:
        return [f"frame {number + 1}" for number in range(count)]
    sweeps, rest = divmod(count, len(sweep))
    if rest:
        raise ValueError(
            f"images holds {_frames(count)}, but the sweep has {len(sweep)} ({'; '.join(sweep.labels)}). Connect the "
            "sweep that made these frames, or none to number them. Frames that arrive one by one become one batch in "
            "'Rebatch Images'."
        )
    if sweeps == 1:
        return list(sweep.captions)
    return [f"{label} (sweep {number + 1})" for number in range(sweeps) for label in sweep.captions]


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"


def _saved(cls: type[io.ComfyNode], images: torch.Tensor) -> list[dict]:
    """File records of the images in ComfyUI's temp folder."""
    return ui.PreviewImage(images, cls=cls).as_dict()["images"]
