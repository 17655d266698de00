"""The words that workflow_graphs.py is written in: nodes, and graphs of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from genphoto.files.exif import GENERATED

MUTED = 2  # ComfyUI's mode of a node that does not run
RELEASE = "https://huggingface.co/pandaphd/generative_photography/resolve/main/weights/"
CHECKPOINT = (
    "https://huggingface.co/Comfy-Org/stable-diffusion-v1-5-archive/resolve/main/v1-5-pruned-emaonly-fp16.safetensors"
)
MOTION = "https://huggingface.co/guoyww/animatediff/resolve/main/v3_sd15_mm.ckpt"
TOY_SCENE = "a red house on a grassy floor under a cloudy sky"
SAME_SEED = {"seed": 1, "control_after_generate": "fixed"}
SWEEP = ("sweep", "sweep")

Link = tuple[str, str]  # (node, output)


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a graph.

    Args:
        name: what links and groups call it.
        type: node id.
        title: a sentence.
        inputs: a widget's value or a link, by input.
        width, height, top: at least [px of the canvas].
        models: (folder, address) of the released files that its widgets name.
        mode: ComfyUI's; 0 runs.
    """

    name: str
    type: str
    title: str
    inputs: dict[str, Any] = field(default_factory=dict)
    width: int = 300
    height: int = 0
    top: int = 0
    models: tuple[tuple[str, str], ...] = ()
    mode: int = 0

    def released(self, widget: str, url: str, folder: str) -> Node:
        """The same with a released file in a widget."""
        named = {**self.inputs, widget: url.rsplit("/", 1)[1]}
        return replace(self, inputs=named, models=(*self.models, (folder, url)))

    def below(self, top: int) -> Node:
        """The same, not higher than `top`."""
        return replace(self, top=top)


Columns = tuple[tuple[Node, ...], ...]  # from left to right, each from top to bottom


@dataclass(frozen=True, slots=True)
class Workflow:
    """A graph for the template browser.

    Args:
        name: what the user reads, and the file's.
        runs: without a download.
        groups: names of nodes by the title of the frame around them.
        app: the (node, widget)s beside the result of the node "viewer", if it opens as an app.
    """

    name: str
    columns: Columns
    runs: bool = False
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    app: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A graph that becomes one node; its (node, input)s and (node, output)s by the names that they have outside.

    One input may lead to several. None can lead to the setting of a Camera Sweep: first and last would keep the limits
    of the old one.
    """

    name: str
    description: str
    columns: Columns
    inputs: dict[str, tuple[tuple[str, str], ...]]
    outputs: dict[str, Link]


def note(text: str, height: int) -> Node:
    """What to try, in Markdown."""
    return Node("note", "MarkdownNote", "What this is, and what to try", {"text": text.strip()}, height=height)


def sweep(setting: str, **inputs: Any) -> Node:
    """Camera Sweep."""
    return Node("sweep", "CameraSweepSpec", "Choose what the camera changes", {"setting": setting, **inputs})


def embedded_model() -> Node:
    """Embedded Model."""
    return Node("model", "GenPhotoEmbeddedModel", "This model comes with the pack")


def checkpoint() -> Node:
    """Load Checkpoint."""
    loader = Node("model", "CheckpointLoaderSimple", "Load a Stable Diffusion 1.5")
    return loader.released("ckpt_name", CHECKPOINT, "checkpoints")


def image_lora(model: Link) -> Node:
    """Load LoRA, that of Generative Photography."""
    loader = Node("look", "LoraLoaderModelOnly", "Add the look of the training", {"model": model})
    return loader.released("lora_name", f"{RELEASE}RealEstate10K_LoRA.ckpt", "loras")


def lift(model: Link, embedded: bool = False) -> Node:
    """Lift Model."""
    node = Node("lift", "GenPhotoLiftModel", "Make a batch one scene", {"model": model})
    if embedded:
        return replace(node, inputs={**node.inputs, "motion_module": "genphoto_tiny_motion.safetensors"})
    return node.released("motion_module", MOTION, "animatediff_models")


def camera(adapter: str) -> Node:
    """Differential Camera Encode."""
    inputs = {"clip": ("model", "clip"), "sweep": SWEEP, "camera_adapter": adapter}
    node = Node("camera", "DifferentialCameraEncode", "Encode the sweep with its adapter", inputs)
    return node if adapter.endswith(".safetensors") else node.released("camera_adapter", RELEASE + adapter, "genphoto")


def prompt(
    words: str | Link, name: str = "scene", title: str = "Say what the picture shows", clip: str = "model"
) -> Node:
    """CLIP Text Encode."""
    return Node(name, "CLIPTextEncode", title, {"clip": (clip, "clip"), "text": words}, height=120)


def no_prompt() -> Node:
    """CLIP Text Encode of nothing."""
    return prompt("", "without", "Say what it does not show")


def sampler(
    positive: Link = ("scene", "conditioning"), negative: Link = ("without", "conditioning"), **inputs: Any
) -> Node:
    """Lifted T2V Sampler."""
    links = {"model": ("lift", "model"), "camera": ("camera", "camera"), "positive": positive, "negative": negative}
    return Node("sampler", "LiftedT2VSampler", "Make one frame per camera", {**links, **SAME_SEED, **inputs})


def decode(latent: Link = ("sampler", "latent"), name: str = "frames") -> Node:
    """VAE Decode."""
    return Node(name, "VAEDecode", "Turn latents into pictures", {"samples": latent, "vae": ("model", "vae")})


def photograph(title: str = "Choose a photograph of yours") -> Node:
    """Load Image."""
    return Node("photo", "LoadImage", title, {"image": "example.png"}, height=340)


def physics(**inputs: Any) -> Node:
    """Physics Simulate."""
    fixed = {"sweep": SWEEP, "control_after_generate": "fixed"}
    return Node("physics", "PhysicsSimulate", "Photograph it with every camera", fixed | inputs)


def viewer(images: Link, sweep: Link = SWEEP, **inputs: Any) -> Node:
    """Sweep Viewer."""
    links = {"images": images, "sweep": sweep, **inputs}
    return Node("viewer", "GenPhotoSweepViewer", "Scrub through the frames", links, 480, 460)


def save(images: Link, sweep: Link = SWEEP, origin: str = GENERATED) -> Node:
    """Save Sweep, asleep."""
    inputs = {"images": images, "sweep": sweep, "origin": origin}
    return Node("save", "GenPhotoSaveSweep", "Save them with EXIF: wake me with Ctrl+M", inputs, 480, mode=MUTED)


def metrics(images: Link, name: str, title: str, **inputs: Any) -> Node:
    """Sweep Metrics."""
    return Node(name, "GenPhotoSweepMetrics", title, {"images": images, "sweep": SWEEP, **inputs})


def plot(measured: str, title: str = "See asked against measured") -> Node:
    """Preview Image of what Sweep Metrics plots."""
    links = {"images": (measured, "plot")}
    return Node(f"{measured}_plot", "PreviewImage", title, links, height=250)
