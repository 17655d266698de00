"""GenPhotoSweepMetrics: does a batch of images obey the camera sweep, is it one scene, does it follow the prompt?"""

import json
import math

import torch
import torch.nn.functional as F
from comfy.clip_vision import ClipVisionModel
from comfy.sd import CLIP
from comfy_api.latest import io

from ..genphoto.camera.sweep import CameraSweep
from ..genphoto.metrics.following import likeness, require_prompt
from ..genphoto.metrics.plot import plot_report
from ..genphoto.metrics.sweep_metrics import measure_sweep
from . import comfy_host
from .photographs import DEPTH_KINDS, DEPTH_SOCKETS, depth_range, require_frames, to_disparity, to_photo_image
from .provenance import with_reach_of_makers
from .sockets import Sweep

LARGEST_WEIGHT, SMALLEST_WEIGHT = 10.0, 1e-8  # of a trained text projection; CLIP's are around 0.01


class GenPhotoSweepMetrics(io.ComfyNode):
    """Does a batch of images obey the camera sweep, is it one scene, does it follow the prompt?"""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GenPhotoSweepMetrics",
            display_name="Sweep Metrics",
            category="Generative Photography",
            description="Measures a batch of images, from any source, against the camera sweep it was asked for: zoom "
            "in percent, blur, exposure in stops, color temperature in mired; whether the frames show one scene; and "
            "whether they follow the prompt.",
            search_aliases=[
                "evaluate",
                "measure",
                "accuracy",
                "consistency",
                "CLIP score",
                "SSIM",
                "benchmark",
                "plot",
                "report",
            ],
            inputs=[
                io.Image.Input("images", tooltip="The frames as one batch, in the order of the sweep, at least 2."),
                Sweep.Input("sweep", tooltip="What was asked for, one camera state per frame."),
                io.Image.Input(
                    "reference",
                    optional=True,
                    tooltip="The same sweep by physics: the first frame through 'Physics Simulate'. Adds the paper's "
                    "score (correlation, -1 to 1) and how alike frames can be at all.",
                ),
                io.MultiType.Input(
                    "depth",
                    DEPTH_SOCKETS,
                    optional=True,
                    tooltip="Depth of the first frame, same size: blur is then measured in pixels, and a missing blur "
                    "counts against the consistency. Without it blur is measured as K up to a factor.",
                ),
                io.String.Input(
                    "prompt",
                    default="",
                    multiline=True,
                    tooltip="What the frames show, without the camera. Used with clip and clip_vision only.",
                ),
                io.Clip.Input(
                    "clip",
                    optional=True,
                    tooltip="A text encoder with CLIP's text projection. That of SDXL fits CLIP-ViT-bigG (1280 wide); "
                    "a whole clip-vit-large-patch14 fits clip_vision_l (768 wide). Files of SD 1.5, SD3 and FLUX come "
                    "without the projection and cannot be compared with pictures.",
                ),
                io.ClipVision.Input(
                    "clip_vision",
                    optional=True,
                    tooltip="The picture half of the same CLIP, from 'Load CLIP Vision'.",
                ),
                io.Boolean.Input(
                    "cross_talk",
                    default=False,
                    tooltip="Also measure what the sweep should not change.",
                ),
                io.Combo.Input(
                    "depth_kind",
                    options=list(DEPTH_KINDS),
                    tooltip="What the numbers of a depth map mean, as in 'Physics Simulate'.",
                    advanced=True,
                ),
                *depth_range(advanced=True),
            ],
            outputs=[
                io.Image.Output("plot", tooltip="Requested against measured, per frame; below it what is wrong."),
                io.Float.Output(
                    "error",
                    tooltip="Median error of what the sweep changes (the first quantity of the report): zoom in "
                    "percent, blur in K or px, exposure in stops (EV), color temperature in mired. NaN: cannot be "
                    "measured.",
                ),
                io.Float.Output(
                    "slope",
                    tooltip="Change that is there per change asked for: 1 obeys, 0 is frozen. NaN: cannot be measured.",
                ),
                io.Float.Output(
                    "consistency",
                    tooltip="Mean SSIM (1 is equal) of the frames with the first once the requested change is undone.",
                ),
                io.Float.Output(
                    "following",
                    tooltip="Mean cosine of CLIP's features of the frames and the prompt (-1 to 1). NaN without clip "
                    "and clip_vision.",
                ),
                io.String.Output("report", tooltip="All numbers, with reasons where there are none, as JSON."),
            ],
            hidden=[io.Hidden.prompt],
        )

    @classmethod
    def execute(
        cls,
        images: torch.Tensor,
        sweep: CameraSweep,
        prompt: str,
        cross_talk: bool,
        depth_kind: str,
        near_m: float,
        far_m: float,
        reference: torch.Tensor | None = None,
        depth: torch.Tensor | dict | None = None,
        clip: CLIP | None = None,
        clip_vision: ClipVisionModel | None = None,
    ) -> io.NodeOutput:
        if (clip is None) != (clip_vision is None):
            raise ValueError("Following the prompt needs both halves of one CLIP: connect clip and clip_vision.")
        sweep = with_reach_of_makers(sweep, cls.hidden.prompt)
        report = measure_sweep(
            _frames("images", images),
            sweep,
            disparity=None if depth is None else to_disparity(depth, depth_kind, near_m, far_m),
            reference=None if reference is None else _frames("reference", reference),
            cross_talk=cross_talk,
            on_progress=comfy_host.progress(),
        )
        numbers, rows = report.to_dict(), {}
        if clip is not None:
            rows["CLIP"] = _following(clip, clip_vision, images, prompt)
            numbers["following"] = {"prompt": prompt, "per_frame": rows["CLIP"], "mean": _mean(rows["CLIP"])}
        plot = _pixels(plot_report(report, sweep.labels, rows))
        main = report.measurements[report.asked_for[0]] if report.asked_for else None
        return io.NodeOutput(
            comfy_host.to_image(plot, len(plot), plot.shape[-2:]),
            _number(main and main.median_absolute_error),
            _number(main and main.slope),
            _number(report.consistency.mean),
            _number(_mean(rows["CLIP"]) if rows else None),
            json.dumps({"sweep": json.loads(sweep.to_json()), **numbers}, indent=1),
        )


def _frames(name: str, images: torch.Tensor) -> torch.Tensor:
    """(F,3,H,W) from an IMAGE (F,H,W,C)."""
    return torch.stack([to_photo_image(image[None]) for image in require_frames(name, images)])


def _following(clip: CLIP, clip_vision: ClipVisionModel, images: torch.Tensor, prompt: str) -> tuple[float, ...]:
    """Likeness of every frame to the prompt."""
    _, text = clip.encode_from_tokens(clip.tokenize(require_prompt(prompt)), return_pooled=True)
    seen = clip_vision.encode_image(images[..., :3])["image_embeds"]
    if text is None or text.shape[-1] != seen.shape[-1]:
        wide = "nothing" if text is None else f"{text.shape[-1]} numbers"
        raise ValueError(
            f"clip and clip_vision are not of one CLIP: the text becomes {wide}, a picture {seen.shape[-1]}. SDXL's "
            "CLIP fits CLIP-ViT-bigG, a whole clip-vit-large-patch14 fits clip_vision_l."
        )
    return likeness(seen, _projected(clip, text))


def _projected(clip: CLIP, text: torch.Tensor) -> torch.Tensor:
    """What `clip` gives for a whole text, where pictures are.

    ComfyUI leaves the projection of CLIP-L out, even where the file has it. Where it has none, older versions of
    ComfyUI keep the identity, newer ones whatever lay in that memory, mostly zeros.
    """
    for encoder in clip.cond_stage_model.modules():
        projection = getattr(getattr(encoder, "transformer", None), "text_projection", None)
        if projection is None or projection.weight is None or projection.weight.shape[0] != text.shape[-1]:
            continue
        weight = projection.weight.detach().to(text)
        if _trained(weight):
            return text if encoder.return_projected_pooled else F.linear(text, weight)
    raise ValueError(
        "This clip has no text projection, so its text cannot be compared with pictures: the CLIP in SD 1.5, SD3 and "
        "FLUX files comes without it. Load a whole CLIP with 'Load CLIP' (model.safetensors of "
        "openai/clip-vit-large-patch14), or SDXL's with a clip_vision of CLIP-ViT-bigG."
    )


def _trained(weight: torch.Tensor) -> bool:
    """Numbers of a size that training leaves, nearly none of them 0."""
    sizes = weight.abs()
    return bool(sizes.max() < LARGEST_WEIGHT and (sizes > SMALLEST_WEIGHT).float().mean() > 0.9)


def _pixels(picture) -> torch.Tensor:
    """(1,3,H,W) from a PIL picture."""
    data = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    return data.view(1, picture.height, picture.width, 3).movedim(-1, 1).float() / 255


def _mean(values) -> float:
    return sum(values) / len(values)


def _number(value: float | None) -> float:
    return math.nan if value is None else value
