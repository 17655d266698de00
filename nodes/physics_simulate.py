"""PhysicsSimulate: a photograph as a sweep of real cameras would have taken it."""

from dataclasses import replace
from typing import Any

import torch
from comfy_api.latest import io

from ..genphoto.camera.imaging import VARIANTS, simulate
from ..genphoto.camera.photo import MissingDepth, Photo
from ..genphoto.camera.sweep import CameraSweep
from . import comfy_host
from .photographs import DEPTH_ADVICE, DEPTH_KINDS, DEPTH_SOCKETS, depth_range, to_disparity, to_photo_image
from .sockets import CAMERA_WORDS, Sweep

BYTES_PER_PIXEL = 350  # what the defocus renderer takes at most


class PhysicsSimulate(io.ComfyNode):
    """A photograph as a sweep of real cameras would have taken it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PhysicsSimulate",
            display_name="Physics Simulate",
            category="Generative Photography",
            description="Photographs one sharp picture again with every camera of a sweep: lens, then sensor, then "
            "white balance. No network is involved.",
            search_aliases=[*CAMERA_WORDS, "lens blur", "noise", "grain", "ISO"],
            inputs=[
                io.Image.Input("image", tooltip="One sharp photograph (a batch of one)."),
                Sweep.Input("sweep", tooltip="The camera states to render, one frame each."),
                io.MultiType.Input(
                    "depth",
                    DEPTH_SOCKETS,
                    optional=True,
                    tooltip="Depth of the same picture, needed for bokeh: the geometry of Depth Anything 3 or MoGe "
                    "(best), or a depth map as IMAGE or MASK.",
                ),
                io.Combo.Input(
                    "depth_kind",
                    options=list(DEPTH_KINDS),
                    tooltip="What the numbers of a depth map mean. MoGe and Depth Anything preprocessors draw "
                    "disparity; 'Render Depth Anything 3' draws distance, white is near. Geometry sockets need no "
                    "choice.",
                    advanced=True,
                ),
                *depth_range(),
                io.DynamicCombo.Input(
                    "focus",
                    options=[
                        io.DynamicCombo.Option("sweep", []),
                        io.DynamicCombo.Option(
                            "distance",
                            [
                                io.Float.Input(
                                    "distance_m",
                                    default=2.0,
                                    min=0.02,
                                    max=10000.0,
                                    step=0.1,
                                    tooltip="Distance to the plane in focus [m].",
                                )
                            ],
                        ),
                        io.DynamicCombo.Option(
                            "point",
                            [
                                io.Float.Input(
                                    axis,
                                    default=0.5,
                                    min=0.0,
                                    max=1.0,
                                    step=0.01,
                                    display_mode=io.NumberDisplay.slider,
                                    tooltip=f"Point of the photograph to focus on: share of its {side}.",
                                )
                                for axis, side in (("x", "width, from the left"), ("y", "height, from the top"))
                            ],
                        ),
                    ],
                    tooltip="Where the lens focuses. sweep: at the sweep's focus distance. distance: in meters. "
                    "point: on a point of the photograph (needs depth).",
                ),
                io.Combo.Input(
                    "variant",
                    options=list(VARIANTS),
                    tooltip="physical: real optics. published: what the released Generative Photography adapters were "
                    "trained on, defects included.",
                    advanced=True,
                ),
                io.Boolean.Input("noise", default=True, tooltip="Photon, dark and read noise of the sensor."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Seed of the noise: one seed, one result on every machine.",
                ),
                io.Boolean.Input(
                    "dial",
                    default=False,
                    label_on="camera dial",
                    label_off="light",
                    tooltip="What a color temperature means. light: 2000 K light, an orange picture. camera dial: the "
                    "camera set to 2000 K under unchanged light, a blue picture.",
                    advanced=True,
                ),
                io.Float.Input(
                    "highlights",
                    default=0.0,
                    min=0.0,
                    max=6.0,
                    step=0.1,
                    tooltip="Artistic: how many stops clipped highlights are extended before they blur, for brighter "
                    "bokeh discs. 0 is physical.",
                    advanced=True,
                ),
                *(
                    io.Int.Input(
                        name,
                        default=0,
                        min=0,
                        max=16384,
                        tooltip=f"{name.capitalize()} of the frames [px]; 0: as the photograph. Another shape is cut "
                        "from its middle.",
                        advanced=True,
                    )
                    for name in ("width", "height")
                ),
            ],
            outputs=[
                io.Image.Output("frames", tooltip="One frame per camera state."),
                Sweep.Output(
                    "sweep", tooltip="The sweep as rendered, with the focus and the meaning of kelvin that were used."
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        image: torch.Tensor,
        sweep: CameraSweep,
        depth_kind: str,
        near_m: float,
        far_m: float,
        variant: str,
        noise: bool,
        seed: int,
        dial: bool,
        highlights: float,
        width: int,
        height: int,
        focus: dict[str, Any] | None = None,
        depth: torch.Tensor | dict | None = None,
    ) -> io.NodeOutput:
        if focus is None:
            raise ValueError("Unknown focus. Choose sweep, distance or point.")
        if variant == "published" and focus["focus"] != "sweep":
            raise ValueError(
                "The published variant has a focus of its own. Set focus to sweep, or variant to physical."
            )
        picture = to_photo_image(image)
        size = (height or picture.shape[1], width or picture.shape[2])
        device = comfy_host.compute_device()
        working = BYTES_PER_PIXEL * max(picture[0].numel(), size[0] * size[1])
        comfy_host.reserve(working + comfy_host.image_bytes(len(sweep), size, device), device)
        disparity = None if depth is None else to_disparity(depth, depth_kind, near_m, far_m).to(device)
        photo = Photo(picture.to(device), disparity, sweep.base)
        try:
            if focus["focus"] != "sweep":
                sweep = sweep.focused_at(
                    focus["distance_m"] if "distance_m" in focus else photo.focus_distance_at(focus["x"], focus["y"])
                )
            sweep = replace(sweep, dial=dial or sweep.dial)
            frames = simulate(
                replace(photo, camera=sweep.base),
                sweep,
                variant=variant,
                size=size,
                generator=torch.Generator().manual_seed(seed) if noise and variant == "physical" else None,
                highlights=highlights,
                on_progress=comfy_host.progress(),
            )
            image = comfy_host.to_image(frames, len(sweep), size)
        except MissingDepth as error:
            raise MissingDepth(f"{error} {DEPTH_ADVICE}") from None
        return io.NodeOutput(image, sweep)
