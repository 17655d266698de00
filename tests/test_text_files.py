"""Text files as editors and shells of all systems write them, through everything that reads one."""

import json
import shutil

import pytest
from PIL import Image

from genphoto.camera.sweep import CameraSweep
from genphoto.cli import main
from genphoto.commands.evaluate import sweep_of
from genphoto.data.photo_folder import PhotoFolder
from genphoto.text_files import read_text
from genphoto.training.config_file import RECIPES, load_config

TEXT = "a café, ein Öl, 写真\nsecond line\n"
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16")
NOT_TEXT = {"latin-1": "Öl\n".encode("latin-1"), "utf-16 without mark": "Öl\n".encode("utf-16-le"), "cut": b"\xff\xfea"}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", [*ENCODINGS, "big-endian utf-16"])
def test_every_encoding_that_says_what_it_is_is_read(encoding, newline, tmp_path):
    text = TEXT.replace("\n", newline)
    big = b"\xfe\xff" + text.encode("utf-16-be")
    (tmp_path / "text").write_bytes(big if encoding.startswith("big") else text.encode(encoding))
    assert read_text(tmp_path / "text") == TEXT


@pytest.mark.parametrize("kind", NOT_TEXT)
def test_another_encoding_is_refused_with_the_place(kind, tmp_path):
    (tmp_path / "text").write_bytes(NOT_TEXT[kind])
    with pytest.raises(ValueError, match=r"^not UTF-8 text \(byte \d"):
        read_text(tmp_path / "text")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_sweeps_are_read_in_every_encoding(encoding, tmp_path):
    Image.new("RGB", (12, 8), (90, 80, 70)).save(tmp_path / "photo.png")
    sweep = CameraSweep({"shutter_speed": [0.25, 0.5]})
    (tmp_path / "sweep.json").write_text(sweep.to_json(), encoding=encoding)
    out = tmp_path / "out"
    given = ["--sweep", str(tmp_path / "sweep.json"), "--out", str(out), "--device", "cpu"]
    assert main(["simulate", str(tmp_path / "photo.png"), *given]) == 0
    assert CameraSweep.from_json((out / "sweep.json").read_text()) == sweep
    shutil.copy(tmp_path / "sweep.json", out / "sweep.json")
    assert sweep_of(out) == sweep  # as evaluate reads the one beside the frames


def test_a_sweep_as_a_text_with_a_mark_is_read():
    assert len(CameraSweep.from_json("\ufeff" + CameraSweep({"aperture": [2, 4]}).to_json())) == 2


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_recipes_are_read_in_every_encoding(encoding, tmp_path):
    recipe = (RECIPES / "tiny-cpu.toml").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(f"# für mich\n{recipe}", encoding=encoding)
    assert load_config(tmp_path / "mine.toml") == load_config("tiny-cpu")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_captions_are_read_in_every_encoding(encoding, tmp_path):
    for name in "ab":
        Image.new("RGB", (8, 8), (90, 80, 70)).save(tmp_path / f"{name}.png")
    (tmp_path / "a.txt").write_text("写真 of a café\n", encoding=encoding)
    listed = json.dumps({"file_name": "b.png", "text": "a line\u2028of Öl"}, ensure_ascii=False)
    (tmp_path / "metadata.jsonl").write_text(listed + "\n", encoding=encoding, newline="\r\n")
    folder = PhotoFolder(tmp_path, depth_kind=None)
    assert [folder[index].caption for index in range(2)] == ["写真 of a café", "a line of Öl"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = " + "[" * 100_000, "not valid TOML: nested too deep"),
        ("[data]\nscenes = " + "9" * 400, "data: scenes = .* is too large"),
        ("seed = " + "9" * 5000, "digits"),
    ],
    ids=["deep", "hundreds of digits", "thousands of digits"],
)
def test_a_recipe_beyond_all_bounds_is_refused_with_its_name(content, message, tmp_path):
    (tmp_path / "mine.toml").write_text(content)
    with pytest.raises(ValueError, match=rf"mine\.toml.*{message}"):
        load_config(tmp_path / "mine.toml")
