"""A configuration is read strictly: what is out of range is refused with its key, its value and what is allowed."""

import re
from dataclasses import replace

import pytest

from genphoto.training.config_file import RECIPES, config_from, load_config

STAGES = {
    "autoencoder": {"train": ["autoencoder"]},
    "image": {"train": ["text", "unet"]},
    "sweep": {"train": ["motion", "camera"]},
}
FULL_SIZE = {"kind": "sd15", "base": "sd15", "motion": "v3_sd15_mm.ckpt"}


def stage(kind="sweep", **changes):
    return {"name": "first", "kind": kind, "steps": 2, "batch_size": 1} | STAGES[kind] | changes


def config(*stages, model=None, data=None, **changes):
    return config_from(
        {"model": model or {}, "data": {"scenes": 3} | (data or {}), "stages": [*(stages or (stage(),))], **changes}
    )


def refusal(*stages, **changes):
    with pytest.raises(ValueError, match=r"^(stage first|data|model|precision)\b") as caught:
        config(*stages, **changes)
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("scenes", -5, "at least 0"),
        ("frames", 0, "at least 1"),
        ("frames", 1, "at least 2 for stage first of kind sweep"),
        ("workers", -2, "at least -1"),
        ("size", [128], "[height, width] in pixels, both multiples of 8"),
        ("size", [130, 190], "multiples of 8"),
        ("size", [0, 192], "multiples of 8"),
        ("size", [-8, 192], "multiples of 8"),
        ("settings", [], "Use at least one of: focal_length, bokeh, aperture"),
        ("variant", "optical", "Use one of: physical, published"),
    ],
)
def test_data_out_of_range_are_refused(key, value, allowed):
    message = refusal(data={key: value})
    assert message.startswith(f"data: {key} = {value!r} ")
    assert allowed in message


@pytest.mark.parametrize("setting", ["aperture", "tint", "iso"])
def test_only_settings_with_a_published_variant_are_trained_on_it(setting):
    message = refusal(data={"settings": ["bokeh", setting], "variant": "published"})
    assert message == (
        f"data: settings = {setting!r} is unknown to variant published. "
        "Use one of: focal_length, bokeh, shutter_speed, color_temperature."
    )


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("steps", 0, "at least 1"),
        ("batch_size", 0, "at least 1"),
        ("learning_rate", 0.0, "between 1e-09 and 1"),
        ("learning_rate", float("nan"), "between 1e-09 and 1"),
        ("warmup", -1, "at least 0"),
        ("decay", -0.1, "between 0 and 1"),
        ("decay", 1.5, "between 0 and 1"),
        ("weight_decay", -0.01, "at least 0"),
        ("weight_decay", float("inf"), "at least 0"),
        ("clip_gradient", -1, "at least 1e-06"),
        ("clip_gradient", 0, "at least 1e-06"),
        ("ema", 1, "between 0 and 0.99999"),
        ("ema", 1.5, "between 0 and 0.99999"),
        ("drop_text", 1.1, "between 0 and 1"),
        ("drop_camera", -0.1, "between 0 and 1"),
        ("fewest_frames", 0, "at least 2"),
        ("fewest_frames", 1, "at least 2"),
        ("latent_noise", -0.1, "at least 0"),
        ("center_weight", -1, "at least 0"),
        ("timestep_shift", 0, "between 0.01 and 100"),
        ("save_every", -1, "at least 0"),
        ("sample_every", -1, "at least 0"),
    ],
)
def test_numbers_of_a_stage_out_of_range_are_refused(key, value, allowed):
    assert refusal(stage(**{key: value})) == f"stage first: {key} = {value:g} must be {allowed}."


@pytest.mark.parametrize(
    ("crop", "message"),
    [
        ([60], "must be [height, width] in pixels, both multiples of 8"),
        ([60, 96], "must be [height, width] in pixels, both multiples of 8"),
        ([264, 96], "is larger than data: size = [256, 384]"),
    ],
)
def test_a_crop_must_fit_the_frames_and_their_latents(crop, message):
    assert refusal(stage("autoencoder", crop=crop)).startswith(f"stage first: crop = {crop} {message}")


@pytest.mark.parametrize(
    ("kind", "part", "learning"),
    [
        ("autoencoder", "unet", "autoencoder"),
        ("image", "autoencoder", "text, unet"),
        ("image", "camera", "text, unet"),
        ("sweep", "autoencoder", "text, unet, motion, camera"),
        ("sweep", "everything", "text, unet, motion, camera"),
    ],
)
def test_a_stage_trains_only_parts_that_get_a_gradient(kind, part, learning):
    message = refusal(stage(kind, train=[*STAGES[kind]["train"], part]))
    assert message == f"stage first: train = {part!r} learns nothing in a stage of kind {kind}. Use one of: {learning}."


@pytest.mark.parametrize("kind", STAGES)
def test_a_stage_trains_something(kind):
    assert refusal(stage(kind, train=[])).startswith("stage first: train = [] is empty. Use at least one of: ")


@pytest.mark.parametrize("change", [{"drop_camera": 0.1}, {"blind": "camera"}])
def test_a_camera_that_is_off_cannot_be_all_that_learns(change):
    message = refusal(stage(train=["camera"], **change))
    assert "nothing learns while the camera is off" in message
    assert all(f"{key} = {value!r}" in message for key, value in change.items())
    config(stage(train=["camera", "motion"], **change))


@pytest.mark.parametrize(
    ("kind", "key", "value", "needed"),
    [
        ("image", "blind", "camera", "sweep"),
        ("image", "drop_camera", 0.1, "sweep"),
        ("autoencoder", "blind", "noise", "sweep"),
        ("image", "crop", [64, 96], "autoencoder"),
    ],
)
def test_what_has_no_effect_in_a_stage_is_refused(kind, key, value, needed):
    message = refusal(stage(kind, **{key: value}))
    assert message.startswith(f"stage first: {key} = ")
    assert message.endswith(f" needs kind {needed}. Leave it out.")


@pytest.mark.parametrize("kind", ["sd15", "sd15-random"])
@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (stage("autoencoder"), "stage first: kind = 'autoencoder' is not trained for model kind"),
        (stage("image"), "stage first: kind = 'image' is not trained for model kind"),
        (stage(train=["camera", "unet"]), "stage first: train = 'unet' is not trained for model kind"),
        (stage(train=["text"]), "stage first: train = 'text' is not trained for model kind"),
    ],
)
def test_of_the_full_size_model_only_what_is_exported_is_trained(kind, chosen, message):
    assert refusal(chosen, model=FULL_SIZE | {"kind": kind}).startswith(f"{message} {kind}. Use one of: ")


@pytest.mark.parametrize("kind", ["sd15", "sd15-random"])
def test_stable_diffusion_predicts_noise(kind):
    message = refusal(model=FULL_SIZE | {"kind": kind, "prediction": "v_prediction"})
    assert message == (f"model: prediction = 'v_prediction' is unknown to model kind {kind}. Use one of: epsilon.")


@pytest.mark.parametrize("key", ["base", "motion"])
def test_the_full_size_model_needs_its_files(key):
    message = refusal(model=FULL_SIZE | {key: ""})
    assert "model: kind sd15 needs base" in message
    assert f"{key} = ''" in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": {"settings": [3]}}, "data: settings[0] = 3 is not a text."),
        ({"data": {"settings": "bokeh"}}, "data: settings = 'bokeh' is not a list."),
        ({"data": {"size": ["a", 2]}}, "data: size[0] = 'a' is not a whole number."),
        ({"data": {"size": [256, 384.0]}}, "data: size[1] = 384.0 is not a whole number."),
        ({"model": 3}, "model = 3 is not a table. Write [model] and its keys below."),
        ({"precision": "int8"}, "precision = 'int8' is unknown. Use one of: no, bf16, fp16."),
    ],
)
def test_values_of_another_type_are_refused(change, message):
    assert refusal(**change) == message


@pytest.mark.parametrize("stages", [stage(), 3, ["first"]])
def test_stages_are_a_list_of_tables(stages):
    wanted = re.escape(f"stages = {stages!r} is not a list of tables. Write [[stages]]")
    with pytest.raises(ValueError, match=wanted):
        config_from({"data": {"scenes": 3}, "stages": stages})


def test_a_file_that_is_not_utf8_is_named(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes("# Größe\nseed = 0\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"mine\.toml is not UTF-8 text \(byte 4\)\. Save it as UTF-8\."):
        load_config(path)


def test_a_wrong_value_in_a_file_is_named_with_the_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[data]\nscenes = -5\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine\.toml: data: scenes = -5 must be at least 0"):
        load_config(path)


def test_precision_belongs_to_the_whole_training():
    assert config(precision="bf16").precision == "bf16"
    assert config().precision == "no"
    assert "stage first: unknown precision" in refusal(stage(precision="bf16"))


@pytest.mark.parametrize("recipe", [path.stem for path in RECIPES.glob("*.toml")])
def test_every_recipe_is_read_and_can_be_shortened(recipe):
    chosen = load_config(recipe)
    assert chosen.precision == "bf16"
    assert replace(chosen, stages=tuple(replace(s, steps=1) for s in chosen.stages)).stages[0].steps == 1
