"""Following, with a CLIP of transformers in miniature."""

import json
import shutil

import pytest
import torch

from genphoto.camera.settings import SETTINGS
from genphoto.camera.sweep import CameraSweep
from genphoto.metrics.baselines import baseline_prompts
from genphoto.metrics.following import PUBLISHED_CLIP, clip_following, clip_pixels, likeness

from ..tiny_clip import write_tiny_clip


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory):
    return write_tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def following(tiny_clip):
    return clip_following(tiny_clip)


@pytest.fixture
def frames():
    return torch.rand(3, 3, 64, 96, generator=torch.Generator().manual_seed(1))


def test_gives_one_cosine_per_frame_that_depends_on_text_and_picture(following, frames):
    cats, dogs = following(frames, "a cat"), following(frames, "a dog")
    assert len(cats) == 3
    assert all(-1 <= value <= 1 for value in cats)
    assert cats != dogs
    assert len({round(value, 6) for value in cats}) == 3


def test_equals_transformers_own_processing(following, tiny_clip, frames):
    """A square picture of CLIP's size needs no resampling, so that only the normalization is left."""
    from transformers import AutoTokenizer, CLIPModel

    square = frames[:, :, :32, :32]
    model = CLIPModel.from_pretrained(tiny_clip).eval()
    words = AutoTokenizer.from_pretrained(tiny_clip)("a dog", return_tensors="pt")
    with torch.no_grad():
        # logits are cosines times the temperature
        logits = model(pixel_values=clip_pixels(square, 32), **words).logits_per_image[:, 0] / model.logit_scale.exp()
    assert following(square, "a dog") == pytest.approx(logits.tolist(), abs=1e-5)


def test_takes_the_central_square_at_its_size(frames):
    pixels = clip_pixels(frames, 32)
    assert pixels.shape == (3, 3, 32, 32)
    flat = clip_pixels(torch.full((1, 3, 64, 96), 0.5), 32)
    # OpenAI's CLIP, clip.py: Normalize((0.48145466, ...), (0.26862954, ...))
    assert float(flat[0, 0, 0, 0]) == pytest.approx((0.5 - 0.48145466) / 0.26862954, abs=1e-5)
    marked = torch.zeros(1, 3, 64, 96)
    marked[..., :16] = marked[..., -16:] = 1  # what the central square of 64 leaves out
    assert clip_pixels(marked, 32)[..., 2:-2].std((2, 3)).max() < 0.02


def test_likeness_is_1_for_one_direction():
    assert likeness(torch.tensor([[2.0, 0], [0, 3]]), torch.tensor([[1.0, 0]])) == pytest.approx((1, 0))


def test_missing_weights_are_named_with_the_command_that_gets_them(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"hf download {PUBLISHED_CLIP}"):
        clip_following()
    with pytest.raises(FileNotFoundError, match=r"no CLIP .*nothing here"):
        clip_following(tmp_path / "nothing here")
    with pytest.raises(FileNotFoundError, match="hf download someone/clip"):
        clip_following("someone/clip")


def test_half_a_clip_is_refused(tiny_clip, tmp_path):
    """Such as the text encoder of Stable Diffusion: transformers would draw the picture half at random."""
    from transformers import AutoTokenizer, CLIPModel, CLIPTextModel

    CLIPTextModel(CLIPModel.from_pretrained(tiny_clip).config.text_config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_clip).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="not a whole CLIP"):
        clip_following(tmp_path)


def without_words(folder):
    for name in ("vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)


def of_another_size(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"projection_dim": 20}))


def cut_short(folder):
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-100])


def a_web_page(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"<html>")


def nested_deep(folder):
    (folder / "config.json").write_text("[" * 100_000)


@pytest.mark.parametrize("damage", [without_words, of_another_size, cut_short, a_web_page, nested_deep])
def test_a_damaged_clip_is_refused_in_one_sentence(tiny_clip, tmp_path, damage):
    folder = tmp_path / "my clip"
    shutil.copytree(tiny_clip, folder)
    damage(folder)
    with pytest.raises(
        (ValueError, FileNotFoundError), match=r"my clip (is not a whole CLIP: .|here, neither)"
    ) as caught:
        clip_following(folder)
    assert "\n" not in str(caught.value)


def test_a_path_with_a_space_is_a_path(tiny_clip, following, frames, tmp_path):
    shutil.copytree(tiny_clip, tmp_path / "my clip")
    assert clip_following(str(tmp_path / "my clip"))(frames, "a cat") == following(frames, "a cat")
    for missing in (str(tmp_path / "no clip here"), "no clip here", "a name/with a space"):
        with pytest.raises(FileNotFoundError, match=f"no CLIP {missing} here.*hf download {PUBLISHED_CLIP}"):
            clip_following(missing)


def test_the_identity_is_of_the_weights_and_not_of_the_place(following, tiny_clip, tmp_path):
    shutil.copytree(tiny_clip, tmp_path / "copy")
    assert clip_following(tmp_path / "copy").identity == following.identity
    assert clip_following(write_tiny_clip(tmp_path, seed=1)).identity != following.identity


def test_an_empty_prompt_is_refused(following, frames):
    with pytest.raises(ValueError, match="prompt is empty"):
        following(frames, "  ")


def test_baseline_prompts_are_the_papers():
    """As the reference's project page prints them."""
    assert baseline_prompts("A vase.", CameraSweep({"focal_length": [24.9, 36.9]})) == (
        "A vase; with 24.9mm lens.",
        "A vase; with 36.9mm lens.",
    )
    said = {
        "bokeh": (14, "with bokeh blur parameter 14."),
        "shutter_speed": (0.88, "with shutter speed 0.88 second."),
        "color_temperature": (3100, "with temperature 3100 kelvin."),
        "aperture": (2.8, "with aperture f/2.8."),
    }
    for setting, (value, words) in said.items():
        assert baseline_prompts("x", CameraSweep({setting: [value]}))[0] == f"x; {words}"


def test_settings_that_vary_together_are_said_together():
    sweep = CameraSweep({"focal_length": [24, 50], "shutter_speed": [0.5, 1]})
    assert baseline_prompts("x", sweep)[1] == "x; with 50mm lens, with shutter speed 1 second."


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_every_setting_has_words(setting):
    assert setting.phrase(setting.domain[0]) != setting.phrase(setting.domain[1])


def test_an_empty_scene_is_refused():
    with pytest.raises(ValueError, match="scene is empty"):
        baseline_prompts(" .", CameraSweep({"bokeh": [2, 4]}))
