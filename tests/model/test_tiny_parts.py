"""The parts that only the tiny model has: words, autoencoder, shared noise, and its file."""

import json
from dataclasses import replace

import pytest
import torch

from genphoto.camera.settings import SETTINGS
from genphoto.checkpoint import load, save_tiny_model, tiny_model
from genphoto.data.scenes.scene import WORDS
from genphoto.embedded import IMAGE_MODEL, load_tiny_model
from genphoto.model import words
from genphoto.model.autoencoder import Autoencoder, AutoencoderSizes, reconstruction_loss
from genphoto.model.noise import drawn_apart, sweep_noise
from genphoto.model.words import END, START, WordTokenizer

TOKENIZER = WordTokenizer.of_new_model(WORDS)


def spelled(text):
    return [TOKENIZER.vocabulary[number] for number in TOKENIZER.tokens(text)]


def test_texts_become_words_digits_and_marks():
    assert spelled("A red ball, on a wooden floor.") == ["a", "red", "ball", "on", "a", "wooden", "floor"]
    assert spelled("<bokeh kernel size: 2.440000057220459>") == [*"<", "bokeh", "kernel", "size", ":", *"2.44", ">"]
    assert spelled("<focal length: 24.0>") == ["<", "focal", "length", ":", *"24", ">"]
    assert spelled("<color temperature: 10000.0>") == ["<", "color", "temperature", ":", *"10000", ">"]
    assert spelled("<exposure: 0.10000000149011612>") == ["<", "exposure", ":", *"0.1", ">"]
    assert spelled("<aperture: f/2.8>") == ["<", "aperture", ":", "f", "/", *"2.8", ">"]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_a_new_model_knows_the_camera_prompts_of_every_setting(setting):
    for value in (*setting.domain, setting.read(setting.base)):
        assert 5 <= len(TOKENIZER.tokens(setting.prompt(value))) <= 15


def test_texts_are_filled_up():
    numbers = TOKENIZER(["a red ball", ""])
    assert numbers.shape == (2, 32)
    assert numbers[0, 0] == START
    assert numbers[0, 4:].tolist() == [END] * 28
    assert numbers[1].tolist() == [START, *[END] * 31]


def test_unknown_words_are_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"does not know 'cat', 'sofa'. It knows: .*ball.*wooden"):
        TOKENIZER.tokens("a cat on a red sofa")


def test_a_word_that_hides_the_side_is_refused_with_better_ones():
    with pytest.raises(ValueError, match=r"know 'beside'\. 'beside' does not say .*: write left of or right of\. It"):
        TOKENIZER.tokens("a red ball beside a blue box")


def test_the_embedded_model_reads_the_words_that_it_was_trained_on():
    file = load_tiny_model()
    assert file.tokenizer.tokens("a red ball beside a blue box")
    assert file.autoencoder.packing == 1  # of files that do not say


@pytest.fixture
def one_more_word(monkeypatch):
    """As if the code had a setting whose camera prompts say a word that no model has learned."""
    apex = replace(SETTINGS[0], name="apex", prompt=lambda value: f"<apex = {value:g}>")
    monkeypatch.setattr(words, "SETTINGS", (apex, *SETTINGS))
    monkeypatch.setattr(words, "MARKS", (*words.MARKS, "="))


def test_a_new_word_in_the_code_leaves_the_numbers_of_the_embedded_model(one_more_word):
    tokenizer = load_tiny_model().tokenizer
    assert tokenizer.tokens("a red ball, <tint: -0.02>") == [30, 60, 33, 2, 29, 4, 7, 9, 6, 9, 11, 3]
    assert len(tokenizer.vocabulary) == 73
    new = WordTokenizer.of_new_model(WORDS)
    assert len(new.tokens("<apex = 24>")) == 6
    assert new.tokens("a red ball") != tokenizer.tokens("a red ball")


def test_a_model_keeps_its_numbers_in_its_file(tmp_path, one_more_word, monkeypatch):
    start, end, *rest = WordTokenizer.of_new_model(("a", "ball")).vocabulary
    backwards = WordTokenizer((start, end, *reversed(rest)), ("a", "ball"))
    file = replace(load_tiny_model(), tokenizer=backwards)
    file.weights["text"]["embeddings.token_embedding.weight"] = torch.zeros(len(backwards.vocabulary), 128)
    save_tiny_model(tmp_path / "backwards.safetensors", file)
    monkeypatch.undo()
    again = load_tiny_model(tmp_path / "backwards.safetensors").tokenizer
    assert again == backwards
    assert again.tokens("a ball") == [3, 2]
    assert again.digest == backwards.digest != WordTokenizer.of_new_model(("a", "ball")).digest


def test_a_vocabulary_that_is_not_that_of_the_text_embedding_is_refused(tmp_path):
    file = load_tiny_model()
    larger = WordTokenizer.of_0_1((*file.tokenizer.words, "cat"))
    with pytest.raises(ValueError, match=r"The tiny image model: 74 tokens in its vocabulary, 73 rows in its text"):
        save_tiny_model(tmp_path / "x.safetensors", replace(file, tokenizer=larger))
    assert not list(tmp_path.iterdir())
    state, metadata = load(IMAGE_MODEL)
    spec = json.loads(metadata["tokenizer"])
    for change, message in (
        ({"words": [*spec["words"], "cat"]}, "tiny: 74 tokens in its vocabulary, 73 rows in its text embedding"),
        ({"vocabulary": [*file.tokenizer.vocabulary[:-1], "a"]}, "the vocabulary has 'a' more than once"),
        ({"vocabulary": list(file.tokenizer.vocabulary[1:])}, "begins with"),
        ({"vocabulary": [*file.tokenizer.vocabulary[:-1], "cat"]}, "is without 'yellow'"),
    ):
        with pytest.raises(ValueError, match=message):
            tiny_model(state, metadata | {"tokenizer": json.dumps(spec | change)}, "tiny")


def test_a_long_text_is_refused():
    with pytest.raises(ValueError, match="has 33 words, digits and marks; the tiny model reads at most 30"):
        TOKENIZER.tokens("a red ball " * 11)


def test_an_autoencoder_keeps_size_and_gives_latents_an_eighth_of_it():
    module = Autoencoder(AutoencoderSizes(8, (32, 32, 32), 1))
    pictures = torch.rand(2, 3, 32, 48) * 2 - 1
    latents = module.encode(pictures)
    assert latents.shape == (2, 8, 4, 6)
    assert torch.allclose(latents.mean((0, 2, 3)), torch.zeros(8), atol=1e-5)  # in training: statistics of the batch
    assert module(pictures).shape == pictures.shape
    assert reconstruction_loss(pictures, pictures) == 0


def test_packed_latents_have_the_same_shape_and_are_made_at_a_quarter():
    module = Autoencoder(AutoencoderSizes(16, (8, 16), 1, packing=2)).eval()
    picture = torch.rand(1, 3, 32, 48) * 2 - 1
    latents = module.encode(picture)
    assert latents.shape == (1, 16, 4, 6)
    assert module.decode(latents).shape == picture.shape
    changed = latents.clone()
    changed[0, 5, 2, 3] += 10  # channel 1, upper right of a 2x2 patch
    before, after = (module.decoder[:2](x) for x in (latents, changed))
    moved = (before - after).abs().amax((0, 1)) > 1e-4
    assert before.shape[-2:] == (8, 12)
    assert moved.nonzero().tolist() == [[row, column] for row in (3, 4, 5) for column in (6, 7, 8)]


def test_an_unknown_packing_is_refused():
    with pytest.raises(ValueError, match="packing = 3"):
        AutoencoderSizes(packing=3)
    with pytest.raises(ValueError, match=r"latent_channels = 6"):
        AutoencoderSizes(6, (8, 16), packing=2)


@pytest.mark.parametrize("own", [100, 50, 10])
def test_frames_share_noise_of_unit_variance(own):
    noise = torch.randn(4000 * 4, 1, 2, 3, generator=torch.Generator().manual_seed(0))
    shared = sweep_noise(noise, torch.ones(4000, 4), own).reshape(4000, 4, 6)
    covariance = torch.einsum("nac,nbc->ab", shared, shared) / 24000
    share = 1 - own / 100
    expected = torch.full((4, 4), share)  # of two later frames, each of which shares sqrt(share) with the first
    expected[0] = expected[:, 0] = share**0.5
    assert torch.allclose(covariance, expected.fill_diagonal_(1.0), atol=0.03)
    if own == 100:
        assert torch.equal(shared.reshape(noise.shape), noise)


@pytest.mark.parametrize("mixed", [0.0, 0.5, 1.0])
def test_frames_that_repeat_the_first_get_noise_of_their_own(mixed):
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2, 4, 16, 16, 24, generator=generator)
    noise[:, 2] = mixed**0.5 * noise[:, 0] + (1 - mixed) ** 0.5 * noise[:, 2]
    given = noise.flatten(0, 1)
    drawn = drawn_apart(given, 4, generator)
    kept = [0, 1, 3, 4, 5, 7] if mixed else range(8)
    assert torch.equal(drawn[kept], given[kept])
    shared = sweep_noise(drawn, torch.tensor([[1.0, 1.3, 1.0, 2.9]]).expand(2, 4), 30)
    assert (shared.std((1, 2, 3)) - 1).abs().max() < 0.05


def test_no_noise_stays_none():
    assert not drawn_apart(torch.zeros(4, 4, 8, 12), 4, torch.Generator()).any()


@pytest.mark.parametrize("magnification", [0.4, 1.0, 1.3, 2.9])
def test_enlarged_noise_is_white(magnification):
    noise = torch.randn(3000 * 2, 1, 4, 6, generator=torch.Generator().manual_seed(0))
    larger = torch.tensor([1.0, magnification]).expand(3000, 2)
    frame = sweep_noise(noise, larger, 20).reshape(3000, 2, 24)[:, 1]
    assert torch.allclose(frame.T @ frame / 3000, torch.eye(24), atol=0.11)


def test_enlarged_noise_shows_the_same_place():
    noise = torch.randn(2000 * 2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    frames = sweep_noise(noise, torch.tensor([1.0, 2.0]).expand(2000, 2), 0).reshape(2000, 2, 8, 8)
    small, large = frames[:, 0, 2:6, 2:6], frames[:, 1].unflatten(1, (4, 2)).unflatten(3, (4, 2)).sum((2, 4)) / 2
    assert torch.allclose(small, large, atol=1e-5)  # four pixels of the enlarged noise make one of the first frame's
