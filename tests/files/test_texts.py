"""Text as people's programs write it."""

import codecs

import pytest

from genphoto.camera.sweep import CameraSweep
from genphoto.files.texts import read_text

SWEEP = CameraSweep({"focal_length": [24, 35]})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_sweep_is_read_in_every_encoding_that_says_what_it_is(tmp_path, encoding):
    mark = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}.get(encoding, b"")
    (tmp_path / "sweep.json").write_bytes(mark + SWEEP.to_json().encode(encoding))
    assert CameraSweep.from_json(read_text(tmp_path / "sweep.json")) == SWEEP


def test_other_bytes_are_refused_by_name(tmp_path):
    (tmp_path / "a.txt").write_bytes("Größe".encode("latin-1"))
    with pytest.raises(ValueError, match=r"a\.txt is not UTF-8 text"):
        read_text(tmp_path / "a.txt")
