"""The lift against numbers of the reference, at a small size; ../golden/README.md says how they were made.

The reference against itself in float64, or on another number of threads: 3.8e-6 at most in the predicted noise, 8.3e-6
in the features, 3.4e-6 relative after 25 steps.
"""

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from genphoto.camera.settings import setting_named
from genphoto.camera.sweep import CameraSweep
from genphoto.checkpoint import build_camera, build_lift, camera_adapter, image_lora, motion_module
from genphoto.model.differential import camera_embedding
from genphoto.model.diffusers_host import LiftedUNet, merge_image_lora
from genphoto.model.lift import ActiveCamera
from genphoto.model.steering import Steering
from genphoto.sampling import noised, published_scheduler, sample

from ..golden import lift as lift_golden
from ..golden.lift import UNET_CONFIG, camera_checkpoint, frames, golden, noise, weights
from ..golden.lift.rule import rule_noise, rule_weight

SIZE = (1, 4, 5, 8, 16)
TEXT = (1, 77, 768)


@pytest.fixture(scope="module")
def lift():
    return build_lift(motion_module(weights("mm", "mm"), {}, "v3_sd15_mm.ckpt")).eval()


@pytest.fixture(scope="module")
def unets(lift):
    """Without and with the image LoRA."""
    made = {}
    for lora in (False, True):
        unet = UNet2DConditionModel(**UNET_CONFIG)
        unet.load_state_dict(weights("unet", "unet"))
        if lora:
            merge_image_lora(unet, image_lora(weights("lora", "lora"), "RealEstate10K_LoRA.ckpt"))
        made[lora] = LiftedUNet(unet.eval(), lift)
    return made


@pytest.fixture(scope="module")
def adapters():
    settings = ("bokehK", "focal_length", "shutter_speed", "color_temperature")
    return {s: build_camera(camera_adapter(camera_checkpoint(s), {}, f"checkpoint-{s}.ckpt")) for s in settings}


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def camera(adapters, *embeddings, setting="bokehK", strength=1.0):
    inputs = torch.cat([noise(name, (1, 6, 5, 64, 128)) for name in embeddings])
    return adapters[setting].answer(inputs, strength)


def error(mine, name):
    """Largest difference from the reference, relative to the spread of its result."""
    truth = frames(golden(name))
    return ((mine - truth).abs().max() / truth.std()).item()


def test_encoder_features(adapters):
    made = camera(adapters, "embedding0").features
    for level, feature in enumerate(made):
        truth = golden(f"features.bokehK.A.{level}").transpose(1, 2)
        assert (feature - truth).norm() / truth.norm() < 1e-5
    other = camera(adapters, "embedding1").features
    for level, feature in enumerate(other):
        truth = golden(f"features_sub.bokehK.B.{level}").transpose(1, 2)
        assert (feature[:, :, ::8] - truth).norm() / truth.norm() < 1e-5


@pytest.mark.parametrize("timestep", [961, 500, 1])
def test_predicted_noise(unets, adapters, timestep):
    eps = unets[True](
        frames(noise("latents0", SIZE)), timestep, noise("text0", TEXT), 5, [camera(adapters, "embedding0")]
    )
    assert error(eps, f"eps.lora_on_t{timestep}") < 1e-5


@pytest.mark.parametrize("setting", ["focal_length", "shutter_speed", "color_temperature"])
def test_predicted_noise_of_the_other_adapters(unets, adapters, setting):
    steered = [camera(adapters, "embedding0", setting=setting)]
    eps = unets[True](frames(noise("latents0", SIZE)), 500, noise("text0", TEXT), 5, steered)
    assert error(eps, f"eps.setting_{setting}_t500") < 1e-5


@pytest.mark.parametrize(
    ("lora", "strength", "name"),
    [
        (True, 0.0, "camera_off"),
        (True, 0.5, "camera_scale_0.5"),
        (False, 1.0, "lora_off"),
        (False, 0.0, "lora_off_camera_off"),
    ],
)
def test_predicted_noise_with_parts_off(unets, adapters, lora, strength, name):
    steered = [camera(adapters, "embedding0", strength=strength)]
    eps = unets[lora](frames(noise("latents0", SIZE)), 500, noise("text0", TEXT), 5, steered)
    assert error(eps, f"eps.{name}_t500") < 1e-5


def test_zero_features_are_not_off(unets, adapters):
    steered = camera(adapters, "embedding0")
    nothing = ActiveCamera(steered.merges, [torch.zeros_like(f) for f in steered.features])
    eps = unets[True](frames(noise("latents0", SIZE)), 500, noise("text0", TEXT), 5, [nothing])
    assert error(eps, "eps.zero_features_t500") < 1e-5


def test_predicted_noise_of_a_guided_batch(unets, adapters):
    latents = frames(noise("latents0", SIZE)).repeat(2, 1, 1, 1)
    text = torch.cat([noise("uncond", TEXT), noise("text0", TEXT)])
    eps = unets[True](latents, 500, text, 5, [camera(adapters, "embedding0")])
    assert error(eps, "eps.cfg_t500") < 1e-5


def test_predicted_noise_of_two_sweeps_in_a_guided_batch(unets, adapters):
    both = torch.cat([frames(noise("latents0", SIZE)), frames(noise("latents1", SIZE))])
    text = [noise(name, TEXT) for name in ("uncond", "uncond", "text0", "text1")]
    steered = [camera(adapters, "embedding0", "embedding1")]
    eps = unets[True](both.repeat(2, 1, 1, 1), 500, torch.cat(text), 5, steered)
    assert error(eps, "eps.two_sweeps_cfg_t500") < 1e-5
    eps = unets[True](both, 500, torch.cat(text[2:]), 5, steered)
    assert error(eps, "eps.two_sweeps_t500") < 1e-5


def test_a_trajectory_of_25_steps(unets, adapters):
    start = frames(noise("start", SIZE))
    scheduler = published_scheduler(25)
    cameras = [camera(adapters, "embedding0")]
    made = sample(unets[True], start, scheduler, noise("text0", TEXT), noise("uncond", TEXT), cameras=cameras)
    truth = frames(golden("trajectory.after_step_24"))
    assert (made - truth).norm() / truth.norm() < 1e-5


def test_painting_over_a_part_is_as_in_comfyui(unets, adapters):
    """To make the file anew, delete it and run this test: it writes and fails."""
    scheduler = published_scheduler(**lift_golden.PAINTING)
    original, mask = lift_golden.original(), lift_golden.mask()
    made = sample(
        unets[True],
        noised(original, frames(noise("start", SIZE)), scheduler),
        scheduler,
        noise("text0", TEXT),
        noise("uncond", TEXT),
        cameras=[camera(adapters, "embedding0")],
        mask=mask,
        original=original,
    )
    if not lift_golden.PAINTED.exists():
        np.save(lift_golden.PAINTED, made.numpy())
        pytest.fail(f"wrote {lift_golden.PAINTED}")
    truth = torch.from_numpy(np.load(lift_golden.PAINTED))
    assert (made - truth).norm() / truth.norm() < 1e-5


@pytest.mark.parametrize("steps", [10, 20, 24, 25, 30, 50])
def test_the_steps_of_ddim(steps):
    """On a denoiser that is pure arithmetic, whose guidance has no effect."""

    def denoise(latents, timestep, *_):
        return latents * (0.3 + timestep / 4000)

    empty = torch.zeros(TEXT)
    start = frames(torch.from_numpy(rule_noise("ddim/start", SIZE)))
    made = sample(denoise, start, published_scheduler(steps), empty, empty)
    assert error(made, f"ddim_fake.{steps}") < 1e-5


LISTS = {
    "bokehK": [[2.44, 8.3, 10.1, 17.2, 24.0], [18.0, 14.0, 10.0, 6.0, 2.0]],
    "focal_length": [[25.1, 30.2, 33.3, 40.8, 54.0], [26.1, 35.0, 47.1, 58.1, 69.1]],
    "shutter_speed": [[0.15, 0.32, 0.53, 0.62, 0.82], [0.11, 0.22, 0.33, 0.44, 0.55]],
    "color_temperature": [[3001.3, 4000.2, 4400.34, 5488.23, 8888.82], [5455.0, 5155.0, 5555.0, 6555.0, 7555.0]],
}


@pytest.fixture(scope="module")
def text_encoder():
    config = CLIPTextConfig(
        hidden_size=768, intermediate_size=256, num_hidden_layers=2, num_attention_heads=12, vocab_size=49408
    )
    model = CLIPTextModel(config).eval()
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items() if "position_ids" not in name}
    # transformers 5 dropped the prefix under which the reference's library stored them.
    names = {name: "text_model." + name.removeprefix("text_model.") for name in shapes}
    state = {name: torch.from_numpy(rule_weight(names[name], shape, "text")) for name, shape in shapes.items()}
    model.load_state_dict(state, strict=False)
    return model


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("name", LISTS)
def test_camera_embedding(name, index, text_encoder):
    """From token ids on; tests/comfy compares the ids, and the physical channels have goldens of their own."""
    setting = setting_named({"bokehK": "bokeh"}.get(name, name))
    sweep = CameraSweep({setting.name: LISTS[name][index]})
    hidden = text_encoder(golden(f"ids.{name}.{index}").long()).last_hidden_state
    assert (hidden[:, ::7, ::29] - golden(f"hidden_grid.{name}.{index}")).abs().max() < 1e-5
    prior = Steering((setting,), "published").question(sweep).prior((256, 384))
    embedding = camera_embedding(prior[None], hidden[None])
    assert embedding.shape == (1, 6, 5, 256, 384)
    assert torch.equal(embedding[0, :3].transpose(0, 1), prior)
    assert (embedding[0, 3, :, ::13, ::11] - golden(f"ccl_grid.{name}.{index}")).abs().max() < 1e-5
