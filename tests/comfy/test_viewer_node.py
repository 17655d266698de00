"""GenPhotoSweepViewer in a running ComfyUI: the files it writes and what it tells the browser."""

import re

import pytest
import torch
from PIL import Image

from .base_camera import BASE_CAMERA
from .tiny_sd15 import node

LABELS = ["f/1.4", "f/2.8", "f/16"]


def graph(images=3, sweep=None, compare=None):
    """Batches of that many frames, red to look at and blue to compare with, and a sweep of that many apertures."""
    lens = {"setting": "aperture", "setting.first": 1.4, "setting.last": 16.0, "setting.focal_length_mm": 85.0}
    prompt = {
        "show": node("GenPhotoSweepViewer", images=["images", 0]),
        "images": node("EmptyImage", width=24, height=16, batch_size=images, color=0xFF0000),
    }
    if sweep is not None:
        values = " ".join(LABELS[:sweep])
        prompt["sweep"] = node("CameraSweepSpec", frames=1, spacing="stops", **lens, **BASE_CAMERA | {"values": values})
        prompt["show"]["inputs"]["sweep"] = ["sweep", 0]
    if compare is not None:
        prompt["compare"] = node("EmptyImage", width=24, height=16, batch_size=compare, color=0x0000FF)
        prompt["show"]["inputs"]["compare"] = ["compare", 0]
    return prompt


def shown(comfy, prompt, **options):
    done = comfy.run(prompt, **options)
    assert done.success, done.error
    return done.ui["show"]


def color(comfy, filename):
    return Image.open(comfy.base / "temp" / filename).getpixel((0, 0))


def test_frames_go_to_temp_with_the_values_of_the_sweep(comfy):
    told = shown(comfy, graph(sweep=3))
    assert set(told) == {"images", "genphoto_labels", "genphoto_compare"}
    assert told["genphoto_labels"] == LABELS
    assert told["genphoto_compare"] == []
    assert {(file["type"], file["subfolder"]) for file in told["images"]} == {("temp", "")}
    assert [color(comfy, file["filename"]) for file in told["images"]] == [(255, 0, 0)] * 3


def test_frames_without_a_sweep_are_numbered(comfy):
    assert shown(comfy, graph())["genphoto_labels"] == ["frame 1", "frame 2", "frame 3"]


def test_several_sweeps_may_follow_one_another(comfy):
    labels = shown(comfy, graph(images=4, sweep=2))["genphoto_labels"]
    assert labels == ["f/1.4 (sweep 1)", "f/2.8 (sweep 1)", "f/1.4 (sweep 2)", "f/2.8 (sweep 2)"]


@pytest.mark.parametrize("compare", [1, 2, 4])
def test_compared_frames_are_named_and_are_no_results(comfy, compare):
    told = shown(comfy, graph(images=4, compare=compare))
    assert len(told["images"]) == len(told["genphoto_compare"]) == 4
    assert len(set(told["genphoto_compare"])) == compare
    assert [color(comfy, name) for name in told["genphoto_compare"]] == [(0, 0, 255)] * 4


def test_each_batch_of_a_list_keeps_its_own_frames_to_compare(comfy):
    prompt = graph(images=6, compare=1)
    prompt["green"] = node("EmptyImage", width=24, height=16, batch_size=1, color=0x00FF00)
    prompt["both"] = node("ImageBatch", image1=["compare", 0], image2=["green", 0])
    for name, batch, size in (("images", "images", 3), ("compare", "both", 1)):
        prompt[f"{name} list"] = node("RebatchImages", images=[batch, 0], batch_size=size)
        prompt["show"]["inputs"][name] = [f"{name} list", 0]
    told = shown(comfy, prompt)
    assert len(told["images"]) == len(told["genphoto_labels"]) == 6
    assert [color(comfy, name) for name in told["genphoto_compare"]] == [(0, 0, 255)] * 3 + [(0, 255, 0)] * 3


def test_a_cached_run_tells_the_same(comfy):
    first = comfy.run(graph(sweep=3, compare=1))
    again = comfy.run(graph(sweep=3, compare=1), after=first)
    assert again.executed == []
    assert again.ui == first.ui


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ({"images": 2, "sweep": 3}, r"images holds 2 frames, but the sweep has 3 \(f/1.4; f/2.8; f/16\)"),
        ({"images": 1, "sweep": 2}, "images holds 1 frame, but the sweep has 2 .*'Rebatch Images'"),
        ({"images": 4, "compare": 3}, "compare holds 3 frames, images 4"),
        ({"images": 1, "compare": 2}, "compare holds 2 frames, images 1"),
    ],
)
def test_batches_that_do_not_fit_are_refused(comfy, batches, message):
    failed = comfy.run(graph(**batches))
    assert not failed.success
    assert re.search(message, failed.error)


@pytest.mark.parametrize("empty", ["images", "compare"])
def test_a_batch_without_frames_is_refused(comfy, empty):
    batches = {"images": torch.ones(2, 16, 24, 3), "compare": torch.ones(1, 16, 24, 3)} | {
        empty: torch.ones(0, 16, 24, 3)
    }
    with pytest.raises(ValueError, match=rf"{empty} holds no frames\. Connect"):
        comfy.call("GenPhotoSweepViewer", **batches)
