"""The published behavior, bit for bit, against what the reference's own functions returned (tests/golden/README.md)."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from genphoto.camera import published

GOLDEN = Path(__file__).parents[1] / "golden"
PRIORS = np.load(GOLDEN / "published_priors.npz")
FRAMES = np.load(GOLDEN / "published_frames.npz")
PROMPTS = json.loads((GOLDEN / "published_prompts.json").read_text())

SETTINGS = ["bokeh", "focal_length", "shutter_speed", "color_temperature"]
SWEEPS = sorted(key.removesuffix("_prior") for key in PRIORS if key.endswith("_prior"))


def function(setting, what):
    return getattr(published, f"{setting}_{what}")


def photo(name):
    return torch.from_numpy(FRAMES[name]).permute(2, 0, 1) / 255


def reference_frames(name):
    return torch.from_numpy(FRAMES[name]).permute(0, 3, 1, 2) / 255


# Priors


@pytest.mark.parametrize("sweep", SWEEPS)
def test_prior_equals_the_reference(sweep):
    expected = torch.from_numpy(PRIORS[f"{sweep}_prior"]).float()
    # Stored without what repeats: masks without channels, constants without height and width.
    expected = expected[:, None] if expected.ndim == 3 else expected[:, :, None, None]
    values = PRIORS[f"{sweep}_values"]
    prior = function(sweep[:-2], "prior")
    assert torch.equal(prior(torch.from_numpy(values)), expected.expand(len(values), 3, 256, 384))
    assert torch.equal(prior(values.tolist()), expected.expand(len(values), 3, 256, 384))


def test_goldens_hold_every_setting():
    assert {sweep[:-2] for sweep in SWEEPS} == set(SETTINGS) == set(PROMPTS)


def test_bokeh_prior_knows_only_the_next_integer():
    constants = published.bokeh_prior([17.2, 18.0, 23.5, 24.0, 1.0, 1.1], size=(8, 8))[:, 0, 0, 0].tolist()
    # Measured on the reference, docs/FORMATS.md.
    assert constants == pytest.approx([0.00623347, 0.00623347, 0.00346024, 0.00346024, 1.0, 0.25], rel=2e-6)


def test_color_prior_reads_kelvin_as_a_fraction():
    color = published.color_temperature_prior([5455.0], size=(8, 8))[0, :, 0, 0]
    assert color.tolist() == pytest.approx([0.10502, 0.25209, 1.0], abs=5e-6)  # docs/FORMATS.md


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_prior_rejects_what_is_not_finite_and_positive(setting, value):
    with pytest.raises(ValueError, match="finite numbers above 0"):
        function(setting, "prior")([24.0, value], size=(8, 8))


def test_bokeh_prior_rejects_kernels_below_one():
    with pytest.raises(ValueError, match=r"k must be 1 or more.*0\.5"):
        published.bokeh_prior([2.0, 0.5], size=(8, 8))


# Prompts


@pytest.mark.parametrize("setting", SETTINGS)
def test_prompt_equals_the_reference(setting):
    expected = PROMPTS[setting]
    assert {value: function(setting, "prompt")(float(value)) for value in expected} == expected


def test_prompt_spells_integers_as_floats():
    assert published.focal_length_prompt(24) == "<focal length: 24.0>"


# Frames


def test_focal_length_frame_equals_the_reference():
    frames = [published.focal_length_frame(photo("photo"), f, size=(64, 96)) for f in FRAMES["focal_length_values"]]
    assert torch.equal(torch.stack(frames), reference_frames("focal_length"))


def test_focal_length_frame_has_the_trained_size():
    expected = torch.from_numpy(FRAMES["focal_length_70_full"]).permute(2, 0, 1) / 255
    assert torch.equal(published.focal_length_frame(photo("photo"), 70.0), expected)


@pytest.mark.parametrize("full_well", FRAMES["shutter_speed_full_wells"].tolist())
def test_shutter_speed_frame_equals_the_reference_for_any_full_well(full_well):
    values = FRAMES["shutter_speed_values"]
    frames = [published.shutter_speed_frame(photo("small"), t, full_well=full_well) for t in values]
    assert torch.equal(torch.stack(frames), reference_frames("shutter_speed"))


def test_shutter_speed_frame_depends_on_the_photo_only_relative_to_its_mean():
    gray = [published.shutter_speed_frame(torch.full((3, 4, 4), level), 0.5) for level in (0.2, 0.9)]
    assert torch.equal(gray[0], gray[1])


def test_shutter_speed_frame_of_a_black_photo_is_black():
    assert torch.equal(published.shutter_speed_frame(torch.zeros(3, 4, 4), 1.0), torch.zeros(3, 4, 4))


def test_color_temperature_frame_equals_the_reference():
    frames = [published.color_temperature_frame(photo("small"), k) for k in FRAMES["color_temperature_values"]]
    assert torch.equal(torch.stack(frames), reference_frames("color_temperature"))


def test_color_temperature_frame_jumps_where_the_branches_meet():
    white = torch.ones(3, 1, 1)
    red_green = {
        kelvin: (published.color_temperature_frame(white, kelvin).flatten()[:2] * 255).tolist()
        for kelvin in (6600, 6601, 8800, 8801)
    }
    assert [red_green[6600][0], red_green[6601][0]] == [255, 244]
    assert [red_green[8800], red_green[8801]] == [[214, 240], [173, 196]]  # docs/OPTICS.md


def test_bokeh_frame_equals_the_reference():
    disparity = torch.from_numpy(FRAMES["disparity"]) / 255
    frames = torch.stack([published.bokeh_frame(photo("small"), disparity, k) for k in FRAMES["bokeh_values"]])
    assert torch.equal(frames, torch.round(frames * 255) / 255)
    differing = (frames - reference_frames("bokeh")).abs() * 255
    # The order of float32 sums alone moves 2 of these 92160 codes by 1 in the emulated kernel; CUDA's order is random.
    assert differing.max() < 1.5
    assert (differing > 0.5).sum() <= 2


def test_bokeh_frame_keeps_the_detour_over_a_tenth():
    # At this k the radius is 12.999999 px; divided and multiplied by 10 it is 13 and reaches one pixel further.
    frame = published.bokeh_frame(
        photo("step"), torch.from_numpy(FRAMES["step_disparity"]) / 255, FRAMES["step_bokeh_value"].item()
    )
    expected = torch.from_numpy(FRAMES["step_bokeh"]).permute(2, 0, 1) / 255
    assert torch.equal(frame, expected)


def test_bokeh_frame_stretches_every_disparity_map():
    disparity = torch.from_numpy(FRAMES["disparity"]) / 256
    whole = published.bokeh_frame(photo("small"), disparity, 8.3)
    shallow = published.bokeh_frame(photo("small"), disparity / 4 + 0.5, 8.3)
    assert torch.equal(whole, shallow)


def test_bokeh_frame_passes_progress_on():
    fractions = []
    published.bokeh_frame(photo("small"), torch.eye(64, 96), 3.0, on_progress=fractions.append)
    assert fractions[-1] == 1.0


@pytest.mark.parametrize("level", [0.0, 0.4, math.nan, math.inf])
def test_bokeh_frame_rejects_a_disparity_without_a_range(level):
    with pytest.raises(ValueError, match="not constant"):
        published.bokeh_frame(photo("small"), torch.full((64, 96), level), 8.3)


@pytest.mark.parametrize("setting", ["focal_length", "shutter_speed", "color_temperature"])
def test_frame_rejects_wrong_images_and_values(setting):
    frame = function(setting, "frame")
    with pytest.raises(ValueError, match=r"\(3,H,W\)"):
        frame(torch.zeros(1, 4, 4), 24.0)
    with pytest.raises(ValueError, match=r"\[0,1\], got 0 to 255"):
        frame(torch.tensor([0.0, 255.0]).expand(3, 2, 2), 24.0)
    with pytest.raises(ValueError, match="finite numbers above 0"):
        frame(torch.zeros(3, 4, 4), 0.0)


# Samples


@pytest.mark.parametrize(
    ("setting", "low", "high", "mean", "std"),
    [
        ("bokeh", 1, 30, 15.5, 29 / math.sqrt(12)),
        ("focal_length", 24, 70, 47, 46 / math.sqrt(12)),
        # Mean and deviation of the clipped normal: 10^7 NumPy draws.
        ("shutter_speed", 0.1, 1.0, 0.4852, 0.2317),
        ("color_temperature", 2000, 10000, 6000, 8000 / math.sqrt(12)),
    ],
)
def test_sample_draws_the_training_distribution(setting, low, high, mean, std):
    sample = function(setting, "sample")
    values = sample(20000, torch.Generator().manual_seed(3))
    assert (values.shape, values.dtype) == ((20000,), torch.float32)
    assert values.min().item() == pytest.approx(low, rel=0.01)
    assert values.max().item() == pytest.approx(high, rel=0.01)
    assert values.min() >= torch.tensor(float(low))
    assert values.max() <= high
    assert values.mean().item() == pytest.approx(mean, abs=0.03 * std)
    assert values.std().item() == pytest.approx(std, rel=0.03)
    assert torch.equal(sample(5, torch.Generator().manual_seed(3)), sample(5, torch.Generator().manual_seed(3)))


def test_shutter_speed_sample_piles_up_at_the_ends():
    values = published.shutter_speed_sample(20000, torch.Generator().manual_seed(3))
    # Tails of the normal (0.48, 0.25): Phi(-1.52) and Phi(-2.08).
    assert (values == torch.tensor(0.1)).float().mean().item() == pytest.approx(0.0643, abs=0.007)
    assert (values == 1.0).float().mean().item() == pytest.approx(0.0188, abs=0.004)


def test_training_size_is_bilinear_without_antialiasing():
    stripes = torch.arange(9).float().fmod(2).expand(3, 2, 9)
    assert published.resize(stripes, (2, 3))[0, 0].tolist() == [1.0, 0.0, 1.0]  # every third column, as it is
