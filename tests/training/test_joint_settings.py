"""One camera adapter for two settings: trained, written, loaded, and steered by both."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from genphoto.camera.settings import joint_name
from genphoto.camera.sweep import CameraSweep
from genphoto.checkpoint import build_camera, build_lift, camera_adapter, load, motion_module
from genphoto.checkpoint.disk import read_metadata
from genphoto.embedded import load_tiny_model
from genphoto.generate import SweepGenerator
from genphoto.image_model import tiny_image_model
from genphoto.model.diffusers_host import LiftedUNet
from genphoto.training.run import dataset_of, train

from .test_training import LIFTED, config, stage

BOTH = "focal_length+shutter_speed"
SWEEP = CameraSweep({"focal_length": [24, 36, 48], "shutter_speed": [0.5, 0.25, 1.0]})


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """The folder of the files of a training: image model, motion modules, one adapter."""
    folder = tmp_path_factory.mktemp("joint")
    chosen = config(LIFTED, stage(steps=2, save_every=0), settings=[BOTH])
    names = [path.name for path in train(chosen, folder, cpu=True)]
    assert names == [f"genphoto_tiny{end}.safetensors" for end in ("", "_motion", f"_{BOTH}")]
    return folder / "result"


@pytest.fixture(scope="module")
def generator(result):
    model = tiny_image_model(load_tiny_model(result / "genphoto_tiny.safetensors"))
    motion = motion_module(*load(result / "motion" / "genphoto_tiny_motion.safetensors"), "motion")
    camera = camera_adapter(*load(result / "camera" / f"genphoto_tiny_{BOTH}.safetensors"), "camera")
    lifted = LiftedUNet(model.unet, build_lift(motion).float())
    return SweepGenerator(lifted, model, build_camera(camera).float())


def generate(generator, sweep=SWEEP, **options):
    return generator.generate("a red ball", sweep, steps=2, size=(64, 96), **options)


def test_the_file_says_what_it_steers(result):
    metadata = read_metadata(result / "camera" / f"genphoto_tiny_{BOTH}.safetensors")
    assert metadata["setting"] == '["focal_length", "shutter_speed"]'
    assert metadata["values"] == "[[24.0, 70.0], [0.1, 1.0]]"
    assert metadata["vocabulary"] == load_tiny_model(result / "genphoto_tiny.safetensors").tokenizer.digest


def test_examples_vary_both_settings():
    dataset = dataset_of(config(stage(), settings=[BOTH, "bokeh"]).data)
    assert [joint_name(dataset.settings_at(0, index)) for index in range(3)] == [BOTH, "bokeh", BOTH]
    example = dataset[0, 0]
    assert list(example.sweep.values) == ["focal_length", "shutter_speed"]
    assert all(len(set(values)) == 3 for values in example.sweep.values.values())


def test_both_settings_move_the_frames(generator):
    assert generator.adapter.steering.name == BOTH
    assert generator.concerns(SWEEP) == []
    frames = generate(generator)
    assert torch.equal(frames, generate(generator))
    for name, values in SWEEP.values.items():
        alone = CameraSweep({name: values})
        assert generator.concerns(alone) == []
        assert not torch.equal(generate(generator, alone), frames)
    off = generate(generator, strength=0.0)
    assert torch.equal(off, generate(generator, CameraSweep({"shutter_speed": [0.1, 0.2, 0.3]}), strength=0.0))
    assert not torch.equal(off, frames)


def test_every_setting_beyond_its_own_range_is_told(generator):
    beyond = CameraSweep({"focal_length": [24, 100], "shutter_speed": [0.05, 1.0]})
    assert generator.with_reach(beyond).reach == {"focal_length": (24.0, 70.0), "shutter_speed": (0.1, 1.0)}
    assert [concern.split(":")[0] for concern in generator.concerns(beyond)] == ["Focal length", "Shutter speed"]
    tinted = CameraSweep({"focal_length": [24, 70], "tint": [0.0, 0.01]})
    assert ["Tint: no camera adapter steers it" in concern for concern in generator.concerns(tinted)] == [True]
    with pytest.raises(ValueError, match="steers focal_length and shutter_speed, but the sweep varies tint"):
        generate(generator, CameraSweep({"tint": [0.0, 0.01, 0.02]}))


def test_an_adapter_of_another_vocabulary_is_refused(generator, result, tmp_path):
    """Its prompts would be read as other words, by a text encoder of the same width."""
    path = result / "camera" / f"genphoto_tiny_{BOTH}.safetensors"
    changed = tmp_path / path.name
    save_file(load_file(path), changed, read_metadata(path) | {"vocabulary": "0123456789abcdef"})
    adapter = build_camera(camera_adapter(*load(changed), changed.name)).float()
    digest = generator.image_model.vocabulary
    with pytest.raises(ValueError, match=f"this one has the vocabulary {digest}, not 0123456789abcdef, and reads othe"):
        replace(generator, adapter=adapter)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("focal_length+zoom", "data: settings = 'zoom' is unknown"),
        ("aperture+bokeh", r"data: settings = 'aperture\+bokeh' cannot vary together: Bokeh cannot be K"),
        ("bokeh+bokeh", "has bokeh twice"),
    ],
)
def test_settings_that_cannot_vary_together_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        config(stage(), settings=[settings])
