"""The command line as a process, on consoles of all kinds."""

import os
import subprocess
import sys

import pytest
from PIL import Image

from genphoto.camera.sweep import CameraSweep

PROGRAM = [sys.executable, "-m", "genphoto"]
NAME = "Öl 写真 \N{CAMERA}"  # what no western console can print
CP1252 = {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}


def test_a_console_without_unicode_does_not_stop_a_run(tmp_path):
    Image.new("RGB", (12, 8), (90, 80, 70)).save(tmp_path / "photo.png")
    out = tmp_path / NAME
    given = ["simulate", tmp_path / "photo.png", "--setting", "shutter_speed", "--values", "0.2", "--out", out]
    done = subprocess.run([*PROGRAM, *given], capture_output=True, env=os.environ | CP1252, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    printed = done.stdout.decode("cp1252")
    assert "Öl \\u5199\\u771f" in printed
    assert printed.count("sweep.json") == 1
    assert CameraSweep.from_json((out / "sweep.json").read_text(encoding="utf-8")).values == {"shutter_speed": (0.2,)}


@pytest.mark.skipif(os.name == "nt", reason="pipes break in another way there")
@pytest.mark.parametrize(("command", "unbuffered"), [("settings", "1"), ("settings", ""), ("--help", "")])
def test_a_reader_that_has_seen_enough_ends_the_program_quietly(command, unbuffered):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as output:
        environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run([*PROGRAM, command], stdout=output, stderr=subprocess.PIPE, env=environment, check=False)
    assert done.stderr == b""
    assert done.returncode in (0, 141)  # argparse ignores that its help is not read


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is always full")
def test_output_that_cannot_be_written_is_an_error_in_one_line():
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*PROGRAM, "settings"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"No space left" in done.stderr
