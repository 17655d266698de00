"""Every number and path that a command takes: what is out of range ends in one line, exit status 2 and no file."""

import argparse
import os

import numpy as np
import pytest
from PIL import Image

from genphoto import cli

BAD_NUMBERS = ["nan", "inf", "-inf", "1e99", "-1e99", "", "abc", "9" * 400, "1,2,3", "0x10"]
BASE = {
    "simulate": ["photo.png", "--setting", "focal_length", "--values", "24", "35", "--out", "out"],
    "generate": ["--scene", "a red ball", "--setting", "focal_length", "--values", "24", "35", "--out", "out"],
    "evaluate": ["frames", "--setting", "focal_length", "--values", "24", "35", "--out", "out"],
    "convert": ["a.ckpt", "b.safetensors"],
    "annotate": ["folder"],
    "train": ["tiny-cpu", "--out", "out"],
}


def options(kind):
    """(command, option, number of values) of every option whose text becomes a number, or a path."""
    commands = next(a for a in cli._parser()._actions if isinstance(a, argparse._SubParsersAction)).choices
    for command, parser in commands.items():
        for action in parser._actions:
            if action.option_strings and action.type is not None:
                is_path = action.type.__name__ == "file_path"
                if is_path == (kind == "path"):
                    yield command, action.option_strings[0], action.nargs if isinstance(action.nargs, int) else 1


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a photograph, which nothing but output may join."""
    Image.fromarray(np.zeros((16, 24, 3), np.uint8)).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(here, capsys, *arguments):
    assert cli.main([str(a) for a in arguments]) == 2, arguments
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1, errors
    assert len(errors[0]) < 500
    assert sorted(os.listdir(here)) == ["photo.png"]
    return errors[0]


def test_every_number_is_looked_at():
    found = {option for _, option, _ in options("number")}
    assert {"--cfg", "--strength", "--highlights", "--blades", "--size", "--near", "--frames", "--steps"} <= found


@pytest.mark.parametrize(("command", "option", "count"), list(options("number")))
def test_numbers_out_of_range_are_refused(here, capsys, command, option, count):
    for value in BAD_NUMBERS:
        line = refused(here, capsys, command, *BASE[command], option, *[value] * count)
        assert option in line


@pytest.mark.parametrize(("command", "option", "count"), list(options("path")))
def test_an_empty_path_is_refused(here, capsys, command, option, count):
    assert "path is empty" in refused(here, capsys, command, *BASE[command], option, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--size", "99999x99999"], "megapixels"),
        (["--blades", "1000000"], "from 0 to 64"),
        (["--highlights", "2000"], "from 0 to 16 stops"),
        (["--near", "1,000"], "can be 1 or 1000"),
        (["--setting", "aperture", "--values", "9" * 400], "Aperture"),
    ],
)
def test_what_was_accepted_or_ended_in_a_traceback(here, capsys, arguments, said):
    assert said in refused(here, capsys, "simulate", *BASE["simulate"], *arguments)
