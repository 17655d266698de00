"""A folder of photographs: every photograph has its index in every process, and bad files are named once."""

import json
import logging

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from genphoto.data.photos.folder import PhotoFolder, list_photos

SIZE = (6, 8)


def write_photo(path, grey: int, caption: str | None = "a wall") -> None:
    Image.new("RGB", SIZE[::-1], (grey, grey, grey)).save(path)
    if caption is not None:
        path.with_suffix(".txt").write_text(caption, encoding="utf-8")


def truncate(path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"IDAT") + 8])


def ramp(dtype=np.uint8) -> np.ndarray:
    return np.arange(SIZE[0] * SIZE[1]).reshape(SIZE).astype(dtype)


@pytest.fixture
def folder(tmp_path):
    """Eight photographs a to h: c, d, f unreadable; g without caption; h with an empty one. Depth: a, b, c, e."""
    for number, letter in enumerate("abcdefgh"):
        write_photo(tmp_path / f"{letter}.png", 10 * number, f"photograph {letter}")
    truncate(tmp_path / "c.png")
    (tmp_path / "d.png").write_bytes(b"")
    (tmp_path / "f.png").write_text("no picture")
    (tmp_path / "g.txt").unlink()
    (tmp_path / "h.txt").write_text(" \n")
    for letter in "abce":
        Image.fromarray(ramp()).save(tmp_path / f"{letter}_depth.png")
    return tmp_path


def grey(item) -> int:
    return round(float(item.photo.image.mean()) * 255)


def warnings(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_photographs_have_their_captions_in_the_order_of_names(folder):
    photos = PhotoFolder(folder)
    assert photos.names == ("a.png", "b.png", "c.png", "d.png", "e.png", "f.png")
    assert [(grey(photos[i]), photos[i].caption, photos[i].name) for i in (0, 1, 4)] == [
        (0, "photograph a", "a.png"),
        (10, "photograph b", "b.png"),
        (40, "photograph e", "e.png"),
    ]
    assert photos[0].photo.disparity is None
    assert photos[0].focus_m is None
    assert PhotoFolder(folder).names == photos.names
    assert len(list(photos)) == 6  # iteration ends


def test_the_next_readable_photograph_replaces_an_unreadable_one_whatever_was_read_before(folder):
    expected = ["a.png", "b.png", "e.png", "e.png", "e.png", "a.png"]
    photos = PhotoFolder(folder)
    assert [photos[i].name for i in range(6)] == expected
    assert [photos[i].name for i in range(6)] == expected
    late = PhotoFolder(folder)
    assert [late[i].name for i in reversed(range(6))] == expected[::-1]


def test_every_bad_file_is_reported_once_with_its_reason(folder, caplog):
    photos = PhotoFolder(folder)
    for _ in range(3):
        for i in range(len(photos)):
            photos[i]
    said = warnings(caplog)
    for letter, reason in {
        "c": "damaged",
        "d": "0 bytes",
        "f": "not a JPEG, PNG, TIFF, WebP or BMP",
        "g": "it has no caption",
        "h": "its caption is empty",
    }.items():
        (line,) = [line for line in said if f"{letter}.png is left out" in line]
        assert reason in line
    assert "2 of 8 photographs are left out (1: it has no caption, 1: its caption is empty)" in said[2]
    assert len(said) == 6


def test_an_unreadable_file_is_never_tried_again(folder):
    photos = PhotoFolder(folder)
    assert photos[3].name == "e.png"
    write_photo(folder / "d.png", 99)
    assert photos[3].name == "e.png"


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_give_the_same_photographs_and_tell_each_other_of_bad_ones(folder, start):
    photos = PhotoFolder(folder)
    loader = DataLoader(photos, batch_size=None, num_workers=2, multiprocessing_context=start)
    assert [item.name for item in loader] == [photos[i].name for i in range(6)]
    fresh = PhotoFolder(folder)
    assert len([item.name for item in DataLoader(fresh, batch_size=None, num_workers=2)]) == 6
    assert fresh._unreadable.tolist() == [False, False, True, True, False, True]


def test_depth_is_read_where_it_is_wanted_and_photographs_without_it_are_left_out(folder, caplog):
    photos = PhotoFolder(folder, with_depth=True, near_m=2, far_m=10)
    assert photos.names == ("a.png", "b.png", "c.png", "e.png")
    disparity = photos[0].photo.disparity
    assert disparity.aminmax() == (torch.tensor(1 / 10), torch.tensor(1 / 2))
    assert photos[0].focus_m == pytest.approx(1 / float(disparity[3, 4]))
    assert sum("it has no depth" in line and "left out: " in line for line in warnings(caplog)) == 2  # d, f


def test_damaged_depth_is_reported_as_the_photographs_and_ignored_where_depth_is_not_wanted(folder, caplog):
    truncate(folder / "a_depth.png")
    Image.new("L", (3, 3)).save(folder / "b_depth.png")
    assert PhotoFolder(folder)[0].name == "a.png"
    assert not [line for line in warnings(caplog) if "a.png is left out" in line or "b.png is left out" in line]
    assert PhotoFolder(folder, with_depth=True)[0].name == "e.png"
    assert "a_depth.png is damaged" in next(line for line in warnings(caplog) if "a.png is left out" in line)
    assert "3 x 3 pixels" in next(line for line in warnings(caplog) if "b.png is left out" in line)


def test_the_name_of_a_depth_file_says_its_kind(tmp_path):
    meters = np.full(SIZE, 4.0, np.float32)
    meters[0] = 2
    write_photo(tmp_path / "a.png", 10)
    np.save(tmp_path / "a_metric.npy", meters)
    write_photo(tmp_path / "b.png", 20)
    np.save(tmp_path / "b_disparity.npy", ramp(np.float32))
    write_photo(tmp_path / "c.png", 30)
    (tmp_path / "depth").mkdir()
    Image.fromarray(255 - ramp()).save(tmp_path / "depth" / "c.png")
    photos = PhotoFolder(tmp_path, with_depth=True, depth_kind="distance", near_m=2, far_m=4)
    assert photos.names == ("a.png", "b.png", "c.png")
    assert photos[0].focus_m == 4
    b, c = (photos[i].photo.disparity for i in (1, 2))
    assert b[0, 0] == pytest.approx(1 / 4)
    assert b[-1, -1] == pytest.approx(1 / 2)
    assert c[0, 0] == pytest.approx(1 / 4)  # the largest distance
    assert c[-1, -1] == pytest.approx(1 / 2)


def test_captions_stand_in_metadata_jsonl_and_a_text_file_goes_first(tmp_path, caplog):
    for letter in "abc":
        write_photo(tmp_path / f"{letter}.png", 10, caption="from a\ntext file" if letter == "b" else None)
    lines = [{"file_name": f"{name}.png", "text": f"listed\u2028{name}", "width": 8} for name in "abx"]
    text = "\r\n".join(json.dumps(line, ensure_ascii=False) for line in [*lines, {"file_name": "c.png", "text": None}])
    (tmp_path / "metadata.jsonl").write_text("\ufeff" + text + "\n", encoding="utf-8")
    photos = PhotoFolder(tmp_path)
    assert [item.caption for item in photos] == ["listed a", "from a text file"]
    assert any("1 files are not in the folder, such as x.png" in line for line in warnings(caplog))


@pytest.mark.parametrize("line", ['{"file_name": "a.png", "te', "[]", '{"text": "a"}', '{"file_name": 1}'])
def test_a_broken_line_of_metadata_jsonl_is_named(tmp_path, line):
    write_photo(tmp_path / "a.png", 10)
    (tmp_path / "metadata.jsonl").write_text(f'{{"file_name": "a.png", "text": "a"}}\n\n{line}\n')
    with pytest.raises(ValueError, match=r"metadata\.jsonl, line 3 is not "):
        PhotoFolder(tmp_path)


def test_hidden_files_depth_and_a_second_picture_of_the_same_name_are_no_photographs(tmp_path, caplog):
    for name in ("a.JPG", "a_depth.png", "b.jpg", "b.png", "._a.jpg", "deep_depth.png", ".b.png.77"):
        Image.new("L", SIZE[::-1]).save(tmp_path / name, format="PNG")
    assert [files.path.name for files in list_photos(tmp_path)] == ["a.JPG", "b.jpg", "deep_depth.png"]
    assert "b.png is left out: caption and depth would be those of b.jpg." in warnings(caplog)[0]


def test_a_caption_that_is_not_text_is_reported(tmp_path, caplog):
    write_photo(tmp_path / "a.png", 10)
    write_photo(tmp_path / "b.png", 10)
    (tmp_path / "b.txt").write_bytes("ein Bär".encode("latin-1"))
    assert PhotoFolder(tmp_path).names == ("a.png",)
    assert "b.png is left out: its caption is not UTF-8 text." in warnings(caplog)[0]


def test_an_unusable_folder_is_one_error_that_says_what_was_found_and_what_is_expected(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere is not a folder\. Expected: photographs \(\.jpg"):
        PhotoFolder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"holds no photograph\. Found: 0 other files, 0 subfolders\. Expected"):
        PhotoFolder(tmp_path)
    (tmp_path / "cats").mkdir()
    (tmp_path / "notes.md").touch()
    with pytest.raises(ValueError, match=r"Found: 1 other files, 1 subfolders \(cats\), which are not looked into"):
        PhotoFolder(tmp_path)
    write_photo(tmp_path / "a.png", 10, caption=None)
    write_photo(tmp_path / "b.png", 10, caption="")
    with pytest.raises(ValueError, match=r"2 photographs \(1: it has no caption, 1: its caption is empty\)\. Expected"):
        PhotoFolder(tmp_path)
    write_photo(tmp_path / "a.png", 10)
    with pytest.raises(ValueError, match="1: it has no depth, 1: its caption is empty"):
        PhotoFolder(tmp_path, with_depth=True)
    truncate(tmp_path / "a.png")
    with pytest.raises(ValueError, match="1 with a caption, none of which can be read"):
        PhotoFolder(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth_kind": "height"}, "Unknown depth kind 'height'"),
        ({"depth_kind": "metric", "near_m": 1}, "Metric depth has its distances already"),
        ({"depth_kind": "distance", "near_m": 1}, "give both distances"),
        ({"near_m": 5, "far_m": 2}, "must be above 0 and below the farthest"),
    ],
)
def test_impossible_depth_options_are_refused_before_a_file_is_blamed(folder, caplog, options, message):
    with pytest.raises(ValueError, match=message):
        PhotoFolder(folder, with_depth=True, **options)
    assert not warnings(caplog)
