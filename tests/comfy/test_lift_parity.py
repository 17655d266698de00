"""The lift inside ComfyUI against numbers of the reference, at a small size; ../golden/README.md says how made.

All weights come in the released layout through the readers that artists use; only the start noise is handed in.
"""

import numpy as np
import pytest
import torch

from ..golden import lift as lift_golden
from ..golden.lift import CHANNELS, camera_checkpoint, frames, golden, noise, weights
from ..golden.lift.rule import rule_weight
from . import tiny_sd15

LISTS = {
    "bokehK": [2.44, 8.3, 10.1, 17.2, 24.0],
    "focal_length": [25.1, 30.2, 33.3, 40.8, 54.0],
    "shutter_speed": [0.15, 0.32, 0.53, 0.62, 0.82],
    "color_temperature": [3001.3, 4000.2, 4400.34, 5488.23, 8888.82],
}
TEXT = (1, 77, 768)


@pytest.fixture(scope="module")
def lifted(comfy):
    """The reference's base with its image LoRA, lifted by its motion modules."""
    from comfy.sd import load_lora_for_models
    from comfy.utils import unet_to_diffusers

    model = tiny_sd15.model(channel_mult=[width // CHANNELS[0] for width in CHANNELS], context=768)
    names = unet_to_diffusers(model.model.model_config.unet_config)
    model.model.diffusion_model.load_state_dict({names[k]: w for k, w in weights("unet", "unet").items()})
    with_lora, _ = load_lora_for_models(model, None, weights("lora", "lora"), 1.0, 0.0)
    assert len(with_lora.patches) == 128
    path = comfy.model_folder("animatediff_models") / "v3_sd15_mm.ckpt"
    torch.save(weights("mm", "mm"), path)
    motion = comfy.module("nodes.model_files").load_lift(path, torch.float32)
    return comfy.module("nodes.lift_host").lift_model(with_lora, motion)


@pytest.fixture(scope="module")
def camera(comfy):
    """The reference's adapter for bokeh, on the embedding of its trajectory."""
    path = comfy.model_folder("genphoto") / "checkpoint-bokehK.ckpt"
    torch.save(camera_checkpoint("bokehK"), path)
    adapter, merges = comfy.module("nodes.model_files").load_camera(path)
    with torch.no_grad():
        features = tuple(adapter.encoder(noise("embedding0", (1, 6, 5, 64, 128))))
    sweep = comfy.module("genphoto.camera.sweep").CameraSweep({"bokeh": LISTS["bokehK"]})
    return comfy.module("nodes.camera_condition").CameraCondition(adapter.question(sweep), features, merges, "camera")


@pytest.fixture
def sampling(monkeypatch):
    """What KSampler and LiftedT2VSampler take, with the start noise of the reference."""
    import comfy.sample

    monkeypatch.setattr(comfy.sample, "prepare_noise", lambda *_: frames(noise("start", (1, 4, 5, 8, 16))))
    return {
        "seed": 0,
        "steps": 25,
        "cfg": 8.0,
        "sampler_name": "ddim",
        "scheduler": "ddim_uniform",
        "positive": [[noise("text0", TEXT), {}]],
        "negative": [[noise("uncond", TEXT), {}]],
        "denoise": 1.0,
    }


def assert_is_the_trajectory(latent):
    truth = frames(golden("trajectory.after_step_24"))
    made = latent["samples"] * 0.18215  # ComfyUI's latents are divided by the factor of SD 1.5's VAE
    assert (made - truth).norm() / truth.norm() < 1e-5


def test_a_trajectory_of_25_steps_through_ksampler(comfy, lifted, camera, sampling):
    import nodes

    steered = comfy.module("nodes.lift_host").apply_camera(lifted, camera)
    empty = {"samples": torch.zeros(5, 4, 8, 16)}
    with torch.inference_mode():
        (latent,) = nodes.KSampler().sample(steered, latent_image=empty, **sampling)
    assert_is_the_trajectory(latent)


def test_a_trajectory_of_25_steps_through_the_lifted_sampler(comfy, lifted, camera, sampling):
    (latent,) = comfy.call(
        "LiftedT2VSampler", model=lifted, camera=camera, strength=1.0, width=128, height=64, **sampling
    )
    assert_is_the_trajectory(latent)


def test_painting_over_a_part_is_that_of_the_library(comfy, lifted, camera, sampling):
    """By euler, which is DDIM in other words; ComfyUI's "ddim" draws the noise of what the mask keeps once more."""
    import nodes

    steered = comfy.module("nodes.lift_host").apply_camera(lifted, camera)
    given = {"samples": lift_golden.original() / 0.18215, "noise_mask": lift_golden.mask()}
    with torch.inference_mode():
        options = sampling | lift_golden.PAINTING | {"sampler_name": "euler"}
        (latent,) = nodes.KSampler().sample(steered, latent_image=given, **options)
    truth = torch.from_numpy(np.load(lift_golden.PAINTED))
    made = latent["samples"] * 0.18215
    assert (made - truth).norm() / truth.norm() < 1e-5
    kept = (lift_golden.mask() == 0).expand_as(made)
    assert torch.allclose(made[kept], lift_golden.original()[kept], atol=1e-5)


@pytest.fixture(scope="module")
def clip(comfy):
    """The reference's text encoder of two layers."""
    from comfy.sd import CLIP
    from comfy.sd1_clip import SD1ClipModel, SD1Tokenizer
    from comfy.supported_models_base import ClipTarget

    sizes = {"hidden_size": 768, "intermediate_size": 256, "num_attention_heads": 12, "num_hidden_layers": 2}
    made = CLIP(
        ClipTarget(SD1Tokenizer, SD1ClipModel),
        model_options={"clip_l_model_config": sizes, "dtype": torch.float32},
    )
    transformer = made.cond_stage_model.clip_l.transformer
    state = {
        name: torch.from_numpy(rule_weight(name, tensor.shape, "text"))
        for name, tensor in transformer.state_dict().items()
        if name.startswith("text_model.")
    }
    transformer.load_state_dict(state, strict=False)
    return made


@pytest.mark.parametrize("name", LISTS)
def test_camera_prompts_are_tokenized_and_encoded_as_in_the_reference(comfy, clip, name):
    setting = comfy.module("genphoto.camera.settings").setting_named({"bokehK": "bokeh"}.get(name, name))
    prompts = [setting.prompt(value) for value in LISTS[name]]
    ids = [[token for token, _ in clip.tokenize(prompt)["l"][0]] for prompt in prompts]
    assert ids == golden(f"ids.{name}.0").tolist()
    with torch.inference_mode():
        hidden = comfy.module("nodes.camera_condition").hidden_states(clip, prompts)
    assert (hidden[:, ::7, ::29] - golden(f"hidden_grid.{name}.0")).abs().max() < 1e-5
