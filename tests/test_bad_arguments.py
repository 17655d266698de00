"""Every argument of every command with what it cannot be: exit status 2, one line, nothing written."""

import argparse
import json
from pathlib import Path

import pytest
from PIL import Image

from genphoto import cli
from genphoto.camera.settings import SETTINGS
from genphoto.camera.sweep import CameraSweep

NO_NUMBERS = ["nan", "inf", "-inf", "-1", "1e9", "1e999", "9" * 400, "x", "", " ", "1,5,5"]
ZOOM = ["--setting", "focal_length", "--values", "24", "35"]
USABLE = {  # what a command cannot do without
    "settings": [],
    "simulate": ["photo.png", *ZOOM, "--out", "out"],
    "generate": ["--scene", "a red ball", *ZOOM, "--out", "out"],
    "evaluate": ["photo.png", *ZOOM, "--out", "out"],
    "convert": ["photo.png", "out.safetensors"],
    "annotate": ["photos", "--captioner", "nobody"],
    "train": ["tiny-cpu", "--out", "out"],
}


def commands() -> dict[str, argparse.ArgumentParser]:
    (subparsers,) = (a for a in cli._parser()._actions if isinstance(a, argparse._SubParsersAction))
    return subparsers.choices


def takes(action: argparse.Action, text: str) -> bool:
    try:
        action.type(text)
    except argparse.ArgumentTypeError:
        return False
    return True


TYPED = [(command, a) for command, parser in commands().items() for a in parser._actions if a.type is not None]
NUMBERS = [(command, a.option_strings[0], a.nargs or 1) for command, a in TYPED if not takes(a, "nan")]
NAMES = [(command, a.option_strings[:1], a.dest) for command, a in TYPED if takes(a, "nan")]
OF_SWEEPS = [(command, option) for command in ("simulate", "generate", "evaluate") for option in ("--start", "--stop")]


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


def test_every_command_and_every_kind_of_argument_is_looked_at():
    assert set(USABLE) == set(commands())
    assert {a.type for _, a in TYPED}.isdisjoint({int, float, str, Path})
    options = {option for _, option, _ in NUMBERS}
    assert options >= {"--size", "--seed", "--steps", "--cfg", "--strength", "--near", "--far", "--blades", "--iso"}
    assert options >= {"--highlights", "--frames", "--focus-distance", "--focus-point", "--exposure-time"}
    assert {dest for *_, dest in NAMES} >= {"out", "photo", "sequences", "source", "config", "folder", "clip", "sweep"}


@pytest.mark.parametrize(("command", "option", "count"), NUMBERS, ids=lambda value: str(value))
def test_no_numeric_option_takes_what_is_no_number_in_its_range(command, option, count, refused):
    of_sweep = ["--setting", "bokeh", "--start", "1", "--stop", "9"] if option == "--frames" else []
    for text in NO_NUMBERS:
        error = refused(command, *USABLE[command], *of_sweep, option, *[text] * count)
        assert option in error, error


@pytest.mark.parametrize(("command", "option", "dest"), NAMES, ids=lambda value: "".join(value))
def test_no_path_or_name_is_empty(command, option, dest, refused):
    usable = USABLE[command]
    if option:
        refused(command, *usable, *option, "")
    else:
        places = [a.dest for a in commands()[command]._actions if not a.option_strings]
        refused(command, *[("" if places[i : i + 1] == [dest] else word) for i, word in enumerate(usable)])


@pytest.mark.parametrize(("command", "option"), OF_SWEEPS)
def test_no_end_of_a_sweep_is_out_of_range(command, option, refused):
    for text in NO_NUMBERS:
        ends = {"--start": "2000", "--stop": "9000"} | {option: text}
        words = [word for pair in ends.items() for word in pair]
        given = [word for word in USABLE[command] if word not in ZOOM]
        error = refused(command, *given, "--setting", "color_temperature", "--frames", "3", *words)
        assert "Color temperature" in error or option in error


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_no_value_of_a_setting_is_out_of_range(setting, refused):
    for text in ("nan", "inf", "1e9", "9" * 400, "x"):
        given = ["photo.png", "--setting", setting.name, "--values", "0.01", text, "--out", "out"]
        assert setting.label in refused("simulate", *given)


@pytest.mark.parametrize("size", ["99999x99999", "16384x16384", "16385x1", "0x9", "9x", "9", "-9x9", "1e3x9", "9x9x9"])
def test_a_size_is_one_that_memory_can_hold(size, refused):
    for command in ("simulate", "generate"):
        assert "--size" in refused(command, *USABLE[command], "--size", size)


DOCUMENT = json.loads(CameraSweep({"aperture": [2, 4]}).to_json())
BAD_SWEEPS = {
    "deep": "[" * 100_000,
    "deep object": '{"a":' * 100_000,
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


def test_no_memory_is_an_error_in_one_line(refused, monkeypatch):
    import torch

    from genphoto.commands import simulate

    def greedy(*_, **__):
        return torch.empty(10**15)

    monkeypatch.setattr(simulate, "simulate", greedy)  # as if the pictures were that large
    assert "memory" in refused("simulate", *USABLE["simulate"])
