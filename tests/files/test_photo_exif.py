"""What EXIF says of a photograph: its camera, its color space, and that bytes which are no EXIF harm nothing."""

import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, TiffImagePlugin

from genphoto.data.photos.folder import PhotoFolder
from genphoto.files.frames import read_frames
from genphoto.files.photos import read_camera, read_depth, read_photo

TAGS = {
    "FNumber": 0x829D,
    "FocalLength": 0x920A,
    "Time": 0x829A,
    "ISO": 0x8827,
    "OtherISO": 0x8832,
    "Film": 0xA405,
    "Across": 0xA20E,
    "Down": 0xA20F,
    "Unit": 0xA210,
    "Width": 0xA002,
    "Height": 0xA003,
    "ColorSpace": 0xA001,
}


def rational(top: int, bottom: int) -> TiffImagePlugin.IFDRational:
    return TiffImagePlugin.IFDRational(top, bottom)


def exif_photo(path, size=(4, 4), interop=None, **tags):
    exif = Image.Exif()
    group = exif.get_ifd(0x8769)
    for name, value in tags.items():
        group[TAGS[name]] = value
    if interop:
        group[0xA005] = {1: interop, 2: b"0100"}
    exif[0x8769] = dict(group)
    Image.new("RGB", size, (150, 90, 60)).save(path, exif=exif)
    return path


def test_exif_of_a_camera_is_read(tmp_path):
    path = tmp_path / "a.jpg"
    exif_photo(path, FNumber=rational(28, 10), FocalLength=rational(50, 1), Time=rational(1, 125), ISO=400)
    expected = {"focal_length_mm": 50.0, "exposure_time_s": 1 / 125, "iso": 400.0}
    assert read_camera(path).fields == pytest.approx(expected)


def test_a_phone_becomes_the_full_frame_camera_of_the_same_picture(tmp_path):
    path = exif_photo(tmp_path / "a.jpg", FNumber=rational(18, 10), FocalLength=rational(6, 1), Film=26)
    assert read_camera(path).fields == pytest.approx({"focal_length_mm": 26.0})
    assert read_camera(path, sensor_known=True).fields == pytest.approx({"focal_length_mm": 6.0})


def test_exif_without_values_says_nothing(tmp_path):
    zero = exif_photo(tmp_path / "zero.jpg", FNumber=rational(0, 1), FocalLength=rational(0, 0), ISO=0)
    none = exif_photo(tmp_path / "none.jpg")
    assert read_camera(zero) == read_camera(none)
    assert read_camera(zero).fields == read_camera(zero).left_out == {}


CANON_PIXELS = {"Width": 5184, "Height": 3456}


@pytest.mark.parametrize(
    ("unit", "unit_mm"), [({}, 25.4), ({"Unit": 2}, 25.4), ({"Unit": 3}, 10), ({"Unit": 4}, 1), ({"Unit": 5}, 0.001)]
)
def test_the_size_of_a_sensor_follows_from_that_of_its_pixels(tmp_path, unit, unit_mm):
    """A picture made smaller later: the resolution counts the pixels that the camera wrote."""
    dense = {
        name: rational(round(pixels / side * unit_mm * 1e5), 100000)
        for name, pixels, side in (("Across", 5184, 22.3), ("Down", 3456, 14.9))
    }
    for name, pixels, size in (("small.jpg", CANON_PIXELS, (12, 8)), ("turned.jpg", CANON_PIXELS, (8, 12))):
        found = read_camera(exif_photo(tmp_path / name, size, FocalLength=18.0, **dense, **unit, **pixels))
        assert found.fields["focal_length_mm"] == pytest.approx(18 * 43.267 / 26.82, rel=2e-3)
        assert "18 mm on a sensor of 22.3 x 14.9 mm" in found.notes["focal_length_mm"]


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"Across": rational(0, 1), "Down": rational(1, 0), "Unit": 2, **CANON_PIXELS},
        {"Across": 5900.0, "Down": 5900.0, "Unit": 1, **CANON_PIXELS},  # no unit
        {"Across": 5900.0, "Down": 590.0, "Unit": 2, **CANON_PIXELS},  # no square pixels
        {"Across": 72.0, "Down": 72.0, "Unit": 2, **CANON_PIXELS},  # of a print: a sensor of 1.8 m
        {"Across": 5900.0, "Down": 5900.0, "Unit": 2, "Width": 600, "Height": 400},  # smaller, and only half said
    ],
    ids=["none", "zero", "no unit", "not square", "print", "resized"],
)
@pytest.mark.parametrize("film", [{}, {"Film": 0}, {"Film": 1}, {"Film": 65535}], ids=str)
def test_an_unknown_sensor_is_said_and_a_phone_never_taken_for_full_frame(tmp_path, tags, film):
    phone = read_camera(exif_photo(tmp_path / "phone.jpg", FocalLength=4.2, **tags, **film))
    assert phone.fields == {}
    assert "4.2 mm is too short for full frame" in phone.left_out["focal_length_mm"]
    camera = read_camera(exif_photo(tmp_path / "camera.jpg", FocalLength=18.0, **tags, **film))
    assert camera.fields == {"focal_length_mm": 18.0}
    assert "taken as full frame" in camera.notes["focal_length_mm"]
    known = read_camera(tmp_path / "phone.jpg", sensor_known=True)
    assert known.fields == pytest.approx({"focal_length_mm": 4.2})


def test_one_of_two_resolutions_is_enough(tmp_path):
    for name in ("Across", "Down"):
        found = read_camera(exif_photo(tmp_path / f"{name}.jpg", FocalLength=18.0, **{name: 5905.0}, **CANON_PIXELS))
        assert found.fields["focal_length_mm"] == pytest.approx(29.07, abs=0.01)


def test_values_beyond_a_camera_are_left_out_with_a_word(tmp_path):
    found = read_camera(exif_photo(tmp_path / "a.jpg", FocalLength=9000.0, Time=5000.0, ISO=12))
    assert found.fields == {}
    assert found.left_out["exposure_time_s"] == "5000 s: not between 1e-09 and 3600 s"
    assert found.left_out["focal_length_mm"].startswith("9000 mm: not between 1 and 5000 mm")
    assert found.left_out["iso"].startswith("12 ISO: not between")
    short = read_camera(exif_photo(tmp_path / "b.jpg", FocalLength=0.8), sensor_known=True)
    assert short.left_out == {"focal_length_mm": "0.8 mm: not between 1 and 5000 mm"}


def test_a_high_iso_is_read_where_exif_puts_it(tmp_path):
    assert read_camera(exif_photo(tmp_path / "a.jpg", ISO=65535, OtherISO=102400)).fields == {"iso": 102400.0}


# Adobe RGB (1998) codes (150, 90, 60) as sRGB, from its primaries and gamma 563/256 by hand.
ADOBE_AS_SRGB = torch.tensor([168.0, 90.0, 57.0]) / 255
PLAIN = torch.tensor([150.0, 90.0, 60.0]) / 255


@pytest.mark.parametrize(
    ("tags", "expected", "said"),
    [
        ({"ColorSpace": 65535, "interop": "R03"}, ADOBE_AS_SRGB, False),
        ({"interop": "R03"}, ADOBE_AS_SRGB, False),
        ({"ColorSpace": 2}, ADOBE_AS_SRGB, False),
        ({"ColorSpace": 65535}, PLAIN, True),
        ({"ColorSpace": 65535, "interop": "R98"}, PLAIN, True),
        ({"ColorSpace": 1, "interop": "R03"}, PLAIN, False),
        ({"ColorSpace": 1, "interop": "R98"}, PLAIN, False),
    ],
)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_adobe_rgb_is_known_by_its_exif(tmp_path, tags, expected, said, suffix, caplog):
    path = exif_photo(tmp_path / f"a.{suffix}", **tags)
    assert (read_photo(path)[:, 0, 0] - expected).abs().max() < 1.6 / 255
    assert [("a." + suffix in m, "taken as sRGB" in m) for m in caplog.messages] == [(True, True)] * said


def test_a_profile_says_more_than_exif(tmp_path):
    exif = Image.Exif()
    exif[0x8769] = {0xA001: 65535, 0xA005: {1: "R03"}}
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (2, 2), (150, 90, 60)).save(tmp_path / "a.png", exif=exif, icc_profile=srgb)
    assert (read_photo(tmp_path / "a.png")[:, 0, 0] - PLAIN).abs().max() < 1.1 / 255


def png_with(chunk: bytes, data: bytes) -> bytes:
    parts = [(b"IHDR", struct.pack(">2I5B", 3, 2, 8, 2, 0, 0, 0)), (chunk, data)]
    parts += [(b"IDAT", zlib.compress((b"\0" + bytes([150, 90, 60]) * 3) * 2)), (b"IEND", b"")]
    framed = [struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


GOOD = b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\1\0\0\0\0\0\0"
BAD_EXIF = {
    "no tiff": b"not a tiff at all",
    "short": b"MM\0*",
    "offset beyond": b"MM\0*\xff\xff\xff\xff",
    "entries missing": b"MM\0*\0\0\0\x08\0\x63",
    "group beyond": GOOD[:10] + b"\x87\x69\0\4\0\0\0\1\xff\xff\xff\xf0\0\0\0\0",
    "group of text": GOOD[:10] + b"\x87\x69\0\2\0\0\0\3ab\0\0\0\0\0\0",
    "value beyond": GOOD[:10] + b"\x01\x0f\0\2\0\0\0\x63\0\0\xff\xff\0\0\0\0",
}


def bad_files(folder):
    for name, exif in BAD_EXIF.items():
        stem = name.replace(" ", "_")
        (folder / f"{stem}.png").write_bytes(png_with(b"eXIf", exif))
        for suffix in ("webp", "jpg"):
            picture = Image.new("RGB", (3, 2), (150, 90, 60))
            picture.save(folder / f"{stem}.{suffix}", exif=b"Exif\0\0" + exif)
    raw = b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n  20\nzz not hexadecimal\n")
    (folder / "raw.png").write_bytes(png_with(b"zTXt", raw))
    return sorted(folder.iterdir())


def test_exif_that_cannot_be_read_is_ignored_and_said_once(tmp_path, caplog, recwarn):
    paths = bad_files(tmp_path)
    for path in paths * 2:
        assert (read_photo(path)[:, 0, 0] - PLAIN).abs().max() < 0.03
        assert read_camera(path).fields == {}
    assert not recwarn.list
    said = [message for message in caplog.messages if "EXIF that cannot be read" in message]
    assert len(said) == len(set(said)) == len(caplog.messages)
    silent = {path.stem for path in paths if not any(str(path) in message for message in said)}
    assert silent == {"group_of_text"}  # a pointer that is none: nothing is lost


def test_bad_exif_ends_no_evaluation_and_leaves_no_photograph_out_of_a_training(tmp_path):
    for name, exif in BAD_EXIF.items():
        stem = name.replace(" ", "_")
        (tmp_path / f"{stem}.png").write_bytes(png_with(b"eXIf", exif))
        (tmp_path / f"{stem}.txt").write_text("a wall")
    assert len(read_frames(tmp_path)) == len(BAD_EXIF)
    folder = PhotoFolder(tmp_path)
    assert [folder[i].name for i in range(len(folder))] == [f"{n.replace(' ', '_')}.png" for n in sorted(BAD_EXIF)]


def test_depth_with_bad_exif_is_read(tmp_path):
    image = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    image.save(tmp_path / "d.webp", lossless=True, exif=b"Exif\0\0nonsense of no kind")
    assert read_depth(tmp_path / "d.webp", (2, 3)).shape == (2, 3)


def test_any_damage_of_exif_leaves_the_picture_readable(tmp_path):
    """Random bytes in good EXIF, in every kind of file: never an error."""
    good = Image.open(exif_photo(tmp_path / "a.jpg", FocalLength=18.0, ISO=100, interop="R03", **CANON_PIXELS))
    good = bytearray(good.info["exif"][6:])
    draw = np.random.default_rng(0)
    for _ in range(150):
        bad = bytearray(good)
        for place in draw.integers(4, len(bad), 3):
            bad[place] = draw.integers(0, 256)
        (tmp_path / "b.png").write_bytes(png_with(b"eXIf", bytes(bad)))
        assert min(read_photo(tmp_path / "b.png").shape[1:]) == 2
        read_camera(tmp_path / "b.png")
