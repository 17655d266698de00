"""`python -m genphoto convert`: what is written, what is printed, and what is refused in one line."""

import pytest
import torch

from genphoto import checkpoint, cli
from genphoto.checkpoint.flat_sizes import FlatSizes
from genphoto.checkpoint.layout import make_encoder, make_lift, make_merges

TINY = FlatSizes(channels=(32, 64), downscale=2, encoder_blocks=1).architecture()
MERGE = "transformer_blocks.0.attention_blocks.0.processor.qkv_merge"


def released(make):
    torch.manual_seed(0)
    named = {}
    for key, value in make(TINY).state_dict().items():
        direction, level, i, rest = key.split(".", 3)
        site = f"{direction}_blocks.{level}.motion_modules.{i}.temporal_transformer"
        named[f"{site}.{rest.replace('qkv_merge', MERGE)}"] = torch.randn(value.shape) * 0.1
    return named


@pytest.fixture
def motion(tmp_path):
    torch.save(released(make_lift), tmp_path / "v3_sd15_mm.ckpt")
    return tmp_path / "v3_sd15_mm.ckpt"


@pytest.fixture
def camera(tmp_path):
    encoder = {key: torch.randn(v.shape) for key, v in make_encoder(TINY).state_dict().items()}
    optimizer = {"state": {i: torch.zeros(10_000) for i in range(100)}}
    state = {"epoch": 1, "global_step": 2, "optimizer_state_dict": optimizer}
    state |= {"camera_encoder_state_dict": encoder, "attention_processor_state_dict": released(make_merges)}
    torch.save(state, tmp_path / "checkpoint-bokehK.ckpt")
    return tmp_path / "checkpoint-bokehK.ckpt"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.safetensors"


def run(*arguments) -> int:
    return cli.main(["convert", *map(str, arguments)])


def error_of(capsys, *arguments) -> str:
    assert run(*arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    return printed.err


def numbers(file):
    return file.weights if isinstance(file, checkpoint.MotionFile) else file.encoder | file.merges


def test_a_motion_module_is_written_bit_equal(motion, out, capsys):
    assert run(motion, out) == 0
    before = checkpoint.motion_module(*checkpoint.load(motion), motion.name).weights
    after = checkpoint.motion_module(*checkpoint.load(out), out.name).weights
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)

    printed = capsys.readouterr().out
    millions = sum(value.numel() for value in before.values()) / 1e6
    assert "v3_sd15_mm.ckpt is a motion module, levels 32 64.\n" in printed
    assert f"{motion.stat().st_size / 1e6:.1f} MB, {millions:.1f} M parameters in float32" in printed
    assert f"Written: {out}, {out.stat().st_size / 1e6:.1f} MB" in printed
    assert "tensor(" not in printed


def test_a_camera_adapter_is_written_with_its_setting_and_without_training_state(camera, out, capsys):
    assert run(camera, out, "--setting", "bokeh") == 0
    file = checkpoint.camera_adapter(*checkpoint.load(out), out.name)
    assert (file.steering.name, file.steering.variant) == ("bokeh", "published")
    before = checkpoint.camera_adapter(*checkpoint.load(camera), camera.name)
    assert all(torch.equal(numbers(before)[key], value) for key, value in numbers(file).items())
    assert camera.stat().st_size - out.stat().st_size > 100 * 10_000 * 4
    assert "is a camera adapter for bokeh (published)" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "dtype"), [("fp16", torch.float16), ("bf16", torch.bfloat16)])
def test_weights_change_type_and_position_codes_do_not(motion, camera, tmp_path, name, dtype):
    assert run(motion, tmp_path / "m.safetensors", "--dtype", name) == 0
    assert run(camera, tmp_path / "c.safetensors", "--dtype", name, "--setting", "bokeh") == 0
    for file in (
        checkpoint.motion_module(*checkpoint.load(tmp_path / "m.safetensors"), "m"),
        checkpoint.camera_adapter(*checkpoint.load(tmp_path / "c.safetensors"), "c"),
    ):
        dtypes = {(key.endswith(".pe"), value.dtype) for key, value in numbers(file).items()}
        assert dtypes == {(True, torch.float32), (False, dtype)}


def test_a_converted_file_converts_again_and_knows_its_setting(camera, out, tmp_path, capsys):
    assert run(camera, out, "--setting", "bokeh") == 0
    assert run(out, tmp_path / "again.safetensors", "--dtype", "fp16") == 0
    assert checkpoint.camera_adapter(*checkpoint.load(tmp_path / "again.safetensors"), "again").steering.name == "bokeh"
    error = error_of(capsys, out, tmp_path / "third.safetensors", "--setting", "focal_length")
    assert "steers bokeh, not focal_length" in error


def test_a_released_camera_adapter_needs_a_setting_that_was_published(camera, out, capsys):
    error = error_of(capsys, camera, out)
    assert "checkpoint-bokehK.ckpt does not say which camera setting it steers" in error
    assert "focal_length, bokeh, shutter_speed, color_temperature." in error
    assert "No adapter was published for aperture" in error_of(capsys, camera, out, "--setting", "aperture")
    assert "Unknown camera setting 'zoom'" in error_of(capsys, camera, out, "--setting", "zoom")
    assert not out.exists()


def test_a_motion_module_has_no_setting(motion, out, capsys):
    assert "Leave out --setting" in error_of(capsys, motion, out, "--setting", "bokeh")
    assert not out.exists()


def test_nothing_is_overwritten_unasked(motion, out, capsys):
    out.write_text("precious")
    assert "--overwrite" in error_of(capsys, motion, out)
    assert out.read_text() == "precious"
    assert run(motion, out, "--overwrite") == 0
    assert checkpoint.load(out)[1]["kind"] == "motion_module"
    assert "is the file to convert" in error_of(capsys, out, out, "--overwrite")


def test_the_result_is_named_safetensors(motion, tmp_path, capsys):
    assert "Write OUT.safetensors" in error_of(capsys, motion, tmp_path / "out.ckpt")


def test_a_file_of_another_kind_is_named(tmp_path, out, capsys):
    torch.save({"model.diffusion_model.out.0.weight": torch.ones(1)}, tmp_path / "sd15.ckpt")
    assert "sd15.ckpt is a whole Stable Diffusion checkpoint. Nothing to convert" in error_of(
        capsys, tmp_path / "sd15.ckpt", out
    )


def test_numbers_beyond_float16_are_not_written(motion, out, capsys):
    state = torch.load(motion, weights_only=True)
    key = next(key for key in state if key.endswith("proj_in.weight"))
    state[key][0, 0] = 1e6  # float16 ends at 65504
    torch.save(state, motion)
    assert "infinite" in error_of(capsys, motion, out, "--dtype", "fp16")
    assert not out.exists()
    assert run(motion, out, "--dtype", "bf16") == 0


def test_the_help_says_what_the_license_allows(capsys):
    assert run("--help") == 0
    printed = capsys.readouterr().out
    assert "CC BY-NC-ND" in printed
    assert "do not share the result" in printed
