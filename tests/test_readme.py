"""The README's commands and code do what it says."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

from genphoto.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language, containing):
    return next(text for text in re.findall(rf"```{language}\n(.*?)```", README, re.S) if containing in text)


def run(command, out, *more):
    words = shlex.split(command.split("-m genphoto ")[1])
    words[words.index("--out") + 1] = str(out)
    return main([*words, *more])


def test_the_first_command_generates_a_sweep(tmp_path):
    assert run(block("bash", "a red ball in front"), tmp_path / "out", "--steps", "2") == 0
    assert len(list((tmp_path / "out").glob("0*.png"))) == 5


def test_the_picture_at_the_top_is_taken_by_its_command(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert run(block("bash", "simulate docs/"), tmp_path / "out", "--size", "150x100") == 0
    assert len(list((tmp_path / "out").glob("0*.png"))) == 4


def test_every_other_example_is_understood(tmp_path, capsys):
    """Up to the files that it names and that are not there."""
    lines = block("bash", "genphoto settings").replace("\\\n", "").strip().splitlines()
    assert len(lines) > 4
    for line in lines:
        words = shlex.split(line.split("#")[0])[3:]
        if words != ["settings"]:
            words[words.index("--out") + 1] = str(tmp_path / "out")
            assert main(words) == 2
            error = capsys.readouterr().err
            assert "photo.jpg" in error or "SD15" in error or "v3_sd15_mm.ckpt" in error, error


def test_the_python_example_runs():
    shape = "\nassert frames.shape == (3, 3, 256, 384)"
    subprocess.run([sys.executable, "-c", block("python", "simulate") + shape], cwd=ROOT, check=True)
