"""The parts that only the tiny model has: words, autoencoder, shared noise, and its file."""

import pytest
import torch

from genphoto.data.scenes import WORDS
from genphoto.model.autoencoder import Autoencoder, AutoencoderSizes, reconstruction_loss
from genphoto.model.noise import share_noise
from genphoto.model.words import END, START, WordTokenizer

TOKENIZER = WordTokenizer(WORDS)


def spelled(text):
    return [TOKENIZER.vocabulary[number] for number in TOKENIZER.tokens(text)]


def test_texts_become_words_digits_and_marks():
    assert spelled("A red ball, on a wooden floor.") == ["a", "red", "ball", "on", "a", "wooden", "floor"]
    assert spelled("<bokeh kernel size: 2.440000057220459>") == [*"<", "bokeh", "kernel", "size", ":", *"2.44", ">"]
    assert spelled("<focal length: 24.0>") == ["<", "focal", "length", ":", *"24", ">"]
    assert spelled("<color temperature: 10000.0>") == ["<", "color", "temperature", ":", *"10000", ">"]
    assert spelled("<exposure: 0.10000000149011612>") == ["<", "exposure", ":", *"0.1", ">"]
    assert spelled("<aperture: f/2.8>") == ["<", "aperture", ":", "f", "/", *"2.8", ">"]


def test_texts_are_filled_up():
    numbers = TOKENIZER(["a red ball", ""])
    assert numbers.shape == (2, 32)
    assert numbers[0, 0] == START
    assert numbers[0, 4:].tolist() == [END] * 28
    assert numbers[1].tolist() == [START, *[END] * 31]


def test_unknown_words_are_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"does not know 'cat', 'sofa'. It knows: .*ball.*wooden"):
        TOKENIZER.tokens("a cat on a red sofa")


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


@pytest.mark.parametrize("own", [100, 50, 10])
def test_shared_noise_has_unit_variance_and_the_wanted_covariance(own):
    noise = torch.randn(4000 * 5, 3, generator=torch.Generator().manual_seed(0))
    shared = share_noise(noise, 5, own).reshape(4000, 5, 3)
    covariance = torch.einsum("nac,nbc->ab", shared, shared) / 12000
    expected = torch.full((5, 5), 1 - own / 100).fill_diagonal_(1.0)
    assert torch.allclose(covariance, expected, atol=0.03)
    if own == 100:
        assert torch.equal(shared.reshape(noise.shape), noise)
