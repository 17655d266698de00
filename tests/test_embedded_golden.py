"""The frames with which ../tests/comfy/test_embedded_model.py compares ComfyUI's are those of SweepGenerator."""

import json
from dataclasses import replace

import numpy as np
import pytest
from diffusers import UNet2DConditionModel

from genphoto.camera.settings import SETTINGS
from genphoto.camera.sweep import CameraSweep
from genphoto.checkpoint import build_camera, build_lift, camera_adapter, load, motion_module
from genphoto.checkpoint.disk import save
from genphoto.embedded import load_tiny_model
from genphoto.generate import SweepGenerator
from genphoto.image_model import tiny_image_model
from genphoto.model import words
from genphoto.model.diffusers_host import LiftedUNet

from .golden import embedded


@pytest.fixture(params=["its file stores its vocabulary", "its file is of 0.1, and the code has one more word"])
def frames(request, tmp_path, monkeypatch):
    folder = tmp_path
    embedded.write(UNet2DConditionModel.from_config(embedded.UNET).state_dict(), folder, folder, folder)
    if "0.1" in request.param:
        without_vocabulary(folder / embedded.MODEL)
        monkeypatch.setattr(words, "SETTINGS", (replace(SETTINGS[0], prompt=lambda value: "<apex: 1>"), *SETTINGS))
    model = tiny_image_model(load_tiny_model(folder / embedded.MODEL))
    lift = build_lift(motion_module(*load(folder / embedded.MOTION), embedded.MOTION))
    camera = camera_adapter(*load(folder / embedded.CAMERA), embedded.CAMERA)
    generator = SweepGenerator(LiftedUNet(model.unet, lift), model, build_camera(camera))
    return generator.generate(
        embedded.SCENE,
        CameraSweep({"focal_length": embedded.FOCAL_LENGTHS}),
        negative=embedded.NEGATIVE,
        guidance_scale=embedded.GUIDANCE_SCALE,
        **embedded.SAMPLING,
    )


def without_vocabulary(path):
    weights, metadata = load(path)
    tokenizer = json.loads(metadata["tokenizer"])
    del tokenizer["vocabulary"]
    save(path, weights, metadata | {"tokenizer": json.dumps(tokenizer)})


def test_the_command_line_makes_the_golden_frames(frames):
    """To make them anew, delete the file and run this test: it writes and fails."""
    if not embedded.FRAMES.exists():
        np.save(embedded.FRAMES, embedded.grid(frames).numpy())
        pytest.fail(f"wrote {embedded.FRAMES}")
    truth = embedded.golden()
    assert ((truth > 0) & (truth < 1)).float().mean() > 0.5  # or the comparison would say nothing
    assert (embedded.grid(frames) - truth).norm() < 1e-4 * truth.norm()
