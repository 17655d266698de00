"""GenPhotoSaveSweep in a running ComfyUI: its files, read back."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ..files.test_sweeps import assert_says, exif_of
from .test_physics_nodes import graph, photo  # noqa: F401  photo is a fixture

SAVE = {
    "images": ["physics", 0],
    "sweep": ["physics", 1],
    "filename_prefix": "genphoto/sweep",
    "format": "png",
    "quality": 95,
    "origin": "simulated from a photograph",
    "contact_sheet": True,
    "animation": False,
    "fps": 2.0,
}
WORKFLOW = {"version": 0.4, "nodes": [{"title": "Öl, 写真"}]}
TWO_SETTINGS = {"values": "1.4 2.8 16", "vary_with": ["warmth", 0]}


@pytest.fixture
def out(comfy, monkeypatch, tmp_path):
    """ComfyUI's output folder, an empty one."""
    import folder_paths

    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path))
    return tmp_path


@pytest.fixture
def save(comfy, out):
    """(pictures, sweep or values of the focal length, inputs of the node) -> the written files."""
    from genphoto.camera.sweep import CameraSweep

    def run(images, sweep, **inputs):
        if not isinstance(sweep, CameraSweep):
            sweep = CameraSweep({"focal_length": sweep})
        before = set(files_in(out))
        comfy.call("GenPhotoSaveSweep", **{**SAVE, **inputs, "images": images, "sweep": sweep})
        return sorted(set(files_in(out)) - before)

    return run


def save_graph(**inputs):
    """A photograph under three apertures and color temperatures, saved."""
    prompt = graph("aperture", sweep_inputs=TWO_SETTINGS, physics_inputs={"focus": "distance", "focus.distance_m": 1.5})
    prompt["warmth"] = graph("color_temperature")["sweep"]
    del prompt["show"]
    prompt["save"] = {"class_type": "GenPhotoSaveSweep", "inputs": {**SAVE, **inputs}}
    return prompt


def files_in(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def pictures(count=3, height=20, width=30, channels=3):
    return torch.rand(count, height, width, channels, generator=torch.Generator().manual_seed(count))


def pixels(path):
    return torch.from_numpy(np.array(Image.open(path))).float() / 255


@pytest.mark.parametrize(("format", "ending"), [("png", ".png"), ("jpeg", ".jpg"), ("webp", ".webp")])
def test_a_graph_saves_frames_that_say_how_they_were_taken(format, ending, comfy, photo, out):  # noqa: F811
    done = comfy.run(save_graph(format=format, animation=True), workflow=WORKFLOW)
    assert done.success, done.error
    frames, sweep = done.outputs["physics"]
    saved = [out / file["subfolder"] / file["filename"] for file in done.ui["save"]["images"]]
    assert sorted(saved) == files_in(out)
    assert {file["type"] for file in done.ui["save"]["images"]} == {"output"}
    stems = ["01_f1.4_2000K", "02_f2.8_4472K", "03_f16_10000K", "contact_sheet"]
    assert [path.name for path in saved] == [
        *(f"sweep_00001_{stem}{ending}" for stem in stems),
        "sweep_00001_animation.webp",
    ]
    for number, (path, camera) in enumerate(zip(saved[:3], sweep.cameras, strict=True), 1):
        assert camera.focus_distance_m == 1.5
        assert_says(path, camera, read_again(sweep), number)
        assert (pixels(path) - frames[number - 1].cpu()).abs().mean() < (0.5 / 255 if format == "png" else 0.03)
    with Image.open(saved[4]) as animation:
        assert animation.n_frames == 3


def read_again(sweep):
    """The sweep as the library that tests import knows it; ComfyUI imported the library under another name."""
    from genphoto.camera.sweep import CameraSweep

    return CameraSweep.from_json(sweep.to_json())


@pytest.mark.parametrize("format", ["png", "webp"])
def test_the_workflow_is_written_where_core_writes_it(format, comfy, photo, out):  # noqa: F811
    prompt = save_graph(format=format, animation=True)
    prompt["core"] = {
        "class_type": "SaveImage" if format == "png" else "SaveAnimatedWEBP",
        "inputs": {"images": ["physics", 0], "filename_prefix": "core"},
    }
    if format == "webp":
        prompt["core"]["inputs"] |= {"fps": 2.0, "lossless": False, "quality": 80, "method": "fastest"}
    done = comfy.run(prompt, workflow=WORKFLOW)
    assert done.success, done.error
    expected = graph_in(out / done.ui["core"]["images"][0]["filename"])
    assert json.loads(expected["workflow"]) == WORKFLOW
    for file in done.ui["save"]["images"]:
        found = graph_in(out / file["subfolder"] / file["filename"])
        if Path(file["filename"]).suffix == f".{format}":
            assert found == expected
        assert {name: json.loads(text) for name, text in found.items() if name in ("workflow", "prompt")} == {
            name: json.loads(text) for name, text in expected.items()
        }


def graph_in(path):
    """What ComfyUI's frontend finds: text chunks of PNG, "name:text" in any tag of WebP's first directory."""
    with Image.open(path) as image:
        if path.suffix == ".png":
            return {name: image.info[name] for name in ("prompt", "workflow") if name in image.info}
        texts = [text for text in image.getexif().values() if isinstance(text, str)]
    return dict(text.split(":", 1) for text in texts if text.startswith(("prompt:", "workflow:")))


def test_without_metadata_the_workflow_stays_private_and_the_camera_is_told(comfy, photo, out, monkeypatch):  # noqa: F811
    from comfy.cli_args import args

    monkeypatch.setattr(args, "disable_metadata", True)
    done = comfy.run(save_graph(format="webp", animation=True), workflow=WORKFLOW)
    assert done.success, done.error
    for path in files_in(out):
        assert graph_in(path) == {}
        assert b"class_type" not in path.read_bytes()
    assert "FNumber" in exif_of(files_in(out)[0])[0]


def test_sweeps_are_counted_and_nothing_is_overwritten(out, save):
    first = save(pictures(), [24, 35, 70])
    before = {path: path.read_bytes() for path in first}
    (out / "genphoto" / "sweep_00007_mine.txt").write_text("mine")
    second = save(pictures(6), [24, 35, 70], contact_sheet=False)
    expected = [f"sweep_0000{sweep}_0{frame}" for sweep in (8, 9) for frame in (1, 2, 3)]
    assert [path.name[:14] for path in second] == expected
    for path, picture in zip(second, pictures(6), strict=True):
        assert (pixels(path) - picture).abs().max() < 0.51 / 255
    assert [exif_of(path)[1]["frame"] for path in second] == [1, 2, 3, 1, 2, 3]
    assert {path: path.read_bytes() for path in first} == before


@pytest.mark.parametrize("prefix", ["sweep", "genphoto/sweep/", "a/b/%width%x%height%"])
def test_the_prefix_gives_folder_and_name(prefix, out, save):
    first, again = (save(pictures(1), [24], filename_prefix=prefix, contact_sheet=False) for _ in range(2))
    stem = prefix.rstrip("/").replace("%width%", "30").replace("%height%", "20")
    assert [first, again] == [[out / f"{stem}_0000{n}_01_24mm.png"] for n in (1, 2)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_of_any_kind_are_saved_as_color(channels, dtype, save):
    given = pictures(1, channels=channels).to(dtype)
    (path,) = save(given * 1.2 - 0.1, [24], contact_sheet=False)
    given = given.float() * 1.2 - 0.1
    if channels == 4:
        given = given[..., :3] * given[..., 3:] + 1 - given[..., 3:]
    expected = given.expand(1, 20, 30, 3).clamp(0, 1)[0]
    assert (pixels(path) - expected).abs().max() < (0.51 if dtype == torch.float32 else 4) / 255


@pytest.mark.parametrize("count", [1, 4, 7])
def test_pictures_that_are_not_of_the_sweep_are_refused(count, out, save):
    with pytest.raises(ValueError, match=f"images holds {count} pictures, but the sweep has 3 frames. Connect"):
        save(pictures(count), [24, 35, 70])
    assert files_in(out) == []


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("../outside/sweep", "outside the output folder is not allowed"),
        ("/tmp/sweep", "outside the output folder is not allowed"),
        ("", "filename_prefix = '' is no name. Write one, such as genphoto/sweep"),
        ("genphoto/..", "is no name"),
        ("file/sweep", "filename_prefix = 'file/sweep': its folder cannot be used .*. Choose another"),
        ("x" * 300, "cannot be written: File name too long"),
    ],
)
def test_a_place_that_cannot_be_used_is_refused(prefix, words, out, save):
    (out / "file").write_text("mine")
    with pytest.raises(Exception, match=words):
        save(pictures(1), [24], filename_prefix=prefix)
    assert files_in(out) == [out / "file"]
    assert not (out.parent / "outside").exists()


def test_a_full_disk_leaves_nothing_and_is_one_clear_error(comfy, photo, out):  # noqa: F811
    resource = pytest.importorskip("resource")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limit[1]))  # smaller than a frame: a real failing write
    try:
        done = comfy.run(save_graph())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert done.error == (
        "sweep_00001_01_f1.4_2000K.png cannot be written: File too large. Nothing was saved: free some space, or "
        "choose another place."
    )
    assert files_in(out) == []


def test_cancelling_leaves_nothing(comfy, photo, out):  # noqa: F811
    def cancel(moved):
        if moved.node == "save":
            comfy.interrupt()

    done = comfy.run(save_graph(), on_progress=cancel)
    assert done.interrupted
    assert files_in(out) == []
    assert comfy.run(save_graph(), after=done).success
    assert len(files_in(out)) == 4


def test_a_value_out_of_range_is_refused_before_anything_runs(comfy, photo, out):  # noqa: F811
    for wrong in ({"format": "gif"}, {"quality": 0}, {"fps": 0.0}, {"origin": "painted"}):
        done = comfy.run(save_graph(**wrong))
        assert not done.success
        assert next(iter(wrong)) in done.error
        assert done.executed == []
