"""Generation from files to files, with a tiny image model of the layout of SD 1.5 in a temporary folder."""

import copy
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image
from safetensors.torch import save_file
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from genphoto import checkpoint
from genphoto.camera.settings import settings_named
from genphoto.camera.sweep import CameraSweep
from genphoto.checkpoint.flat_sizes import FlatSizes
from genphoto.checkpoint.layout import make_lift
from genphoto.cli import main
from genphoto.generate import SweepGenerator
from genphoto.image_model import load_image_model
from genphoto.model.camera_adapter import CameraAdapter
from genphoto.model.diffusers_host import LiftedUNet
from genphoto.model.steering import Steering

from .files.test_sweeps import assert_says, exif_of
from .random_weights import random_

TINY = FlatSizes((32, 64), heads=4, encoder_blocks=1, image_size=(64, 96), text_width=32).architecture()
SWEEP = CameraSweep({"focal_length": [24, 35, 50]})
SCENE = "a cat on a red chair"


def write_base(folder):
    torch.manual_seed(0)
    UNet2DConditionModel(
        block_out_channels=(32, 64),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=4,
    ).save_pretrained(folder / "unet")
    AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=[8] * 4,
        layers_per_block=1,
        norm_num_groups=4,
    ).save_pretrained(folder / "vae")
    letters = sorted(ByteLevel.alphabet())
    pieces = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "tokenizer").mkdir()
    vocabulary, merges = folder / "tokenizer" / "vocab.json", folder / "tokenizer" / "merges.txt"
    vocabulary.write_text(json.dumps({piece: i for i, piece in enumerate(pieces)}))
    merges.write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(vocabulary), str(merges), model_max_length=8192)
    tokenizer.save_pretrained(folder / "tokenizer")
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(pieces),
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    text_encoder.save_pretrained(folder / "text_encoder")


def camera_file(setting="focal_length", architecture=TINY):
    steering = Steering(settings_named(setting) if setting else (), "published")
    adapter = CameraAdapter.untrained(steering, architecture.backbone, architecture.encoder)
    encoder, merges = random_(adapter.encoder), random_(adapter.merges, 1)
    return checkpoint.CameraFile(steering, architecture, encoder.state_dict(), merges.state_dict(), 5)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    write_base(folder / "base")
    lift = checkpoint.MotionFile(TINY, random_(make_lift(TINY)).state_dict())
    checkpoint.save_motion_module(folder / "motion.safetensors", lift)
    checkpoint.save_camera_adapter(folder / "camera.safetensors", camera_file())
    checkpoint.save_camera_adapter(folder / "unnamed.safetensors", camera_file(None))
    checkpoint.save_camera_adapter(folder / "both.safetensors", camera_file("focal_length+shutter_speed"))
    key = "up_blocks.1.attentions.2.transformer_blocks.0.attn1.processor.to_out_lora"
    torch.save(
        {"lora_state_dict": {f"{key}.down.weight": torch.ones(2, 32), f"{key}.up.weight": torch.ones(32, 2)}},
        folder / "lora.ckpt",
    )
    return folder


@pytest.fixture(scope="module")
def generator(weights):
    image_model = load_image_model(weights / "base")
    motion = checkpoint.motion_module(*checkpoint.load(weights / "motion.safetensors"), "motion")
    return SweepGenerator(
        LiftedUNet(image_model.unet, checkpoint.build_lift(motion)),
        image_model,
        checkpoint.build_camera(camera_file()),
    )


def test_frames_are_pictures_of_the_asked_size(generator):
    frames = generator.generate(SCENE, SWEEP, steps=2)
    assert frames.shape == (3, 3, 64, 96)
    assert frames.dtype == torch.float32
    assert 0 <= frames.min() < frames.max() <= 1
    assert generator.generate(SCENE, SWEEP, steps=1, size=(72, 40)).shape == (3, 3, 72, 40)


def test_a_seed_is_a_picture(generator):
    one = generator.generate(SCENE, SWEEP, steps=2, seed=1)
    torch.rand(3)
    assert torch.equal(one, generator.generate(SCENE, SWEEP, steps=2, seed=1))
    assert not torch.equal(one, generator.generate(SCENE, SWEEP, steps=2, seed=2))


@pytest.mark.parametrize(
    "change",
    [{"scene": "a dog"}, {"negative": "fog"}, {"guidance_scale": 2.0}, {"strength": 0.5}, {"sweep": [24, 30, 50]}],
)
def test_everything_asked_for_reaches_the_picture(generator, change):
    def generate(scene=SCENE, sweep=(24, 35, 50), **options):
        return generator.generate(scene, CameraSweep({"focal_length": list(sweep)}), steps=2, **options)

    assert (generate(**change) - generate()).abs().max() > 1e-3


def test_strength_zero_is_the_lift_without_a_camera(generator):
    off = generator.generate(SCENE, SWEEP, steps=2, strength=0)
    other_sweep = generator.generate(SCENE, CameraSweep({"focal_length": [70, 60, 24]}), steps=2, strength=0)
    assert torch.equal(off, other_sweep)


def test_unet_and_lift_in_half_precision_stay_close(generator):
    adapter = copy.deepcopy(generator.adapter)
    adapter.merges.to(torch.float16)
    half = replace(
        generator,
        model=LiftedUNet(
            copy.deepcopy(generator.model.unet).to(torch.float16), copy.deepcopy(generator.model.lift).to(torch.float16)
        ),
        adapter=adapter,
    )
    exact = generator.generate(SCENE, SWEEP, steps=2)
    assert 0 < (half.generate(SCENE, SWEEP, steps=2) - exact).abs().mean() < 0.01


def test_texts_are_encoded_to_77_tokens_whatever_the_tokenizer_says(generator):
    assert generator.image_model.tokenize.args[0].model_max_length == 8192
    states = generator.encode_text(["", "long " * 60])
    assert states.shape == (2, 77, 32)
    assert torch.allclose(states[0], generator.encode_text([""])[0], atol=1e-6)


def test_frames_are_decoded_one_by_one_with_the_scale_of_the_vae(generator):
    latents = torch.randn(2, 4, 8, 12, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = [generator.image_model.autoencoder.decode(x[None] / 0.18215).sample[0] / 2 + 0.5 for x in latents]
    assert torch.allclose(generator.image_model.to_pictures(latents), torch.stack(expected).clamp(0, 1), atol=1e-6)


def test_generating_can_be_stopped(generator):
    def stop(step, steps):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        generator.generate(SCENE, SWEEP, steps=2, on_step=stop)
    assert not any(module._forward_hooks for module in generator.model.unet.modules())


def test_a_sweep_of_another_setting_is_refused(generator):
    with pytest.raises(ValueError, match="steers focal_length, but the sweep varies shutter_speed"):
        generator.generate(SCENE, CameraSweep({"shutter_speed": [0.1, 0.5]}))


@pytest.mark.parametrize("size", [(60, 96), (64, 100), (0, 64)])
def test_a_size_between_latents_is_refused(generator, size):
    with pytest.raises(ValueError, match=r"multiples of 8, best of 64\. The trained size is 96 x 64"):
        generator.generate(SCENE, SWEEP, size=size)


def test_camera_and_motion_of_different_sizes_are_refused(generator):
    other = FlatSizes((32, 32), heads=4, image_size=(64, 96), text_width=32).architecture()
    adapter = checkpoint.build_camera(camera_file(architecture=other))
    with pytest.raises(ValueError, match=r"made for levels of width \(32, 32\).*motion module has \(32, 64\)"):
        replace(generator, adapter=adapter)


@pytest.fixture
def run(weights, tmp_path, capsys):
    def run(*options, out="out", **changes):
        files = {"base": "base", "motion": "motion.safetensors", "camera": "camera.safetensors"} | changes
        given = [w for name, file in files.items() if file for w in (f"--{name}", str(weights / file))]
        sweep = (
            []
            if "--setting" in options or "--sweep" in options
            else ["--setting", "focal_length", "--values", "24", "35", "50"]
        )
        argv = ["generate", "--scene", SCENE, *given, *sweep, "--steps", "2", "--device", "cpu", *options]
        status = main([*argv, "--out", str(tmp_path / out)])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


FILES = ["01_24mm.png", "02_35mm.png", "03_50mm.png", "contact_sheet.png", "sweep.json"]


def test_the_command_writes_the_frames_of_the_library(run, generator, tmp_path):
    status, printed, errors = run("--seed", "3", "--cfg", "5")
    assert (status, errors) == (0, "")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == FILES
    assert all(name in printed for name in FILES)
    frames = generator.generate(SCENE, SWEEP, steps=2, seed=3, guidance_scale=5.0)
    for number, (name, frame) in enumerate(zip(FILES, frames, strict=False), 1):
        assert_says(tmp_path / "out" / name, SWEEP.cameras[number - 1], SWEEP, number)
        written = np.asarray(Image.open(tmp_path / "out" / name)).astype(int)
        assert np.abs(written - (frame.permute(1, 2, 0).numpy() * 255).round()).max() <= 1
    assert CameraSweep.from_json((tmp_path / "out" / "sweep.json").read_text()) == SWEEP


def test_the_command_merges_an_image_lora_and_takes_another_unet(run, weights, tmp_path):
    def pictures(out):
        return np.stack([np.asarray(Image.open(tmp_path / out / name)) for name in FILES[:3]])

    assert run(out="plain")[0] == run(out="lora", lora="lora.ckpt")[0] == 0
    assert run(out="unet", unet="base/unet")[0] == 0
    assert (pictures("plain") != pictures("lora")).any()
    assert (pictures("plain") == pictures("unet")).all()


def test_the_merged_unet_of_a_base_comes_first_and_is_named(run, weights):
    merged = weights / "base" / "unet_merged"
    merged.symlink_to("unet", target_is_directory=True)
    try:
        assert f"UNet: {merged}" in run()[1]
    finally:
        merged.unlink()


def test_an_adapter_that_does_not_say_its_setting_takes_the_one_of_the_sweep(run):
    status, printed, _ = run(camera="unnamed.safetensors")
    assert status == 0
    assert "unnamed.safetensors does not say which setting it steers: taken as focal_length" in printed


def test_the_command_takes_an_adapter_of_two_settings(run, tmp_path, caplog):
    both = ["--setting", "focal_length", "--values", "24", "50", "--setting", "shutter_speed", "--values", "0.5", "0.1"]
    assert run(*both, camera="both.safetensors")[0] == 0
    assert caplog.messages == []
    written = CameraSweep.from_json((tmp_path / "out" / "sweep.json").read_text())
    assert written.captions == ("24 mm, 0.5 s", "50 mm, 1/10 s")


def test_what_the_adapter_does_not_reach_is_told_everywhere(run, tmp_path, caplog):
    zoom = ["--setting", "focal_length", "--values", "50", "200"]
    assert run(*zoom, "--setting", "shutter_speed", "--values", "0.5", "0.1")[0] == 0
    zoomed, unsteered = caplog.messages
    assert "trained on 24 mm to 70 mm; frame 2 (asked: 200 mm) will look about like 70 mm" in zoomed
    assert "Shutter speed: no camera adapter steers it; frame 2 (asked: 1/10 s)" in unsteered
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names[:2] == ["01_50mm_0.5s.png", "02_200mm_1-10s.png"]
    written = CameraSweep.from_json((tmp_path / "out" / "sweep.json").read_text())
    assert written.captions == ("50 mm, 0.5 s", "200 mm, 1/10 s (asked; adapter reaches 70 mm, 0.5 s)")
    for name, caption in zip(names, written.captions, strict=False):
        tags, comment = exif_of(tmp_path / "out" / name)
        assert caption in tags["ImageDescription"]
        assert ("not_reached" in comment) == ("asked" in caption)
    assert comment["not_reached"] == {
        "focal_length": {"asked": 200.0, "reached": 70.0},
        "shutter_speed": {"asked": 0.1, "reached": 0.5},
    }
    assert tags["FocalLength"] == 200


def test_the_embedded_model_tells_what_it_was_not_trained_on(tmp_path, caplog):
    argv = ["generate", "--scene", "a red ball", "--setting", "bokeh", "--values", "1", "40", "--steps", "1"]
    assert main([*argv, "--device", "cpu", "--cfg", "8", "--size", "64x64", "--out", str(tmp_path / "out")]) == 0
    size, blur = caplog.messages
    assert size.endswith("beyond its training: size 64 x 64 (use 192 x 128); cfg 8 (use 2.5).")
    assert "trained on K 1 to K 30; frame 2 (asked: K 40)" in blur


def test_the_range_of_an_adapter_that_tells_it_counts(generator, caplog):
    sweep = CameraSweep({"focal_length": [24, 60]})
    adapter = copy.copy(generator.adapter)
    adapter.steering = replace(adapter.steering, ranges=((24.0, 50.0),))
    assert replace(generator, adapter=adapter).with_reach(sweep).reach == {"focal_length": (24.0, 50.0)}
    assert generator.with_reach(sweep) == sweep
    assert generator.concerns(sweep) == []


SHUTTER = ["--setting", "shutter_speed", "--values", "0.1", "0.5"]


@pytest.mark.parametrize(
    ("options", "changes", "message"),
    [
        (
            [],
            {"base": None, "motion": None},
            r"not given\. --base: SD 1\.5 .* from https.*; --motion: .* v3_sd15_mm\.ckpt",
        ),
        (
            [],
            {"motion": "v3.ckpt"},
            r"--motion: there is no v3\.ckpt in .*weights.*It should be the motion module .* from",
        ),
        (
            [],
            {"unet": "unet_merged"},
            r"--unet: there is no unet_merged in .*It should be the folder unet_merged, from",
        ),
        ([], {"motion": "camera.safetensors"}, r"camera\.safetensors.*camera adapter"),
        ([], {"lora": "motion.safetensors"}, r"motion\.safetensors.*motion module"),
        ([], {"base": "base/vae"}, r"folder unet \(UNet2DConditionModel\) is missing in .*vae"),
        ([], {"unet": "base/vae"}, "vae is not"),
        (
            SHUTTER,
            {},
            "steers focal_length, but the sweep varies shutter_speed",
        ),
        (
            ["--setting", "focal_length", "--values", "24", "35", *SHUTTER],
            {"camera": "unnamed.safetensors"},
            "the sweep varies focal_length and shutter_speed",
        ),
        (["--size", "100x64"], {}, "100 x 64 pixels cannot be generated"),
        (["--steps", "0"], {}, "--steps: '0' is not a whole number from 1 to"),
        (["--setting", "focal_length", "--values", "24"], {}, "at least 2 frames"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line_and_nothing_is_written(run, tmp_path, options, changes, message):
    status, _, errors = run(*options, **changes)
    assert status == 2
    assert len(errors.strip().splitlines()) == 1
    assert re.search(message, errors), errors
    assert not (tmp_path / "out").exists()


def test_a_part_without_all_its_weights_is_refused(weights, tmp_path):
    folder = tmp_path / "base"
    write_base(folder)
    for name in ("tokenizer.json", "vocab.json"):  # which of them there is depends on the version of transformers
        (folder / "tokenizer" / name).unlink(missing_ok=True)
    with pytest.raises(ValueError, match=r"tokenizer holds no vocab\.json"):
        load_image_model(folder)
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    save_file({"decoder.conv_out.bias": torch.zeros(3)}, file, {"format": "pt"})
    ours = r"the AutoencoderKL .* weights are missing \(decoder\.conv_in\.bias"
    of_diffusers = r"a usable AutoencoderKL: .*keys are missing"  # what it says itself, before 0.33
    with pytest.raises(ValueError, match=rf"vae is not ({ours}|{of_diffusers})"):
        load_image_model(folder)


def test_damaged_files_of_an_image_model_are_named_by_their_folder(weights, tmp_path):
    folder = tmp_path / "my base"
    write_base(folder)
    file = folder / "text_encoder" / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    with pytest.raises(ValueError, match=r"my base/text_encoder is not a usable CLIPTextModel: ."):
        load_image_model(folder)
    file.write_bytes(whole)
    for name in ("tokenizer.json", "vocab.json"):  # which of them is read depends on the version of transformers
        if (folder / "tokenizer" / name).exists():
            (folder / "tokenizer" / name).write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"my base/tokenizer is not a usable CLIPTokenizer: ."):
        load_image_model(folder)


def test_a_single_file_without_configuration_is_refused_and_nothing_downloaded(weights, tmp_path):
    """In a process of its own: the cache of Hugging Face is chosen at import."""
    single = tmp_path / "sd15.safetensors"
    save_file({"model.diffusion_model.x": torch.zeros(1)}, single)
    argv = ["generate", "--scene", "x", "--setting", "focal_length", "--values", "24", "35", "--base", str(single)]
    argv += ["--motion", str(weights / "motion.safetensors"), "--camera", str(weights / "camera.safetensors")]
    result = subprocess.run(
        [sys.executable, "-m", "genphoto", *argv, "--out", str(tmp_path / "out")],
        cwd=Path(__file__).parents[1],
        env=os.environ | {"HF_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert "sd15.safetensors is a single file" in result.stderr
    assert "Run once: hf download" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_file_that_is_no_checkpoint_is_refused(weights, tmp_path):
    single = tmp_path / "sd15.safetensors"
    save_file({"model.diffusion_model.x": torch.zeros(1)}, single)
    with pytest.raises(ValueError, match=r"cannot be read as a single-file SD 1\.5 model"):
        load_image_model(single, config=weights / "base")


def test_listing_the_settings_imports_no_diffusers():
    code = "import sys; from genphoto.cli import main; main(['settings']); print('diffusers' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert result.stdout.splitlines()[-1] == "False"
