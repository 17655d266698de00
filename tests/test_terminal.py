"""The command line as a process whose output nobody reads to its end."""

import os
import subprocess
import sys

import pytest


@pytest.mark.skipif(os.name == "nt", reason="pipes break in another way there")
@pytest.mark.parametrize("command", ["settings", "--help"])
def test_a_reader_that_has_seen_enough_ends_the_program_quietly(command):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as output:
        done = subprocess.run(
            [sys.executable, "-m", "genphoto", command], stdout=output, stderr=subprocess.PIPE, check=False
        )
    assert done.stderr == b""
    assert done.returncode in (0, 141)  # argparse does not mind that nobody reads its help
