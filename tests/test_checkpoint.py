"""Model files: what is read, what is refused and with which words, and what survives a failure to write."""

import json
import os
import pickle
import re
import stat
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from genphoto import checkpoint
from genphoto.camera.settings import setting_named
from genphoto.checkpoint import CameraFile, MotionFile, Sampling, disk
from genphoto.checkpoint.flat_sizes import FlatSizes
from genphoto.checkpoint.layout import make_encoder, make_lift, make_merges
from genphoto.embedded import load_tiny_model
from genphoto.model.config import PUBLISHED
from genphoto.model.steering import Steering

SIZES = FlatSizes(channels=(32, 64), downscale=2, encoder_blocks=1)
TINY = SIZES.architecture()
BLOCK = "transformer_blocks.0.attention_blocks.0."


@cache
def drawn(make, architecture):
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in make(architecture).state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    return {key: torch.randn(shape, generator=generator) * 0.1 for key, shape in shapes.items()}


def weights_of(make, architecture=TINY):
    return dict(drawn(make, architecture))


def released_name(key, prefix=""):
    """down.0.1.REST -> FORMATS 2.2: down_blocks.0.motion_modules.1.temporal_transformer.REST."""
    direction, level, i, rest = key.split(".", 3)
    return f"{prefix}{direction}_blocks.{level}.motion_modules.{i}.temporal_transformer.{rest}"


def released_motion(architecture=TINY, prefix=""):
    return {released_name(key, prefix): value for key, value in weights_of(make_lift, architecture).items()}


def released_merges(architecture=TINY, prefix=""):
    """FORMATS 2.4: the processor of the first attention block."""
    named = {
        key.replace("qkv_merge", f"{BLOCK}processor.qkv_merge"): value
        for key, value in weights_of(make_merges, architecture).items()
    }
    return {released_name(key, prefix): value for key, value in named.items()}


def released_camera(architecture=TINY, prefix="", **others):
    encoder = weights_of(make_encoder, architecture)
    return {
        "epoch": 3,
        "global_step": 1000,
        "camera_encoder_state_dict": {f"{prefix}{key}": value for key, value in encoder.items()},
        "attention_processor_state_dict": released_merges(architecture, prefix),
        **others,
    }


def image_lora():
    """FORMATS 2.3, two of its 128 pairs."""
    at = "down_blocks.0.attentions.0.transformer_blocks.0"
    return {
        f"{at}.{attention}.processor.to_q_lora.{half}.weight": torch.full(shape, 0.5)
        for attention in ("attn1", "attn2")
        for half, shape in (("down", (16, 32)), ("up", (32, 16)))
    }


def steering(*names, variant="physical", **told):
    return Steering(tuple(map(setting_named, names)), variant, **told)


def camera_file(**changes):
    file = CameraFile(steering("bokeh"), TINY, weights_of(make_encoder), weights_of(make_merges), frames=5)
    return replace(file, **changes)


def equal(one, other):
    return one.keys() == other.keys() and all(
        torch.equal(one[key], other[key]) and one[key].dtype == other[key].dtype for key in one
    )


def on_disk(tmp_path, state, name="file.ckpt", **options):
    torch.save(state, tmp_path / name, **options)
    return checkpoint.load(tmp_path / name)


def saved_by_us(tmp_path, file, name="file.safetensors"):
    save = checkpoint.save_motion_module if isinstance(file, MotionFile) else checkpoint.save_camera_adapter
    save(tmp_path / name, file)
    return checkpoint.load(tmp_path / name)


def refused(call, *arguments):
    with pytest.raises(ValueError, match=r".") as caught:
        call(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 700
    return message


# What is read


def test_released_names_are_those_of_the_format():
    """FORMATS 2: 560 motion keys and 40 merge keys at the published size."""
    with torch.device("meta"):
        lift, merges = make_lift(PUBLISHED).state_dict(), make_merges(PUBLISHED).state_dict()
    assert (len(lift), len(merges)) == (560, 40)
    assert "down_blocks.0.motion_modules.1.temporal_transformer.proj_in.weight" in released_motion()
    assert (
        "up_blocks.1.motion_modules.2.temporal_transformer.transformer_blocks.0.attention_blocks.0.processor."
        "qkv_merge.bias"
    ) in released_merges()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda m: m,
        lambda m: {"motion_module_state_dict": m},
        lambda m: {"epoch": 1, "global_step": 2, "state_dict": m},
        lambda m: {"motion_module_state_dict": {f"module.{k}": v for k, v in m.items()}},
        lambda m: {**m, "animatediff_config": {"version": 3}},
        lambda m: {**m, "epoch": np.int64(3), "loss": np.float64(0.1), "global_step": torch.tensor(7)},
        lambda m: {"epoch": np.int64(3), "loss": np.float32(0.1), "state_dict": m},
        lambda m: {"model": m, "ema": {"decay": 0.99, "shadow_params": []}},
        lambda m: {"ema": {"module": m}},
        lambda m: {"net": m, "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}}},
        lambda m: {"module": {f"_orig_mod.{k}": v for k, v in m.items()}},
        lambda m: {f"_orig_mod.module.{k}": v for k, v in m.items()},
        lambda m: renamed(m, "temporal_transformer.", "_orig_mod.temporal_transformer._fsdp_wrapped_module."),
        lambda m: {f"motion_module_state_dict.unet.{k}": v for k, v in m.items()},
        lambda m: {"state_dict": {f"model.unet.{k}": v for k, v in m.items()}, "hyper_parameters": {"lr": 1e-4}},
        lambda m: renamed(m, "temporal_transformer.", ""),
        lambda m: {k: v.double() for k, v in m.items()},
    ],
    ids=(
        *("flat", "wrapped", "state_dict", "module.", "config", "NumPy flat", "NumPy", "model", "ema", "net"),
        *("_orig_mod.", "both", "inner", "flattened", "Lightning", "no temporal_transformer", "float64"),
    ),
)
def test_a_released_motion_module_builds_the_same_lift(tmp_path, wrap):
    state, metadata = on_disk(tmp_path, wrap(released_motion()))
    file = checkpoint.motion_module(state, metadata, "file.ckpt")
    expected = weights_of(make_lift)
    assert file.architecture == FlatSizes(channels=(32, 64)).architecture()  # the file says nothing of an encoder
    assert equal(file.weights, expected)

    built = checkpoint.build_lift(file)
    direct = make_lift(TINY)
    direct.load_state_dict(expected)
    x = torch.randn(5, 64, 4, 6, generator=torch.Generator().manual_seed(1))
    assert torch.equal(built("up.0.2", x, 5), direct("up.0.2", x, 5))


def diffusers_motion():
    """A MotionAdapter of diffusers in the sizes of TINY, and its weights."""
    from diffusers import MotionAdapter

    torch.manual_seed(0)
    adapter = MotionAdapter((32, 64), motion_layers_per_block=2, use_motion_mid_block=False)
    return adapter, adapter.state_dict()


@pytest.mark.parametrize("prefix", ["", "unet.", "module._orig_mod."])
def test_a_motion_adapter_of_diffusers_does_what_it_does_there(tmp_path, prefix):
    adapter, weights = diffusers_motion()
    safetensors.torch.save_file({f"{prefix}{k}": v for k, v in weights.items()}, tmp_path / "m.safetensors")
    file = checkpoint.motion_module(*checkpoint.load(tmp_path / "m.safetensors"), "m.safetensors")
    assert file.architecture == FlatSizes(channels=(32, 64)).architecture()
    lift = checkpoint.build_lift(file)
    still = torch.randn(64, 4, 6, generator=torch.Generator().manual_seed(1))
    # diffusers normalizes all frames together, the release each alone: the same where frames differ by a shift
    x = torch.stack([still.roll(n, dims=2) for n in range(5)])
    expected = adapter.up_blocks[0].motion_modules[2](x, num_frames=5)
    expected = getattr(expected, "sample", expected)
    assert not torch.allclose(expected, x, atol=1e-2)
    torch.testing.assert_close(lift("up.0.2", x, 5), expected)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"motion_max_seq_length": 24, "use_motion_mid_block": False}, "AnimateDiff v1 (24 positions)"),
        ({}, "AnimateDiff v2 or Lightning"),
    ],
)
def test_other_motion_adapters_of_diffusers_are_named(options, words):
    from diffusers import MotionAdapter

    weights = MotionAdapter((32, 64), motion_layers_per_block=2, **options).state_dict()
    assert words in refused(checkpoint.motion_module, weights, None, "diffusion_pytorch_model.safetensors")


def test_files_of_old_pytorch_are_read(tmp_path):
    state, _ = on_disk(tmp_path, released_motion(), _use_new_zipfile_serialization=False)
    assert equal(state, released_motion())


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("epoch", [3, torch.tensor(3)], ids=["int", "tensor"])
def test_a_released_camera_adapter_builds_the_same_encoder_and_merges(tmp_path, prefix, epoch):
    optimizer = {"state": {0: {"exp_avg": torch.ones(8)}}, "param_groups": [{"lr": 1e-4}]}
    released = released_camera(prefix=prefix, epoch=epoch, optimizer_state_dict=optimizer)
    state, metadata = on_disk(tmp_path, released)
    assert "optimizer_state_dict" not in state
    file = checkpoint.camera_adapter(state, metadata, "file.ckpt")
    assert (file.steering, file.frames) == (steering(variant="published"), None)
    assert file.architecture == TINY
    assert equal(file.encoder, weights_of(make_encoder))
    assert equal(file.merges, weights_of(make_merges))

    adapter = checkpoint.build_camera(file)
    direct = make_encoder(TINY)
    direct.load_state_dict(weights_of(make_encoder))
    embedding = torch.randn(1, 6, 5, 8, 12, generator=torch.Generator().manual_seed(1))
    for feature, expected in zip(adapter.encoder(embedding), direct(embedding), strict=True):
        assert torch.equal(feature, expected)
    assert equal(adapter.merges.state_dict(), weights_of(make_merges))


def halves(state):
    return state["camera_encoder_state_dict"], state["attention_processor_state_dict"]


@pytest.mark.parametrize(
    "respell",
    [
        lambda s: {f"{half}.{k}": v for half in s if half.endswith("dict") for k, v in s[half].items()},
        lambda s: {**halves(s)[0], **halves(s)[1]},
        lambda s: {**halves(s)[0], **halves(s)[1], "epoch": np.int64(3), "step": torch.tensor(9)},
        lambda s: {f"module.{k}": v for half in halves(s) for k, v in half.items()},
        lambda s: {
            **{f"camera_encoder._orig_mod.{k}": v for k, v in halves(s)[0].items()},
            **{f"unet.module.{k}": v for k, v in halves(s)[1].items()},
        },
        lambda s: {"camera_encoder": halves(s)[0], "attention_processor": halves(s)[1]},
        lambda s: {"model": s, "epoch": 3},
        lambda s: s | {"camera_encoder_state_dict": {f"_orig_mod.{k}": v for k, v in halves(s)[0].items()}},
        lambda s: s | {"attention_processor_state_dict": renamed(halves(s)[1], "temporal_transformer.", "")},
        lambda s: s | {half: {k: v.double() for k, v in s[half].items()} for half in s if half.endswith("dict")},
    ],
    ids=(
        *("flattened", "merged", "bookkeeping", "module.", "parts", "short names", "wrapped", "_orig_mod."),
        *("diffusers", "float64"),
    ),
)
def test_a_camera_adapter_is_read_however_it_was_saved_again(tmp_path, respell):
    state, metadata = on_disk(tmp_path, respell(released_camera()))
    file = checkpoint.camera_adapter(state, metadata, "file.ckpt")
    assert (file.steering, file.architecture) == (steering(variant="published"), TINY)
    assert equal(file.encoder, weights_of(make_encoder))
    assert equal(file.merges, weights_of(make_merges))


def test_weights_beside_a_flattened_adapter_are_not_passed_over():
    encoder, merges = halves(released_camera())
    state = encoder | merges | {"decoder.weight": torch.ones(3)}
    assert "beside a camera adapter: decoder.weight" in refused(checkpoint.camera_adapter, state, None, "c.ckpt")
    twice = {f"{prefix}.{key}": value for prefix in ("model", "ema") for key, value in released_motion().items()}
    assert "unexpected: " in refused(checkpoint.motion_module, twice, None, "m.ckpt")


def test_two_sets_of_weights_in_a_file_are_not_chosen_from():
    state = {"model": released_motion(), "ema": released_motion(), "epoch": 1}
    message = refused(checkpoint.motion_module, state, None, "m.ckpt")
    assert message.startswith("m.ckpt is several sets of weights (model, ema)")


def test_a_file_that_holds_itself_ends():
    state = {}
    state["state_dict"] = state
    assert "m.ckpt is unknown, with the keys state_dict" in refused(checkpoint.motion_module, state, None, "m.ckpt")


def test_training_state_that_a_host_has_loaded_is_ignored():
    state = released_camera(optimizer_state_dict={"state": {}}, scheduler={"last_epoch": 1})
    assert equal(checkpoint.camera_adapter(state, None, "file.ckpt").merges, weights_of(make_merges))


@pytest.mark.parametrize("wrap", [lambda w: w, lambda w: {"lora_state_dict": w}], ids=["flat", "wrapped"])
def test_an_image_lora_keeps_its_keys(tmp_path, wrap):
    state, _ = on_disk(tmp_path, wrap(image_lora()))
    assert equal(checkpoint.image_lora(state, "file.ckpt"), image_lora())


@pytest.mark.parametrize(
    "sizes",
    [
        FlatSizes(channels=(32,)),
        FlatSizes(channels=(32, 64, 96), down_sites=1, up_sites=2, positions=40),
        FlatSizes(channels=(64, 32), encoder_blocks=3, encoder_positions=20, downscale=4),
    ],
    ids=["one level", "sites and positions", "encoder"],
)
def test_released_shapes_tell_the_architecture(sizes):
    motion = checkpoint.motion_module(released_motion(sizes.architecture()), None, "m.ckpt").architecture
    camera = checkpoint.camera_adapter(released_camera(sizes.architecture()), None, "c.ckpt").architecture
    unknown = {"encoder_blocks": 2, "encoder_positions": 16, "downscale": 8}
    assert motion == replace(sizes, **unknown).architecture()
    assert camera == replace(sizes, positions=32).architecture()


def test_fewer_positions_than_the_encoder_knows_limit_the_windows():
    short = replace(SIZES, positions=8).architecture()
    lift = checkpoint.build_lift(checkpoint.motion_module(released_motion(short), None, "m.ckpt"))
    x = torch.randn(12, 32, 2, 2, generator=torch.Generator().manual_seed(1))
    assert lift("down.0.0", x, 12).shape == x.shape


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_round_trips_are_bit_equal(tmp_path, dtype):
    unusual = replace(SIZES, heads=4, image_size=(64, 96), encoder_positions=10).architecture()
    motion = MotionFile(unusual, checkpoint.cast(weights_of(make_lift, unusual), dtype))
    camera = camera_file(
        architecture=unusual,
        encoder=checkpoint.cast(weights_of(make_encoder, unusual), dtype),
        merges=checkpoint.cast(weights_of(make_merges, unusual), dtype),
    )
    again = checkpoint.motion_module(*saved_by_us(tmp_path, motion), "m.safetensors")
    assert again.architecture == unusual
    assert equal(again.weights, motion.weights)
    assert {again.weights["down.0.0.norm.weight"].dtype} == {dtype}
    assert again.weights[f"down.0.0.{BLOCK}pos_encoder.pe"].dtype == torch.float32

    again = checkpoint.camera_adapter(*saved_by_us(tmp_path, camera), "c.safetensors")
    assert (again.steering, again.frames) == (steering("bokeh"), 5)
    assert again.architecture == unusual
    assert equal(again.encoder, camera.encoder)
    assert equal(again.merges, camera.merges)


def test_what_a_camera_adapter_does_not_know_stays_unknown(tmp_path):
    file = camera_file(steering=steering(variant="published"), frames=None)
    again = checkpoint.camera_adapter(*saved_by_us(tmp_path, file), "c.safetensors")
    assert (again.steering, again.frames) == (file.steering, None)


def test_the_values_of_the_training_are_read_without_the_weights(tmp_path):
    told = steering("bokeh", ranges=((2.0, 20.0),), vocabulary="1f")
    _, metadata = saved_by_us(tmp_path, camera_file(steering=told), "told.safetensors")
    assert (metadata["values"], metadata["vocabulary"]) == ("[2.0, 20.0]", "1f")
    assert checkpoint.declared_steering(tmp_path / "told.safetensors") == told
    assert checkpoint.camera_adapter(*checkpoint.load(tmp_path / "told.safetensors"), "told").steering == told
    saved_by_us(tmp_path, camera_file())
    assert checkpoint.declared_steering(tmp_path / "file.safetensors") == steering("bokeh")
    torch.save(released_camera(), tmp_path / "released.ckpt")
    assert checkpoint.declared_steering(tmp_path / "released.ckpt") == steering(variant="published")
    whole = (tmp_path / "told.safetensors").read_bytes()
    (tmp_path / "half.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "half.safetensors is incomplete" in refused(checkpoint.declared_steering, tmp_path / "half.safetensors")


def test_metadata_say_what_the_file_is(tmp_path):
    _, metadata = saved_by_us(tmp_path, camera_file())
    architecture = json.loads(metadata.pop("architecture"))
    assert FlatSizes.from_dict(architecture) == SIZES
    assert metadata == {
        "format": "genphoto",
        "version": "1",
        "kind": "camera_adapter",
        "setting": "bokeh",
        "variant": "physical",
        "frames": "5",
    }


def test_position_codes_become_float32_and_weights_stay():
    half = {key: value.half() for key, value in released_motion().items()}
    weights = checkpoint.motion_module(half, None, "m.ckpt").weights
    dtypes = {key.endswith(".pe"): value.dtype for key, value in weights.items()}
    assert dtypes == {True: torch.float32, False: torch.float16}


# Building


def test_building_draws_no_random_numbers_and_copies_nothing():
    file = MotionFile(TINY, checkpoint.cast(weights_of(make_lift), torch.float16))
    before = torch.random.get_rng_state()
    lift = checkpoint.build_lift(file)
    assert torch.equal(torch.random.get_rng_state(), before)
    for key, value in lift.state_dict().items():
        assert value.data_ptr() == file.weights[key].data_ptr(), key
    assert not lift.training


class LazyLinear(nn.Linear):
    """A host's layer that has no weights until they are loaded, as in ComfyUI 0.33 with lazy files."""

    def __init__(self, inputs, outputs, bias=True):
        nn.Module.__init__(self)
        self.weight = self.bias = None

    def _load_from_state_dict(self, state_dict, prefix, *_):
        for key, value in state_dict.items():
            setattr(self, key.removeprefix(prefix), nn.Parameter(value))


class Host:
    Linear, Conv2d, LayerNorm, GroupNorm = LazyLinear, nn.Conv2d, nn.LayerNorm, nn.GroupNorm


def test_a_host_builds_with_its_own_layers_in_the_type_of_the_file():
    motion = MotionFile(TINY, checkpoint.cast(weights_of(make_lift), torch.bfloat16))
    lift = checkpoint.build_lift(motion, Host)
    assert isinstance(lift.at("down.0.0").proj_in, LazyLinear)
    assert equal(lift.state_dict(), motion.weights)
    adapter = checkpoint.build_camera(camera_file(), Host)
    assert isinstance(adapter.merges.at("up.0.0").qkv_merge, LazyLinear)
    assert equal(adapter.merges.state_dict(), weights_of(make_merges))
    assert equal(adapter.encoder.state_dict(), weights_of(make_encoder))


def test_building_is_strict():
    weights = weights_of(make_lift)
    del weights["down.0.0.proj_in.bias"]
    assert "missing: 1 (down.0.0.proj_in.bias)" in refused(checkpoint.build_lift, MotionFile(TINY, weights))
    merges = weights_of(make_merges) | {"down.9.9.qkv_merge.bias": torch.zeros(1)}
    assert "unexpected: 1 (down.9.9.qkv_merge.bias)" in refused(checkpoint.build_camera, camera_file(merges=merges))


# What is something else


def renamed(weights, old, new):
    return {key.replace(old, new): value for key, value in weights.items()}


SITE = "down_blocks.0.motion_modules.0.temporal_transformer"
OTHERS = {
    "SDXL": ({SITE.replace("0.m", f"{n}.m") + ".norm.bias": torch.ones(320 << n) for n in range(3)}, "for SDXL"),
    "HotShot-XL": (renamed(released_motion(), "motion_modules", "temporal_attentions"), "HotShot-XL, for SDXL"),
    "v1": (released_motion(replace(SIZES, positions=24).architecture()), "AnimateDiff v1 (24 positions)"),
    "v2": (
        released_motion() | {SITE.replace("down_blocks.0", "mid_block") + ".norm.bias": torch.ones(64)},
        "AnimateDiff v2",
    ),
    "motion LoRA": ({f"{SITE}.{BLOCK}processor.to_q_lora.down.weight": torch.ones(4, 32)}, "a motion LoRA"),
    "kohya motion LoRA": (
        {"lora_unet_up_blocks_0_motion_modules_0.lora_up.weight": torch.ones(4, 32)},
        "a motion LoRA",
    ),
    "PEFT motion LoRA": ({"unet.down_blocks.0.motion_modules.0.attn1.to_q.lora_A.weight": torch.ones(1)}, "a motion L"),
    "underscores": ({SITE.replace(".", "_") + "_norm_bias": torch.ones(64)}, "written with _ in place of ."),
    "UNet, prefixed": (
        {"model.unet.down_blocks.0.resnets.0.conv1.weight": torch.ones(1), **released_motion()},
        "a UNet",
    ),
    "CameraCtrl, flat": ({"pose_encoder.module.encoder_conv_in.weight": torch.ones(1)}, "adapter of CameraCtrl"),
    "IP-Adapter": ({"image_proj": {"proj.weight": torch.ones(1)}, "ip_adapter": {}}, "an IP-Adapter"),
    "embedding": ({"string_to_param": {"*": torch.ones(1, 768)}}, "a textual inversion embedding"),
    "image LoRA": (image_lora(), "an image LoRA"),
    "kohya LoRA": ({"lora_unet_down_blocks_0_attentions_0.lora_down.weight": torch.ones(4, 32)}, "an image LoRA"),
    "checkpoint": ({"model.diffusion_model.input_blocks.0.0.weight": torch.ones(1)}, "a whole Stable Diffusion"),
    "UNet": ({"down_blocks.0.resnets.0.conv1.weight": torch.ones(1), **released_motion()}, "a UNet"),
    "SparseCtrl": ({"controlnet": {"controlnet_cond_embedding.weight": torch.ones(1)}}, "a SparseCtrl"),
    "CameraCtrl": (renamed(released_camera(), "camera_encoder_state", "pose_encoder_state"), "adapter of CameraCtrl"),
    "encoder": (released_camera()["camera_encoder_state_dict"], "half a camera adapter (the encoder without"),
    "merges": (released_merges(), "half a camera adapter (the merges without"),
    "VAE": ({"encoder.conv_in.weight": torch.ones(1)}, "a VAE"),
    "text encoder": ({"text_model.final_layer_norm.bias": torch.ones(1)}, "a text encoder"),
    "foreign": ({"layer.weight": torch.ones(1), 7: torch.ones(1)}, "unknown, with the keys layer.weight, 7"),
    "empty": ({}, "a dictionary without weights"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_something_else_is_named_and_the_right_file_too(tmp_path, kind):
    state, words = OTHERS[kind]
    state, metadata = on_disk(tmp_path, state)
    message = refused(checkpoint.motion_module, state, metadata, "chosen.ckpt")
    assert message.startswith("chosen.ckpt is ")
    assert words in message
    assert message.endswith(
        "Use v3_sd15_mm.ckpt from the AnimateDiff v3 release, https://huggingface.co/guoyww/animatediff."
    )
    message = refused(checkpoint.camera_adapter, state, metadata, "chosen.ckpt")
    assert message.startswith("chosen.ckpt is ")
    assert "checkpoint-bokehK.ckpt" in message
    if kind not in ("SDXL", "v1", "v2"):  # for a camera these are motion modules like any other
        assert words in message


def test_motion_modules_cameras_and_loras_are_not_taken_for_each_other(tmp_path):
    files = {
        "a motion module": [released_motion(), saved_by_us(tmp_path, MotionFile(TINY, weights_of(make_lift)))[0]],
        "a camera adapter": [released_camera(), saved_by_us(tmp_path, camera_file())[0]],
        "an image LoRA": [image_lora()],
    }
    readers = {
        "a motion module": lambda state: checkpoint.motion_module(state, None, "x.ckpt"),
        "a camera adapter": lambda state: checkpoint.camera_adapter(state, None, "x.ckpt"),
        "an image LoRA": lambda state: checkpoint.image_lora(state, "x.ckpt"),
    }
    for wanted, read in readers.items():
        for kind in files.keys() - {wanted}:
            for state in files[kind]:
                assert refused(read, state).startswith(f"x.ckpt is {kind}; {wanted} was expected here. Use ")


def test_a_camera_adapter_without_its_merges_is_half_of_one():
    state = released_camera()
    del state["attention_processor_state_dict"]
    assert "half a camera adapter (the encoder without the merges)" in refused(
        checkpoint.camera_adapter, state, None, "x.ckpt"
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w.popitem(), "incomplete"),
        (lambda w: w.update({k: torch.ones(32, 15) for k in w if "up" in k}), "rank 16 in down.weight and 15"),
        (
            lambda w: w.update({"lora_te_text_model.alpha": torch.tensor(1.0)}),
            "of another key style (kohya's: lora_te_",
        ),
    ],
)
def test_an_image_lora_needs_whole_pairs(change, words):
    weights = image_lora()
    change(weights)
    message = refused(checkpoint.image_lora, weights, "lora.ckpt")
    assert message.startswith("lora.ckpt")
    assert words in message


# What is damaged

KEY = f"{SITE}.proj_in.weight"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({KEY: None}, ["missing: 1 (down.0.0.proj_in.weight)"]),
        ({f"{SITE}.extra": torch.ones(1)}, ["unexpected: 1 (down.0.0.extra)"]),
        ({KEY: torch.ones(32, 31)}, ["wrong shapes: 1 (down.0.0.proj_in.weight (32, 31) in place of (32, 32))"]),
        ({KEY: torch.ones(32, 32, dtype=torch.int64)}, ["wrong types: 1 (down.0.0.proj_in.weight torch.int64)"]),
        ({KEY: torch.ones(32, 32, device="meta")}, ["no tensors: 1 (down.0.0.proj_in.weight)"]),
        ({KEY: "text"}, ["no tensors: 1 (down.0.0.proj_in.weight)"]),
        ({KEY: torch.full((32, 32), torch.nan)}, ["NaN", "down.0.0.proj_in.weight"]),
        ({KEY: torch.full((32, 32), torch.inf, dtype=torch.float16)}, ["infinite", "down.0.0.proj_in.weight"]),
        ({KEY: None, f"{SITE}.extra": torch.ones(1)}, ["missing: 1 (", "unexpected: 1 ("]),
    ],
    ids=["missing", "unexpected", "shape", "integers", "meta", "no tensor", "NaN", "infinite", "both"],
)
def test_damaged_weights_are_named(change, words):
    weights = released_motion() | change
    weights = {key: value for key, value in weights.items() if value is not None}
    message = refused(checkpoint.motion_module, weights, None, "damaged.ckpt")
    assert message.startswith("damaged.ckpt is damaged")
    assert all(word in message for word in words), message


def test_damage_in_a_camera_adapter_says_in_which_half():
    state = released_camera()
    del state["camera_encoder_state_dict"]["encoder_conv_in.bias"]
    message = refused(checkpoint.camera_adapter, state, None, "c.ckpt")
    assert message.startswith("c.ckpt (camera encoder) is damaged")
    assert "missing: 1 (encoder_conv_in.bias)" in message
    state = released_camera()
    state["attention_processor_state_dict"].popitem()
    message = refused(checkpoint.camera_adapter, state, None, "c.ckpt")
    assert message.startswith("c.ckpt (camera merges) is damaged")


@pytest.mark.parametrize("half", ["camera_encoder_state_dict", "attention_processor_state_dict"])
def test_numbers_that_are_none_in_either_half_of_an_adapter_are_refused(half):
    state = released_camera()
    key = next(key for key in state[half] if key.endswith("bias"))
    state[half][key] = torch.full_like(state[half][key], torch.nan)
    assert "c.ckpt is damaged: numbers that are infinite or none (NaN)" in refused(
        checkpoint.camera_adapter, state, None, "c.ckpt"
    )


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.int8, torch.uint8], ids=str)
def test_weights_of_8_bits_are_named_and_not_called_damaged(dtype):
    small = {key: value.to(dtype) for key, value in released_motion().items()}
    scales = {f"{SITE}.proj_in.scale_weight": torch.ones(1)}
    camera = released_camera(
        camera_encoder_state_dict={key: value.to(dtype) for key, value in weights_of(make_encoder).items()}
    )
    for message in (
        refused(checkpoint.motion_module, small | scales, None, "x.ckpt"),
        refused(checkpoint.camera_adapter, camera, None, "x.ckpt"),
    ):
        assert message.startswith("x.ckpt")
        assert f"is stored in {str(dtype).removeprefix('torch.')}: " in message
        assert message.endswith("Use the original file, in float32, float16 or bfloat16.")


@pytest.mark.parametrize(
    ("change", "words"),
    [(lambda w: w * torch.nan, "infinite or none"), (lambda w: w.to(torch.float8_e5m2), "stored in float8_e5m2")],
)
def test_an_image_lora_that_would_spoil_the_unet_is_refused(change, words):
    weights = {key: change(value) for key, value in image_lora().items()}
    assert words in refused(checkpoint.image_lora, weights, "lora.ckpt")


@pytest.mark.parametrize("prefix", ["unet.", "module.", "_orig_mod.unet."])
def test_an_image_lora_is_read_under_prefixes(prefix):
    weights = {f"{prefix}{key}": value for key, value in image_lora().items()}
    assert equal(checkpoint.image_lora(weights, "lora.ckpt"), image_lora())


def test_numbers_too_large_for_float32_are_refused():
    weights = released_motion() | {KEY: torch.full((32, 32), 1e300, dtype=torch.float64)}
    assert "infinite" in refused(checkpoint.motion_module, weights, None, "m.ckpt")


def test_long_lists_of_keys_are_cut():
    weights = {key: value for key, value in released_motion().items() if ".norms." not in key}
    message = refused(checkpoint.motion_module, weights, None, "m.ckpt")
    assert re.search(r"missing: 40 \((\S+, ){3}\S+ and 36 more\)", message)


def test_weights_so_large_that_their_sum_overflows_are_finite():
    weights = released_motion() | {KEY: torch.full((32, 32), torch.finfo(torch.float32).max)}
    assert checkpoint.motion_module(weights, None, "m.ckpt").weights["down.0.0.proj_in.weight"][0, 0] > 3e38


def test_widths_that_no_layer_takes_are_refused():
    message = refused(checkpoint.motion_module, released_wide(), None, "m.ckpt")
    assert "widths [36] that are not multiples of 32 and of 8 heads" in message


def released_wide():
    """Width 36 in the one key that tells it."""
    return {f"{SITE}.norm.bias": torch.ones(36)}


# Our own format


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": "2"}, "format version '2', newer than 1: update GenPhoto"),
        ({"version": "one"}, "format version 'one'"),
        ({"kind": "motion_module"}, "says that it is 'motion_module', but holds a camera adapter"),
        ({"format": "pt"}, "its metadata are lost"),
        ({"setting": "zoom"}, "Unknown camera setting 'zoom'. Settings: focal_length"),
        ({"setting": "aperture", "variant": "published"}, "No adapter was published for aperture"),
        ({"variant": "other"}, "Unknown variant 'other'. Variants: physical, published"),
        ({"frames": "many"}, "frames = 'many'"),
        ({"frames": "0"}, "frames = '0'"),
        ({"values": "1"}, "values = '1', which is not"),
        ({"values": "[30, 1]"}, "which is not [lowest, highest]"),
        ({"values": "[1, NaN]"}, "which is not [lowest, highest]"),
        ({"values": "{"}, "which is not [lowest, highest]"),
        ({"values": "[" * 100_000}, "which is not [lowest, highest]"),
        ({"architecture": "[" * 100_000}, "its architecture cannot be read"),
        ({"architecture": "{"}, "its architecture cannot be read"),
        ({"architecture": "[1]"}, "its architecture cannot be read (no dictionary)"),
        ({"architecture": json.dumps(SIZES.to_dict() | {"text_width": 0})}, "its architecture says text_width = 0"),
        ({"architecture": json.dumps(SIZES.to_dict() | {"heads": 2.5})}, "its architecture says heads = 2.5"),
        ({"architecture": json.dumps(SIZES.to_dict() | {"positions": -1})}, "its architecture says positions = -1"),
        ({"architecture": json.dumps(SIZES.to_dict() | {"depth": 3})}, "['depth']: this file needs a newer GenPhoto"),
        (
            {"architecture": json.dumps(SIZES.to_dict() | {"channels": (32, 96)})},
            "say channels = (32, 96), its weights",
        ),
        ({"architecture": json.dumps(SIZES.to_dict() | {"heads": 5})}, "not multiples of 32 and of 5 heads"),
    ],
)
def test_metadata_that_do_not_fit_are_refused(tmp_path, change, words):
    state, metadata = saved_by_us(tmp_path, camera_file())
    safetensors.torch.save_file(state, tmp_path / "changed.safetensors", metadata | change)
    message = refused(checkpoint.camera_adapter, *checkpoint.load(tmp_path / "changed.safetensors"), "changed.st")
    assert message.startswith("changed.st")
    assert words in message


def test_a_motion_module_of_ours_that_lost_its_metadata_is_refused(tmp_path):
    state, _ = saved_by_us(tmp_path, MotionFile(TINY, weights_of(make_lift)))
    assert "its metadata are lost" in refused(checkpoint.motion_module, state, {}, "m.safetensors")


def test_more_than_an_adapter_in_our_format_is_refused(tmp_path):
    state, metadata = saved_by_us(tmp_path, camera_file())
    message = refused(checkpoint.camera_adapter, state | {"decoder.bias": torch.ones(1)}, metadata, "c.safetensors")
    assert "unexpected keys beside a camera adapter: decoder.bias" in message


def test_what_several_settings_are_steered_by_is_told_as_lists(tmp_path):
    both = steering("focal_length", "bokeh", ranges=((24.0, 70.0), (1.0, 30.0)))
    encoder = weights_of(partial(make_encoder, priors=2))
    assert encoder["encoder_conv_in.weight"].shape[1] == 9 * 2**2
    state, metadata = saved_by_us(tmp_path, camera_file(steering=both, encoder=encoder))
    assert metadata["setting"] == '["focal_length", "bokeh"]'
    assert metadata["values"] == "[[24.0, 70.0], [1.0, 30.0]]"
    assert checkpoint.camera_adapter(state, metadata, "both").steering == both
    for change, words in (
        ({"setting": "[]"}, "setting = '[]', which is no list of settings"),
        ({"setting": '["focal_length", 3]'}, "which is no list of settings"),
        ({"setting": '["focal_length", "zoom"]'}, "Unknown camera setting 'zoom'"),
        ({"setting": '["bokeh", "bokeh"]'}, "The adapter steers bokeh twice"),
        ({"values": "[24, 70]"}, "which is not [lowest, highest] of every setting"),
        ({"values": "[[24, 70]]"}, "trained ranges of 1 settings, and steers 2"),
        ({"setting": "bokeh", "values": "[1, 30]"}, "(32, 36, 3, 3) in place of (32, 24, 3, 3)"),
    ):
        message = refused(checkpoint.camera_adapter, state, metadata | change, "both.st")
        assert message.startswith("both.st")
        assert words in message
    assert "(32, 36, 3, 3) in place of (32, 24, 3, 3)" in refused(checkpoint.build_camera, camera_file(encoder=encoder))


# Files


def damaged(content):
    return lambda path: path.write_bytes(content)


def pickled(state, keep=1.0, **options):
    def write(path):
        torch.save(state, path, **options)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * keep)])

    return write


def torchscript(path):
    torch.jit.script(nn.Linear(2, 2)).save(path)


def truncated_safetensors(path):
    safetensors.torch.save_file({"a": torch.ones(1000)}, path)
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (damaged(b""), "x.ckpt is empty (0 bytes)"),
        (damaged(b"my notes\n" * 100), "x.ckpt is a text file"),
        (damaged(b"version https://git-lfs.github.com/spec/v1\noid sha256:00"), "x.ckpt is a Git LFS pointer"),
        (damaged(b"<!DOCTYPE html><html>Sign in</html>"), "x.ckpt is a web page"),
        (damaged(b'{"a":   {"weight_map": {}}}'), "x.ckpt is a text file"),
        (damaged(b"GGUF\x03\x00\x00\x00{" + bytes(100)), "x.ckpt is a GGUF file"),
        (torchscript, "x.ckpt is a TorchScript program"),
        (pickled({"a": np.ones(3)}), "holds Python objects beside weights (numpy."),
        (damaged(b"\x89PNG\r\n\x1a\n" + bytes(100)), "x.ckpt is of an unknown format"),
        (damaged(pickle.dumps({"a": 1})), "bytes is incomplete, or not written by torch.save"),
        (pickled({"a": torch.ones(1000)}, keep=0.7), "bytes. Download it again"),
        (pickled({"a": torch.ones(1000)}, keep=0.7, _use_new_zipfile_serialization=False), "incomplete"),
        (truncated_safetensors, "is incomplete or damaged"),
        (pickled([torch.ones(1)]), "x.ckpt holds a list, not a dictionary of weights"),
        (pickled({"config": PUBLISHED}), "holds Python objects beside weights (genphoto.model.config.Archi"),
        (lambda path: path.mkdir(), "x.ckpt cannot be read: Is a directory"),
        (lambda path: None, "x.ckpt cannot be read: No such file"),
    ],
    ids=(
        *("empty", "text", "lfs", "html", "json", "gguf", "torchscript", "NumPy", "png", "pickle", "zip", "legacy"),
        *("safetensors", "list", "objects", "folder", "missing"),
    ),
)
@pytest.mark.filterwarnings("ignore:Detected pickle protocol", "ignore:.*TorchScript", "ignore:.*torch.jit")
def test_files_that_are_no_weights_are_refused(tmp_path, write, words):
    write(tmp_path / "x.ckpt")
    assert words in refused(checkpoint.load, tmp_path / "x.ckpt")


def test_the_index_of_a_model_in_parts_is_named(tmp_path):
    path = tmp_path / "diffusion_pytorch_model.safetensors.index.json"
    path.write_text('{"a":   {"weight_map": {}}}')
    message = refused(checkpoint.load, path)
    assert message.startswith(f"{path.name} lists the parts of a model in several files and holds no weights itself.")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("host", [[], [np.dtype, np.dtypes.Float64DType]], ids=["alone", "in ComfyUI"])
def test_numbers_of_numpy_are_read_past(tmp_path, zipped, host):
    state = {"epoch": np.int64(3), "losses": [np.float64(0.1), np.float32(2)], "last": np.bool_(True)}
    torch.save(state | {"a.weight": torch.ones(3)}, tmp_path / "x.ckpt", _use_new_zipfile_serialization=zipped)
    torch.save({"a": np.array([{}])[0:1]}, tmp_path / "objects.ckpt", _use_new_zipfile_serialization=zipped)
    with torch.serialization.safe_globals(host):
        before = set(torch.serialization.get_safe_globals())
        read = checkpoint.load(tmp_path / "x.ckpt")[0]
        assert "holds Python objects" in refused(checkpoint.load, tmp_path / "objects.ckpt")
        assert set(torch.serialization.get_safe_globals()) == before  # a host goes on with its own
    assert torch.equal(read["a.weight"], torch.ones(3))
    assert read["epoch"] is None


def test_numbers_of_numpy_1_are_read_past(tmp_path):
    """There the module has another name."""
    path = tmp_path / "x.ckpt"
    torch.save({"epoch": np.int64(3), "a.weight": torch.ones(3)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))
    assert b"cnumpy.core.multiarray" in path.read_bytes()
    assert torch.equal(checkpoint.load(path)[0]["a.weight"], torch.ones(3))


class Program:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_cannot_run_a_program(tmp_path, zipped):
    state = {"weights": Program(tmp_path / "it-ran")}
    torch.save(state, tmp_path / "bad.ckpt", _use_new_zipfile_serialization=zipped)
    message = refused(checkpoint.load, tmp_path / "bad.ckpt")
    assert "holds Python objects beside weights (posix.mkdir)" in message or os.name != "posix"
    assert "weights_only" not in message  # PyTorch's advice is to switch the protection off
    assert not (tmp_path / "it-ran").exists()
    torch.load(tmp_path / "bad.ckpt", weights_only=False)
    assert (tmp_path / "it-ran").exists()  # the file does what this test fears


def test_the_content_tells_the_format_and_not_the_name(tmp_path):
    safetensors.torch.save_file({"a": torch.ones(3)}, tmp_path / "x.ckpt", {"said": "so"})
    state, metadata = checkpoint.load(tmp_path / "x.ckpt")
    assert torch.equal(state["a"], torch.ones(3))
    assert metadata == {"said": "so"}


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file.safetensors"
    saved_by_us(tmp_path, camera_file())
    before = path.read_bytes()

    def half_a_file(weights, target, metadata):
        target.write_bytes(b"half")
        raise safetensors.SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(disk, "save_file", half_a_file)
    message = refused(checkpoint.save_camera_adapter, path, camera_file(frames=7))
    assert "No space left on device (os error 28). Nothing was changed." in message
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_stopped_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file.safetensors"
    saved_by_us(tmp_path, camera_file())
    before = path.read_bytes()

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(disk.os, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save_camera_adapter(path, camera_file(frames=7))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="permission bits")
def test_a_written_file_has_the_permissions_of_any_new_file(tmp_path):
    saved_by_us(tmp_path, camera_file())
    (tmp_path / "other").touch()
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("file.safetensors", "other")}
    assert len(modes) == 1


def test_a_folder_that_is_missing_is_named(tmp_path):
    message = refused(checkpoint.save_camera_adapter, tmp_path / "none" / "c.safetensors", camera_file())
    assert "c.safetensors cannot be written: No such file or directory" in message


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_only_finite_weights_are_written(tmp_path, bad):
    weights = weights_of(make_lift) | {"down.0.0.proj_in.weight": torch.full((32, 32), bad)}
    message = refused(checkpoint.save_motion_module, tmp_path / "m.safetensors", MotionFile(TINY, weights))
    assert "down.0.0.proj_in.weight" in message
    assert list(tmp_path.iterdir()) == []


def test_a_tiny_model_tells_how_it_wants_to_be_sampled(tmp_path):
    file = load_tiny_model()
    assert file.sampling == Sampling(192, 128, 2.5, "simple")
    told = replace(file, sampling=Sampling(96, 64, 3.0, "normal"))
    checkpoint.save_tiny_model(tmp_path / "told.safetensors", told)
    assert load_tiny_model(tmp_path / "told.safetensors").sampling == told.sampling
    state, metadata = checkpoint.load(tmp_path / "told.safetensors")
    for sampling in ('{"steps": 3}', "[" * 100_000):
        message = refused(checkpoint.tiny_model, state, metadata | {"sampling": sampling}, "told.safetensors")
        assert "its metadata are damaged or lost" in message
