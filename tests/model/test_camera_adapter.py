"""A camera adapter with random weights: what it asks, what it answers, and with whom it works."""

import pytest
import torch

from genphoto.camera.settings import settings_named
from genphoto.camera.sweep import CameraSweep
from genphoto.model.camera_adapter import CameraAdapter
from genphoto.model.camera_encoder import DifferentialCameraEncoder
from genphoto.model.config import TINY
from genphoto.model.differential import camera_embedding
from genphoto.model.lift import CameraMerges
from genphoto.model.steering import Steering

BOTH = Steering(settings_named("focal_length+tint"), "physical", vocabulary="abc")
SWEEP = CameraSweep({"focal_length": [24, 50, 70], "tint": [0.0, 0.01, 0.02]})
SIZE = TINY.encoder.embedding_size


@pytest.fixture(scope="module")
def adapter():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return CameraAdapter.untrained(BOTH, TINY.backbone, TINY.encoder).eval()


def hidden_states(seed, frames=3):
    return torch.randn(frames, 32, TINY.backbone.text_width, generator=torch.Generator().manual_seed(seed))


def test_the_embedding_stacks_priors_and_differences(adapter):
    question, hidden = adapter.question(SWEEP), hidden_states(0)
    embedding = adapter.embedding(question, hidden)
    assert embedding.shape == (1, 9, 3, *SIZE)
    assert torch.equal(embedding[0, :6].transpose(0, 1), question.prior(SIZE))
    tokens = hidden[0].numel()
    for frame, (later, earlier) in enumerate([(1, 0), (2, 1), (2, 0)]):
        for channel in (6, 7, 8):
            flat = embedding[0, channel, frame].flatten()
            assert torch.equal(flat[:tokens], (hidden[later] - hidden[earlier]).flatten())
            assert not flat[tokens:].any()


def test_every_sweep_of_a_batch_is_answered_by_itself(adapter):
    other = adapter.question(CameraSweep({"focal_length": [70, 40, 24]}))
    questions = [adapter.question(SWEEP), other]
    hidden = torch.stack([hidden_states(1), hidden_states(2)])
    batch = camera_embedding(torch.stack([question.prior(SIZE) for question in questions]), hidden)
    with torch.no_grad():
        together = adapter.answer(batch, strength=0.5)
        alone = [adapter.answer(adapter.embedding(q, h)) for q, h in zip(questions, hidden, strict=True)]
    assert (together.merges, together.strength) == (adapter.merges, 0.5)
    for level, feature in enumerate(together.features):
        assert feature.shape[:3] == (2, 3, TINY.backbone.widths[level])
        apart = torch.cat([camera.features[level] for camera in alone])
        assert (feature - apart).norm() < 1e-5 * apart.norm()
        assert (feature[0] - feature[1]).norm() > 0.01 * feature.norm()


def test_a_text_encoder_that_the_adapter_was_not_trained_with(adapter):
    assert adapter.mismatch("abc") is None
    assert adapter.mismatch("abc", 128) is None
    assert adapter.mismatch("abc", 768) == "is 768 wide, not 128"
    assert "has the vocabulary abd, not abc" in adapter.mismatch("abd", 128)
    assert "has the vocabulary of CLIP, not abc" in adapter.mismatch("")


def test_an_adapter_that_names_no_vocabulary_works_with_any():
    plain = CameraAdapter.untrained(Steering((), "physical"), TINY.backbone, TINY.encoder)
    assert plain.mismatch("abc") is plain.mismatch("") is None


def test_texts_longer_than_camera_prompts_are_refused(adapter):
    with pytest.raises(ValueError, match="154 tokens of width 128 do not fit a camera embedding of 96 x 64"):
        adapter.embedding(adapter.question(SWEEP), torch.zeros(3, 154, 128))


def test_an_encoder_of_another_number_of_settings_is_refused():
    encoder = DifferentialCameraEncoder(TINY.backbone, TINY.encoder)
    with pytest.raises(ValueError, match=r"takes 1 coarse prior\(s\), but the adapter steers focal_length\+tint"):
        CameraAdapter(BOTH, encoder, CameraMerges(TINY.backbone))
