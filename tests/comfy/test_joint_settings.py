"""One camera adapter for two settings in ComfyUI, and adapters of another vocabulary."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from genphoto.camera.settings import settings_named
from genphoto.camera.sweep import CameraSweep
from genphoto.checkpoint import CameraFile, build_camera, save_camera_adapter
from genphoto.embedded import load_tiny_model
from genphoto.model.camera_adapter import CameraAdapter
from genphoto.model.config import TINY
from genphoto.model.steering import Steering

from .test_embedded_model import graph, text_encoder
from .tiny_sd15 import (  # noqa: F401
    ARCHITECTURE,
    FRAMES,
    attempt,
    latents,
    miniature,
    node,
    prompt,
    random_,
    run,
    sweep,
)

BOTH = "focal_length+shutter_speed"


def put_adapter(comfy, name, steering, architecture):
    """A random adapter in ComfyUI's folder, and its file."""
    made = random_(CameraAdapter.untrained(steering, architecture.backbone, architecture.encoder), 9)
    file = CameraFile(steering, architecture, made.encoder.state_dict(), made.merges.state_dict(), FRAMES)
    save_camera_adapter(comfy.model_folder("genphoto") / name, file)
    return file


def steered(*settings):
    """A graph whose one camera is the adapter of both settings, and whose sweep varies these."""
    made = prompt()
    made["camera"]["inputs"]["camera_adapter"] = "both.safetensors"
    made["focal_length"], made["shutter_speed"] = made.pop("sweep"), sweep("shutter_speed", 0.1, 1.0)
    made["tint"] = sweep("tint", 0.0, 0.01)
    for one, other in pairwise(settings):
        made[other]["inputs"]["vary_with"] = [one, 0]
    made["camera"]["inputs"]["sweep"] = [settings[-1], 0]
    return made


@pytest.fixture(scope="module")
def both(sd15):
    put_adapter(sd15, "both.safetensors", Steering(settings_named(BOTH), "published"), ARCHITECTURE)
    return sd15


def test_two_settings_are_steered_by_one_camera(both):
    done = run(both, steered("focal_length", "shutter_speed"))
    assert done.texts == {}
    assert repr(done.outputs["camera"][0]).startswith(
        "CameraCondition of focal length and shutter speed: 24 mm, 1/10 s"
    )
    frames = done.outputs["sample"][0]["samples"]
    for alone in ("focal_length", "shutter_speed"):
        other = run(both, steered(alone))
        assert other.texts == {}
        assert not torch.equal(other.outputs["sample"][0]["samples"], frames)
    assert "Tint: no camera adapter steers it" in run(both, steered("focal_length", "tint")).texts["sample"]
    assert "steers focal_length and shutter_speed, but the sweep varies tint" in attempt(both, steered("tint")).error


def test_the_features_are_those_of_the_library(sd15):
    """With the text encoder of transformers, which diffusers' host has."""
    tiny = load_tiny_model()
    steering = Steering(settings_named(BOTH), "physical", vocabulary=tiny.tokenizer.digest)
    adapter = build_camera(put_adapter(sd15, "tiny_both.safetensors", steering, TINY))
    swept = CameraSweep({"focal_length": [24, 50, 70], "shutter_speed": [0.1, 0.5, 1.0]})
    question = adapter.question(swept)
    (_, clip, _) = sd15.call("GenPhotoEmbeddedModel")
    theirs = sd15.module("genphoto.camera.sweep").CameraSweep(swept.values)
    (condition,) = sd15.call(
        "DifferentialCameraEncode", clip=clip, sweep=theirs, camera_adapter="tiny_both.safetensors"
    )
    with torch.no_grad():
        hidden = text_encoder(tiny)(tiny.tokenizer(question.prompts)).last_hidden_state
        camera = adapter.answer(adapter.embedding(question, hidden))
    for mine, feature in zip(condition.features, camera.features, strict=True):
        assert (mine - feature).norm() < 1e-4 * feature.norm()
    assert torch.equal(condition.question.magnification(0.5), question.magnification(0.5))


def test_an_adapter_of_another_vocabulary_is_refused(sd15):
    digest = load_tiny_model().tokenizer.digest
    steering = Steering(settings_named("focal_length"), "physical", vocabulary="0123456789abcdef")
    put_adapter(sd15, "other_words.safetensors", steering, TINY)
    made = graph(frames=2)
    made["camera"]["inputs"]["camera_adapter"] = "other_words.safetensors"
    assert f"has the vocabulary {digest}, not 0123456789abcdef, and reads other words" in attempt(sd15, made).error
    put_adapter(sd15, "sd15_other_words.safetensors", replace(steering, variant="published"), ARCHITECTURE)
    made = prompt()
    made["camera"]["inputs"]["camera_adapter"] = "sd15_other_words.safetensors"
    assert "this SD1ClipModel has the vocabulary of CLIP, not 0123456789abcdef" in attempt(sd15, made).error
