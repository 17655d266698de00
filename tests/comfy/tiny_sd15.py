"""A Stable Diffusion 1.5 in miniature, with ComfyUI's own classes: 2 levels of 32 and 64 channels, random weights.

The fixture `sd15` is a ComfyUI with its model files and with nodes that give its objects as loaders would: TestModel,
TestClip, TestControlNet; TestKeep ends a graph. `prompt` is the graph from there to latents, `latents` its result.
"""

import pytest
import torch
from safetensors.torch import save_file

from genphoto.camera.settings import setting_named
from genphoto.checkpoint import CameraFile, MotionFile, save_camera_adapter, save_motion_module
from genphoto.checkpoint.flat_sizes import FlatSizes
from genphoto.checkpoint.layout import make_encoder, make_lift, make_merges
from genphoto.model.steering import Steering

from .base_camera import BASE_CAMERA

ARCHITECTURE = FlatSizes((32, 64), image_size=(64, 96), text_width=64).architecture()
MOTION = "tiny_motion.safetensors"
ZOOM, BLUR, SHUTTER = (f"tiny_{setting}.safetensors" for setting in ("focal_length", "bokeh", "shutter_speed"))
FRAMES = 5
KINDS = {"MODEL": "Model", "CLIP": "Clip", "CONTROL_NET": "ControlNet"}
OBJECTS: dict[tuple[str, str], object] = {}  # what TestModel, TestClip and TestControlNet give, by type and name


def random_(module, seed):
    """Weights of a size that keeps activations near 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            values = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                values = values / parameter.shape[1:].numel() ** 0.5
            else:
                values = 0.1 * values + name.endswith("weight")
            parameter.copy_(values)
    return module


def model(channel_mult=(1, 2), context=64, config="SD15", dtype=torch.float32, prediction="EPS"):
    """A MODEL whose last level has no text attention, as SD 1.5."""
    import comfy.model_base
    import comfy.model_patcher
    import comfy.supported_models

    levels = len(channel_mult)
    settings = {
        "image_size": 32,
        "in_channels": 4,
        "out_channels": 4,
        "model_channels": 32,
        "channel_mult": list(channel_mult),
        "num_res_blocks": [2] * levels,
        "transformer_depth": [1] * (2 * levels - 2) + [0, 0],
        "transformer_depth_output": [1] * (3 * levels - 3) + [0, 0, 0],
        "transformer_depth_middle": 1,
        "context_dim": context,
        "use_linear_in_transformer": False,
        "use_spatial_transformer": True,
        "use_temporal_attention": False,
        "adm_in_channels": None,
        "legacy": False,
        "dtype": dtype,
    }
    settings = getattr(comfy.supported_models, config)(settings)
    network = comfy.model_base.BaseModel(settings, comfy.model_base.ModelType[prediction])
    random_(network.diffusion_model, 1)
    cpu = torch.device("cpu")
    return comfy.model_patcher.CoreModelPatcher(network, cpu, cpu)


def clip(width=64):
    """A CLIP with the real tokenizer and the real text encoder, of another width and depth."""
    import comfy.sd
    import comfy.sd1_clip
    import comfy.supported_models_base

    sizes = {"hidden_size": width, "intermediate_size": 2 * width, "num_attention_heads": 2, "num_hidden_layers": 3}
    made = comfy.sd.CLIP(
        comfy.supported_models_base.ClipTarget(comfy.sd1_clip.SD1Tokenizer, comfy.sd1_clip.SD1ClipModel),
        model_options={"clip_l_model_config": sizes, "dtype": torch.float32},
    )
    random_(made.cond_stage_model, 2)
    return made


def adapter(setting, seed=4):
    """A camera adapter of that setting."""
    encoder, merges = (random_(make(ARCHITECTURE), seed) for make in (make_encoder, make_merges))
    steering = Steering((setting_named(setting),), "published")
    return CameraFile(steering, ARCHITECTURE, encoder.state_dict(), merges.state_dict(), FRAMES)


def install(comfy):
    """Model files in ComfyUI's folders, and the test nodes."""
    import nodes

    save_motion_module(
        comfy.model_folder("animatediff_models") / MOTION,
        MotionFile(ARCHITECTURE, random_(make_lift(ARCHITECTURE), 3).state_dict()),
    )
    for seed, name in enumerate((ZOOM, BLUR, SHUTTER), 4):
        save_camera_adapter(comfy.model_folder("genphoto") / name, adapter(name[5:-12], seed))
    OBJECTS["MODEL", "sd15"], OBJECTS["CLIP", "sd15"] = model(), clip()
    givers = {f"Test{name}": _giver(kind) for kind, name in KINDS.items()}
    nodes.NODE_CLASS_MAPPINGS.update(givers, TestKeep=TestKeep)


def _giver(kind):
    class TestObject:
        RETURN_TYPES, FUNCTION, CATEGORY = (kind,), "give", "tests"

        @classmethod
        def INPUT_TYPES(cls):
            return {"required": {"name": ("STRING", {})}}

        def give(self, name):
            return (OBJECTS[kind, name],)

    return TestObject


class TestKeep:
    """Ends a graph that is asked for its latents."""

    RETURN_TYPES, FUNCTION, CATEGORY, OUTPUT_NODE = (), "keep", "tests", True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"samples": ("LATENT",)}}

    def keep(self, samples):
        return {}


SAMPLING = {"seed": 3, "steps": 2, "cfg": 4.0, "sampler_name": "ddim", "scheduler": "ddim_uniform", "denoise": 1.0}


@pytest.fixture(scope="module", name="sd15")
def miniature(comfy):
    """ComfyUI with the miniature installed."""
    install(comfy)
    yield comfy
    OBJECTS.clear()


def put_lora(comfy):
    """A LoRA of rank 2 on one attention of the UNet and one of the text encoder."""
    parts = {
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q": 32,
        "lora_te_text_model_encoder_layers_0_self_attn_q_proj": 64,
    }
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for name, width in parts.items():
        weights[f"{name}.lora_down.weight"] = torch.randn(2, width, generator=generator)
        weights[f"{name}.lora_up.weight"] = torch.randn(width, 2, generator=generator)
    save_file(weights, comfy.model_folder("loras") / "tiny.safetensors")
    return "tiny.safetensors"


def attempt(comfy, prompt, **options):
    """`comfy.run`, after which no model is loaded.

    Each run has an executor of its own, and ComfyUI loses track of the models in one that is thrown away.
    """
    from comfy.model_management import unload_all_models

    done = comfy.run(prompt, **options)
    unload_all_models()
    return done


def run(comfy, prompt):
    """A run that has to succeed."""
    done = attempt(comfy, prompt)
    assert done.success, f"{done.error}\n{''.join(done.report.get('traceback', ()))}"
    return done


def latents(comfy, prompt, node="sample"):
    """The latents that a node of a prompt gives."""
    return run(comfy, prompt).outputs[node][0]["samples"]


def node(class_type, **inputs):
    """A node of an API-format prompt."""
    return {"class_type": class_type, "inputs": inputs}


def sweep(setting="focal_length", first=24.0, last=70.0, frames=FRAMES):
    """A CameraSweepSpec."""
    chosen = {"setting": setting, "setting.first": first, "setting.last": last, "setting.focal_length_mm": 24.0}
    return node("CameraSweepSpec", frames=frames, spacing="linear", **BASE_CAMERA, **chosen)


def prompt(steered=True, latents=FRAMES, **sampling):
    """The graph: model, clip, lift, sweep, camera, steered, positive, negative, empty, sample (a KSampler), keep."""
    return {
        "model": node("TestModel", name="sd15"),
        "clip": node("TestClip", name="sd15"),
        "lift": node("GenPhotoLiftModel", model=["model", 0], motion_module=MOTION),
        "sweep": sweep(),
        "camera": node("DifferentialCameraEncode", clip=["clip", 0], sweep=["sweep", 0], camera_adapter=ZOOM),
        "steered": node(
            "GenPhotoApplyCamera",
            model=["lift", 0],
            camera=["camera", 0],
            strength=1.0,
            start_percent=0.0,
            end_percent=1.0,
        ),
        "positive": node("CLIPTextEncode", clip=["clip", 0], text="a blue lamp on a table"),
        "negative": node("CLIPTextEncode", clip=["clip", 0], text=""),
        "empty": node("EmptyLatentImage", width=96, height=64, batch_size=latents),
        "sample": node(
            "KSampler",
            model=["steered" if steered else "lift", 0],
            positive=["positive", 0],
            negative=["negative", 0],
            latent_image=["empty", 0],
            **SAMPLING | sampling,
        ),
        "keep": node("TestKeep", samples=["sample", 0]),
    }
