"""Sweep files that are none, and files and folders in each other's place: exit status 2, one line, nothing written."""

import json

import pytest
from PIL import Image

from genphoto import cli
from genphoto.camera.sweep import CameraSweep

ZOOM = ["--setting", "focal_length", "--values", "24", "35"]


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Runs a command line in a folder with a photograph, and says in which line it is refused."""
    Image.new("RGB", (12, 8), (90, 80, 70)).save(tmp_path / "photo.png")
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))

    def run(*arguments: str) -> str:
        assert cli.main(arguments) == 2, arguments
        error = capsys.readouterr().err
        assert error.count("\n") == 1, error
        assert error.endswith("\n")
        assert len(error) < 1500
        assert sorted(p for p in tmp_path.rglob("*") if p.name != "sweep.json") == before
        return error

    return run


DOCUMENT = json.loads(CameraSweep({"aperture": [2, 4]}).to_json())
BAD_SWEEPS = {
    "deep": "[" * 100_000,
    "deep object": '{"a":' * 100_000,
    "endless value": json.dumps(DOCUMENT).replace("2.0", "9" * 5000, 1),
    "huge value": json.dumps(DOCUMENT | {"values": {"aperture": [10**400]}}),
    "huge base": json.dumps(DOCUMENT | {"base": {"iso": 10**400}}),
    "huge sensor": json.dumps(DOCUMENT | {"base": {"sensor": DOCUMENT["base"]["sensor"] | {"width_mm": 10**400}}}),
    "huge turn": json.dumps(DOCUMENT | {"base": {"aperture": {"rotation_deg": 10**400}}}),
    "a million blades": json.dumps(DOCUMENT | {"base": {"aperture": {"blades": 10**6}}}),
    "NaN": json.dumps(DOCUMENT | {"values": {"aperture": [float("nan")]}}),
    "no list": json.dumps(DOCUMENT | {"values": {"aperture": {"a": 1}}}),
    "lists": json.dumps(DOCUMENT | {"values": {"aperture": [[1]]}}),
    "text for base": json.dumps(DOCUMENT | {"base": "mine"}),
    "other version": json.dumps(DOCUMENT | {"version": [1]}),
    "binary": "\x00\x01",
    "empty": "",
}


@pytest.mark.parametrize("kind", BAD_SWEEPS)
def test_a_sweep_file_that_is_none_is_refused(kind, refused, tmp_path):
    (tmp_path / "sweep.json").write_text(BAD_SWEEPS[kind], encoding="utf-8")
    assert "sweep.json" in refused("simulate", "photo.png", "--sweep", "sweep.json", "--out", "out")


@pytest.mark.parametrize(
    "words",
    [
        ["simulate", "photo.png", *ZOOM, "--out", "photo.png"],
        ["simulate", "photo.png", *ZOOM, "--out", "photo.png/out"],
        ["simulate", "photo.png", *ZOOM, "--out", "a" * 300],
        ["simulate", "photos", *ZOOM, "--out", "out"],
        ["simulate", "photo.png", *ZOOM, "--depth", "photos", "--out", "out"],
        ["simulate", "photo.png", "--sweep", "photos", "--out", "out"],
        ["generate", "--scene", "a red ball", *ZOOM, "--out", "photo.png"],
        ["evaluate", "photo.png", *ZOOM, "--out", "photo.png"],
        ["evaluate", "photo.png", *ZOOM, "--reference", "nowhere", "--out", "out"],
        ["evaluate", "photo.png", *ZOOM, "--lpips", "vgg", "--lpips-weights", "photo.png", "--out", "out"],
        ["convert", "photos", "out.safetensors"],
        ["convert", "nowhere.ckpt", "out.safetensors"],
        ["annotate", "nowhere", "--captioner", "nobody"],
        ["annotate", "photo.png", "--captioner", "nobody"],
        ["train", "nowhere", "--out", "out"],
        ["train", "photos", "--out", "out"],
        ["train", "tiny-cpu", "--out", "photo.png"],
        ["train", "tiny-cpu", "--out", "photo.png/out"],
        ["train", "tiny-cpu", "--stage", "", "--out", "out"],
    ],
    ids=lambda words: " ".join(word[:12] for word in words if word not in ZOOM),
)
def test_files_and_folders_are_not_taken_for_each_other(words, refused):
    error = refused(*words)
    assert "Errno" not in error, error
