"""The graphs that make_workflows.py makes: workflows, and blueprints."""

from __future__ import annotations

from genphoto.files.exif import SIMULATED

from .workflow_nodes import (
    SAME_SEED,
    TOY_SCENE,
    Blueprint,
    Columns,
    Node,
    Workflow,
    camera,
    checkpoint,
    decode,
    embedded_model,
    image_lora,
    lift,
    metrics,
    no_prompt,
    note,
    photograph,
    physics,
    plot,
    prompt,
    sampler,
    save,
    sweep,
    viewer,
)

DEPTH = (
    "https://huggingface.co/Comfy-Org/Depth-Anything-3/resolve/main/geometry_estimation/"
    "depth_anything_3_mono_large.safetensors"
)
CONTROLNET = (
    "https://huggingface.co/comfyanonymous/ControlNet-v1-1_fp16_safetensors/resolve/main/"
    "control_v11p_sd15_canny_fp16.safetensors"
)
DETAIL = "https://huggingface.co/OedoSoldier/detail-tweaker-lora/resolve/main/add_detail.safetensors"
MODEL, FRAMES, BATCH, SIMULATION = ("model", "model"), ("frames", "image"), ("batch", "image"), ("physics", "frames")
SIMULATED_SWEEP = ("physics", "sweep")  # with the focus that was used
SECOND_ROW = 600  # [px of the canvas]


def toy(*first: Node) -> Columns:
    """A zoom by the embedded model, up to its frames; `first` is the column that has the sweep."""
    return (
        first,
        (lift(MODEL, embedded=True), prompt(TOY_SCENE), no_prompt(), camera("genphoto_tiny_focal_length.safetensors")),
        (sampler(seed=2, cfg=2.5, scheduler="simple", width=192, height=128), decode()),
    )


def with_release(name: str, setting: str, adapter: str, scene: str, told: str) -> Workflow:
    """A sweep of Stable Diffusion 1.5 by the released weights."""
    return Workflow(
        f"{name} with Stable Diffusion",
        (
            (note(f"## {name}\n{told}\n{WEIGHTS}\n{TRY_RELEASE}", 400), checkpoint()),
            (image_lora(MODEL), sweep(setting)),
            (lift(("look", "model")), prompt(scene), no_prompt(), camera(adapter)),
            (sampler(), decode()),
            (viewer(FRAMES), save(FRAMES)),
        ),
    )


WEIGHTS = """
The weights are those of the paper *Generative Photography* (CC BY-NC-ND 4.0). ComfyUI names each file that is missing,
with a link and the folder that it belongs to.
"""

TRY_RELEASE = """
**Try**
- a scene of your own, and another *seed*,
- *first* and *last* the other way round, or a list in *values*,
- another SD 1.5 checkpoint. The paper's own UNet is *unet_merged* of the same release: **Load Diffusion Model** reads
it, CLIP and VAE stay the checkpoint's.

Sampler and size are the published ones: 25 steps of ddim, cfg 8, five frames of 384 x 256.
"""

ABOUT_FIRST = """
## A first camera sweep
Press **Run**. A small model that comes with the pack photographs one scene through five lenses; nothing is downloaded.
Then click the picture and use the arrow keys, the wheel or the slider.

**Try**
- *first* and *last*: 24 to 35 mm, or from 70 down to 24,
- another *setting*, and beside it the *camera_adapter* of the same name,
- another scene, such as "a red ball in front of a blue box on a wooden floor by a plain wall". The model knows some
forty words, and names any other,
- more *frames*, up to 16, and another *seed*.

It is a toy of 192 x 128 pixels. For photographs open *Focal length with Stable Diffusion*, for a picture that you have
*Zoom into a photograph*.
"""

ABOUT_ZOOM = """
## Zoom into a photograph
Press **Run**: the picture is taken again at five focal lengths, by the laws of optics and without any model. Choose a
photograph of yours; *focal_length_mm* is the lens that it was taken with.

**Try**
- *setting* shutter_speed, 0.1 to 1 s: darker and brighter, with the noise and the clipping of a sensor,
- *setting* color_temperature, 2500 to 10000 K,
- *values* such as 24 35 50 85,
- a second **Camera Sweep** into *vary_with*: two settings change together.

For depth of field open *Depth of field for a photograph*.
"""

ABOUT_DEPTH = """
## Depth of field for a photograph
Your photograph under five apertures. *Depth Anything 3*, by core nodes, finds what is near and far; a thin lens does
the rest. ComfyUI names the file that is missing, with a link.

**Try**
- *x* and *y* of the focus: the point that is sharp, as shares of width and height,
- *near_m*: the distance of the nearest thing. The closer it is, the stronger the blur,
- *focal_length_mm* of the **Camera Sweep**: 35 for more depth of field, 135 for less,
- *blades* 6 for hexagonal highlights, *highlights* 2 for brighter ones.

The photograph counts as sharp from front to back.
"""

ABOUT_COMPARISON = """
## Compare the model with physics
The embedded model makes a zoom. Its first frame, zoomed by the laws of optics, is what the others should be. At the
lower right of the viewer choose *side by side* or *difference*. **Sweep Metrics** measures what was asked for in its
own unit, and whether the frames show one scene once the zoom is undone.

**Try**
- the scene, the *seed*, *first* and *last*: where does the model fail?
- *steps* and *cfg*,
- *strength* 0: without its camera the model does not follow.
"""

ABOUT_OWN = f"""
## Your own LoRA and ControlNet
The lifted MODEL stays an ordinary one: whatever works with SD 1.5 works under a camera. Here a LoRA adds detail, and a
ControlNet keeps the outlines of a picture in every frame.

**Try**
- a LoRA of yours, or an IPAdapter on the MODEL,
- another ControlNet. Outlines stand still: they suit a change of light, and hold against a zoom (less with a smaller
*strength* or *end_percent*),
- **Apply Camera** with your own KSampler, and an empty latent with one image per frame.
{WEIGHTS}
"""

ABOUT_WORDS = f"""
## The lift against words in the prompt
One model, asked twice for the same sweep: by a camera, and by words such as "with 24mm lens". Do the words change the
lens, or the scene? **Sweep Metrics** says it in numbers.

**Try**
- SD3, FLUX or any other model in the lower row, in a size of its own: that is the paper's comparison,
- another *setting*, with the *camera_adapter* of the same name.
{WEIGHTS}
"""

FIRST = ((note(ABOUT_FIRST, 380),), *toy(embedded_model(), sweep("focal_length")), (viewer(FRAMES), save(FRAMES)))
APP = (
    ("scene", "text"),
    ("sweep", "setting"),
    ("sweep", "setting.first"),
    ("sweep", "setting.last"),
    ("sweep", "frames"),
    ("camera", "camera_adapter"),
    ("sampler", "seed"),
    ("viewer", "viewer"),
)

WORKFLOWS = (
    Workflow("First camera sweep", FIRST, runs=True),
    Workflow("First camera sweep", FIRST, runs=True, app=APP),
    Workflow(
        "Zoom into a photograph",
        (
            (note(ABOUT_ZOOM, 340), photograph()),
            (sweep("focal_length"),),
            (physics(image=("photo", "image")),),
            (viewer(SIMULATION, SIMULATED_SWEEP), save(SIMULATION, SIMULATED_SWEEP, SIMULATED)),
        ),
        runs=True,
    ),
    Workflow(
        "Depth of field for a photograph",
        (
            (note(ABOUT_DEPTH, 340), photograph()),
            (
                Node("depth_model", "LoadDA3Model", "Load the model that sees depth").released(
                    "model_name", DEPTH, "geometry_estimation"
                ),
                Node(
                    "depth",
                    "DA3Inference",
                    "Find what is near and far",
                    {"da3_model": ("depth_model", "da3_model"), "image": ("photo", "image")},
                ),
                sweep("aperture", spacing="stops"),
            ),
            (physics(image=("photo", "image"), depth=("depth", "da3_geometry"), focus="point"),),
            (viewer(SIMULATION, SIMULATED_SWEEP), save(SIMULATION, SIMULATED_SWEEP, SIMULATED)),
        ),
    ),
    Workflow(
        "Compare the model with physics",
        (
            *toy(note(ABOUT_COMPARISON, 300), embedded_model(), sweep("focal_length")),
            (
                Node(
                    "first",
                    "ImageFromBatch",
                    "Take the first frame",
                    {"image": FRAMES, "batch_index": 0, "length": 1},
                ),
                physics(image=("first", "image"), noise=False),
                metrics(FRAMES, "measured", "Measure the model", reference=SIMULATION),
            ),
            (viewer(FRAMES, compare=SIMULATION), plot("measured")),
        ),
        runs=True,
    ),
    with_release(
        "Focal length",
        "focal_length",
        "checkpoint-focal_length.ckpt",
        "a cozy living room with a large sofa, a wooden table and a window",
        "One scene from wide to tele: 24 to 70 mm. A wide lens shows more of the same room.",
    ),
    with_release(
        "Bokeh",
        "bokeh",
        "checkpoint-bokehK.ckpt",
        "a young woman in an orange jacket waiting at a crossing in the evening, city lights behind her",
        "One scene from sharp to soft: blur parameter K from 1 to 30, the wider the aperture the larger.",
    ),
    with_release(
        "Shutter speed",
        "shutter_speed",
        "checkpoint-shutter_speed.ckpt",
        "a modern bathroom with a round mirror and soft light",
        "One scene from dark to bright: exposed for 0.1 to 1 s.",
    ),
    with_release(
        "Color temperature",
        "color_temperature",
        "checkpoint-color_temperature.ckpt",
        "snowy mountains under a blue sky, a lake in front",
        "One scene from warm to cool: 2000 to 10000 K.",
    ),
    Workflow(
        "Your own LoRA and ControlNet under the lift",
        (
            (note(ABOUT_OWN, 380), checkpoint(), photograph("Choose a picture with outlines")),
            (
                Node("lora", "LoraLoader", "Load your own LoRA", {"model": MODEL, "clip": ("model", "clip")}).released(
                    "lora_name", DETAIL, "loras"
                ),
                image_lora(("lora", "model")),
                sweep("color_temperature"),
            ),
            (
                lift(("look", "model")),
                prompt("a girl in a pink dress on a green hill under a blue sky", clip="lora"),
                no_prompt(),
                camera("checkpoint-color_temperature.ckpt"),
                Node("outlines", "Canny", "Find the outlines", {"image": ("photo", "image")}),
                Node("net", "ControlNetLoader", "Load your own ControlNet").released(
                    "control_net_name", CONTROLNET, "controlnet"
                ),
            ),
            (
                Node(
                    "guided",
                    "ControlNetApplyAdvanced",
                    "Let it guide the picture",
                    {
                        "positive": ("scene", "conditioning"),
                        "negative": ("without", "conditioning"),
                        "control_net": ("net", "control_net"),
                        "image": ("outlines", "image"),
                        "strength": 0.7,
                    },
                ),
                sampler(("guided", "positive"), ("guided", "negative")),
                decode(),
            ),
            (viewer(FRAMES), save(FRAMES)),
        ),
    ),
    Workflow(
        "The lift against words in the prompt",
        (
            (
                note(ABOUT_WORDS, 330),
                checkpoint(),
                Node(
                    "words",
                    "PrimitiveStringMultiline",
                    "Say what the picture shows",
                    {"value": "a quiet mountain trail between pine trees"},
                    height=100,
                ),
                sweep("focal_length"),
            ),
            (
                image_lora(MODEL),
                lift(("look", "model")),
                camera("checkpoint-focal_length.ckpt"),
                Node(
                    "prompts",
                    "GenPhotoBaselinePrompts",
                    "Say the camera in words",
                    {"scene": ("words", "string"), "sweep": ("sweep", "sweep")},
                ).below(SECOND_ROW),
                Node("empty", "EmptyLatentImage", "One picture for each", {"width": 384, "height": 256}),
            ),
            (
                prompt(("words", "string")),
                no_prompt(),
                prompt(("prompts", "prompts"), "told", "Encode one prompt per frame").below(SECOND_ROW),
            ),
            (
                sampler(),
                decode(),
                Node(
                    "baseline",
                    "KSampler",
                    "Make a picture for each prompt",
                    {
                        "model": MODEL,
                        "positive": ("told", "conditioning"),
                        "negative": ("without", "conditioning"),
                        "latent_image": ("empty", "latent"),
                        "steps": 25,
                        "cfg": 8.0,
                        **SAME_SEED,
                    },
                ).below(SECOND_ROW),
                decode(("baseline", "latent"), "pictures"),
                Node(
                    "batch",
                    "RebatchImages",
                    "Make them one batch",
                    {"images": ("pictures", "image"), "batch_size": ("prompts", "frame_count")},
                ),
            ),
            (
                metrics(FRAMES, "measured", "Measure the lift"),
                metrics(BATCH, "measured_words", "Measure the words").below(SECOND_ROW),
            ),
            (
                viewer(FRAMES, compare=BATCH),
                plot("measured", "See asked against measured: the lift"),
                plot("measured_words", "See asked against measured: the words"),
            ),
        ),
        groups={
            "The lift": ("look", "lift", "scene", "without", "camera", "sampler", "frames", "measured"),
            "Words in the prompt": ("prompts", "told", "empty", "baseline", "pictures", "batch", "measured_words"),
        },
    ),
)

LENS = Node("lens", "CameraSweepSpec", "Change the lens", {"setting": "focal_length"})
EXPOSURE = Node(
    "exposure",
    "CameraSweepSpec",
    "Change the exposure with it",
    {"setting": "shutter_speed", "setting.first": 0.5, "setting.last": 0.5, "vary_with": ("lens", "sweep")},
)
LIGHT = Node(
    "light",
    "CameraSweepSpec",
    "Change the light with both",
    {"setting": "color_temperature", "setting.first": 6504, "setting.last": 6504, "vary_with": ("exposure", "sweep")},
)

BLUEPRINTS = (
    Blueprint(
        "Camera sweep from text",
        "One scene under every camera of a sweep, by the small model that comes with the pack: connect a Camera Sweep, "
        "and choose the camera adapter of its setting.",
        toy(embedded_model()),
        {
            "sweep": (("camera", "sweep"),),
            "text": (("scene", "text"),),
            "camera_adapter": (("camera", "camera_adapter"),),
            "seed": (("sampler", "seed"),),
        },
        {"images": FRAMES},
    ),
    Blueprint(
        "Photograph again with another camera",
        "A picture as other cameras would have taken it, by the laws of optics: lens [mm], exposure [s] and color "
        "temperature [K], from the first frame to the last. The source counts as taken with 24 mm, 0.5 s and 6504 K.",
        ((LENS,), (EXPOSURE,), (LIGHT,), (physics(sweep=("light", "sweep")),)),
        {
            "image": (("physics", "image"),),
            "first_mm": (("lens", "setting.first"),),
            "last_mm": (("lens", "setting.last"),),
            "first_s": (("exposure", "setting.first"),),
            "last_s": (("exposure", "setting.last"),),
            "first_k": (("light", "setting.first"),),
            "last_k": (("light", "setting.last"),),
            "frames": (("lens", "frames"), ("exposure", "frames"), ("light", "frames")),
        },
        {"images": SIMULATION, "sweep": SIMULATED_SWEEP},
    ),
)
