"""What a program in a terminal meets: readers that leave, consoles of few characters, too little memory."""

import os
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
import torch
from PIL import Image

from genphoto import cli


def run(*arguments, **more):
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1]), **more.pop("environment", {})}
    command = [sys.executable, "-m", "genphoto", *arguments]
    return subprocess.run(command, stderr=subprocess.PIPE, check=False, env=environment, **more)


@pytest.mark.skipif(os.name == "nt", reason="pipes break in another way there")
@pytest.mark.parametrize(("command", "status"), [("settings", 141), ("--help", 0)])
def test_a_reader_that_has_seen_enough_ends_the_program_quietly(command, status):
    """Argparse does not mind that nobody reads its help."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as output:
        done = run(command, stdout=output)
    assert done.stderr == b""
    assert done.returncode in (status, 141)


def test_a_console_of_few_characters_does_not_fail_what_is_written(tmp_path):
    Image.new("RGB", (24, 16)).save(tmp_path / "photo.png")
    out = "\u5199\u771f"  # "photograph", which code page 1252 does not have
    arguments = ["photo.png", "--setting", "color_temperature", "--values", "3000", "6504", "--out", out]
    console = {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    done = run("simulate", *arguments, cwd=tmp_path, stdout=subprocess.DEVNULL, environment=console)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / out / "sweep.json").exists()


def test_a_notebook_may_call_the_command_line():
    with redirect_stdout(StringIO()) as said:
        assert cli.main(["settings"]) == 0
    assert "focal_length" in said.getvalue()


def test_memory_that_ran_out_is_told_from_other_errors():
    with pytest.raises(RuntimeError) as out_of_memory:
        torch.empty(1 << 60, dtype=torch.uint8)
    with pytest.raises(RuntimeError) as other:
        torch.empty(2) + torch.empty(3)
    assert cli.lacks_memory(out_of_memory.value)
    assert cli.lacks_memory(MemoryError())
    assert not cli.lacks_memory(other.value)
