"""Files in, tensors out: what a photograph's pixels mean, and one clear refusal for everything that is not one."""

import io
import struct
import zlib

import numpy as np
import pytest
import skimage.data
import tifffile
import torch
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin

from genphoto.depth_files import read_depth
from genphoto.exif_camera import ExifCamera, read_camera
from genphoto.photo_files import read_photo


@pytest.fixture
def colors() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.float32) / 255).permute(2, 0, 1)


def rgb_profile(primaries_xy: list[tuple[float, float]], gamma: float, black: float = 0.0) -> bytes:
    """A matrix/TRC display profile (ICC.1:2001, 6.3) of these primaries and D65, adapted to D50 by Bradford.

    `black` is the linear light of code 0.
    """
    d50 = np.array([0.9642, 1.0, 0.8249])
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    xyz = np.array([[x / y, 1, (1 - x - y) / y] for x, y in [*primaries_xy, (0.3127, 0.3290)]]).T
    scaled = xyz[:, :3] * np.linalg.solve(xyz[:, :3], xyz[:, 3])
    adapt = np.linalg.inv(bradford) @ np.diag((bradford @ d50) / (bradford @ xyz[:, 3])) @ bradford
    s15 = [struct.pack(">3i", *(round(v * 65536) for v in column)) for column in (adapt @ scaled).T]
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    if black:
        codes = (65535 * (black + (1 - black) * np.linspace(0, 1, 256) ** gamma)).round().astype(">u2")
        curve = b"curv\0\0\0\0" + struct.pack(">I", 256) + codes.tobytes()
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + b"\0" * 78
    parts = {b"desc": text + b"\0" * (-len(text) % 4), b"cprt": b"text\0\0\0\0none" + b"\0" * 4}
    parts |= {b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in d50))}
    for letter, column in zip(b"rgb", s15, strict=True):
        parts |= {bytes([letter]) + b"XYZ": b"XYZ \0\0\0\0" + column, bytes([letter]) + b"TRC": curve}
    offset, table, body = 132 + 12 * len(parts), struct.pack(">I", len(parts)), b""
    for tag, data in parts.items():
        table += tag + struct.pack(">2I", offset + len(body), len(data))
        body += data
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4xI", size, 0x02200000) + b"mntrRGB XYZ " + b"\0" * 12 + b"acsp" + b"\0" * 28
    return head + struct.pack(">3i", *(round(v * 65536) for v in d50)) + b"\0" * (128 - len(head) - 12) + table + body


ADOBE_PRIMARIES = [(0.64, 0.33), (0.21, 0.71), (0.15, 0.06)]  # Adobe RGB (1998), 4.3.1.1
P3_PRIMARIES = [(0.680, 0.320), (0.265, 0.690), (0.150, 0.060)]  # SMPTE EG 432-1


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
def test_lossless_files_are_read_exactly(tmp_path, colors, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(colors).save(path, **({"lossless": True} if suffix == "webp" else {}))
    assert torch.equal(read_photo(path), tensor(colors))
    assert read_photo(path).dtype == torch.float32


def test_a_real_photograph_survives_jpeg(tmp_path):
    image = skimage.data.chelsea()
    Image.fromarray(image).save(tmp_path / "cat.jpg", quality=95)
    assert (read_photo(tmp_path / "cat.jpg") - tensor(image)).abs().mean() < 0.01


# EXIF 2.3, 4.6.4 A: how the stored rows and columns lie in the upright picture.
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", STORED)
def test_every_exif_orientation_is_turned_upright(tmp_path, colors, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(STORED[orientation](colors))).save(tmp_path / "a.png", exif=exif)
    assert torch.equal(read_photo(tmp_path / "a.png"), tensor(colors))


@pytest.mark.parametrize("primaries", [ADOBE_PRIMARIES, P3_PRIMARIES], ids=["adobe", "p3"])
def test_a_wide_gamut_profile_is_converted_to_srgb(tmp_path, primaries):
    wide = np.array([[[200, 120, 120], [120, 200, 120], [128, 128, 128], [150, 140, 100]]], dtype=np.uint8)
    Image.fromarray(wide).save(tmp_path / "a.png", icc_profile=rgb_profile(primaries, 563 / 256))
    white = np.array([0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290])

    def to_xyz(xy):
        m = np.array([[x / y, 1, (1 - x - y) / y] for x, y in xy]).T
        return m * np.linalg.solve(m, white)

    srgb = np.linalg.inv(to_xyz([(0.64, 0.33), (0.30, 0.60), (0.15, 0.06)])) @ to_xyz(primaries)
    linear = ((wide / 255) ** (563 / 256) @ srgb.T).clip(0, 1)
    expected = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    got = read_photo(tmp_path / "a.png").permute(1, 2, 0).numpy()
    assert np.abs(got - expected).max() < 1.6 / 255
    assert np.abs(got - wide / 255).max() > 5 / 255


def test_an_srgb_profile_leaves_pixels_alone(tmp_path, colors):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(colors).save(tmp_path / "a.png", icc_profile=profile)
    assert (read_photo(tmp_path / "a.png") - tensor(colors)).abs().max() <= 1.01 / 255


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA"])
def test_other_modes_become_rgb(tmp_path, colors, mode):
    image = Image.fromarray(colors).convert(mode)
    image.save(tmp_path / "a.png")
    assert torch.equal(read_photo(tmp_path / "a.png"), tensor(np.asarray(image.convert("RGB"))))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_lies_over_white(tmp_path, mode):
    Image.new(mode, (2, 1), (0, 0, 0, 51) if mode == "RGBA" else (0, 51)).save(tmp_path / "a.png")
    assert torch.allclose(read_photo(tmp_path / "a.png"), torch.tensor(0.8))


def test_sixteen_bit_grey_keeps_its_precision(tmp_path):
    ramp = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    assert torch.allclose(photo[2] * 65535, torch.from_numpy(ramp.astype(np.float32)), atol=0.01)


def test_sixteen_bit_rgb_is_read_to_eight_bits(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (6, 5, 3), dtype=np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    chunks = [(b"IHDR", struct.pack(">2I5B", 5, 6, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    data = b"".join(struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    assert torch.allclose(read_photo(tmp_path / "a.png"), tensor(deep / 257.0), atol=1.01 / 255)


def test_one_pixel_is_a_photograph(tmp_path):
    Image.new("RGB", (1, 1), (255, 0, 0)).save(tmp_path / "a.png")
    assert read_photo(tmp_path / "a.png").flatten().tolist() == [1, 0, 0]


def broken_files(folder) -> dict[str, str]:
    """File name -> what the refusal says of it."""
    jpeg = io.BytesIO()
    Image.fromarray(skimage.data.chelsea()).save(jpeg, "JPEG")
    (folder / "truncated.jpg").write_bytes(jpeg.getvalue()[:5000])
    png = io.BytesIO()
    Image.fromarray(skimage.data.chelsea()).save(png, "PNG")
    (folder / "truncated.png").write_bytes(png.getvalue()[:5000])
    (folder / "text.jpg").write_text("not a picture")
    (folder / "empty.png").touch()
    (folder / "folder.jpg").mkdir()
    Image.new("CMYK", (2, 2)).save(folder / "cmyk.jpg")
    tifffile.imwrite(folder / "float.tiff", np.ones((2, 2), np.float32))
    tifffile.imwrite(folder / "rgbf32.tiff", np.ones((2, 2, 3), np.float32), photometric="rgb")
    tifffile.imwrite(folder / "planes.tiff", np.ones((3, 2, 2), np.uint16), photometric="rgb", planarconfig="separate")
    Image.new("RGB", (2, 2)).save(folder / "profile.png", icc_profile=b"nonsense")
    return {
        "truncated.jpg": "damaged",
        "truncated.png": "damaged",
        "text.jpg": "not a JPEG",
        "empty.png": "empty",
        "folder.jpg": "cannot be opened",
        "missing.jpg": "does not exist",
        "cmyk.jpg": "without a color profile",
        "float.tiff": "32 bit",
        "rgbf32.tiff": "floating-point",
        "planes.tiff": "separate planes",
        "profile.png": "color profile",
    }


def test_files_that_are_not_photographs_are_refused_by_name(tmp_path):
    for name, reason in broken_files(tmp_path).items():
        with pytest.raises(ValueError, match=reason) as refused:
            read_photo(tmp_path / name)
        assert name in str(refused.value)


def exif_photo(path, **tags) -> None:
    names = {"FNumber": 0x829D, "FocalLength": 0x920A, "Time": 0x829A, "ISO": 0x8827, "Film": 0xA405}
    names |= {"PlaneX": 0xA20E, "PlaneUnit": 0xA210, "Width": 0xA002, "Height": 0xA003, "Index": 0x8832}
    exif = Image.Exif()
    for name, value in tags.items():
        exif.get_ifd(0x8769)[names[name]] = value
    Image.new("RGB", (4, 4)).save(path, exif=exif)


def rational(top: int, bottom: int) -> TiffImagePlugin.IFDRational:
    return TiffImagePlugin.IFDRational(top, bottom)


def test_exif_of_a_camera_is_read(tmp_path):
    path = tmp_path / "a.jpg"
    exif_photo(path, FNumber=rational(28, 10), FocalLength=rational(50, 1), Time=rational(1, 125), ISO=400)
    expected = {"focal_length_mm": 50.0, "exposure_time_s": 1 / 125, "iso": 400.0}
    assert read_camera(path).values == pytest.approx(expected)


def test_a_phone_becomes_the_full_frame_camera_of_the_same_picture(tmp_path):
    path = tmp_path / "a.jpg"
    exif_photo(path, FNumber=rational(18, 10), FocalLength=rational(6, 1), Film=26)
    assert read_camera(path).values == pytest.approx({"focal_length_mm": 26.0})
    assert read_camera(path, sensor_known=True).values == pytest.approx({"focal_length_mm": 6.0})


def test_exif_without_values_says_nothing(tmp_path):
    exif_photo(tmp_path / "zero.jpg", FNumber=rational(0, 1), FocalLength=rational(0, 0), ISO=0)
    exif_photo(tmp_path / "none.jpg")
    assert read_camera(tmp_path / "zero.jpg") == read_camera(tmp_path / "none.jpg") == ExifCamera()


SENSOR_23_MM = {"FocalLength": 18.0, "Width": 6000, "Height": 4000}


@pytest.mark.parametrize(
    ("unit", "per_unit"), [(2, 6000 / 23 * 25.4), (None, 6000 / 23 * 25.4), (3, 6000 / 2.3), (4, 6000 / 23)]
)
def test_a_small_sensor_is_known_by_its_focal_plane_resolution(tmp_path, unit, per_unit):
    path = tmp_path / "a.jpg"
    exif_photo(path, **SENSOR_23_MM, PlaneX=per_unit, **({"PlaneUnit": unit} if unit else {}))
    exif = read_camera(path)
    assert exif.values["focal_length_mm"] == pytest.approx(18 * 36 / 23, rel=1e-4)
    assert "23 mm wide" in exif.remarks["focal_length_mm"]


@pytest.mark.parametrize("film", [{}, {"Film": 0}, {"Film": 65535}])
@pytest.mark.parametrize("plane", [{}, {"PlaneX": 1e9}, {"PlaneX": 10.0, "PlaneUnit": 4}])
def test_a_sensor_that_is_not_told_is_not_guessed(tmp_path, film, plane):
    exif_photo(tmp_path / "phone.jpg", FocalLength=4.2, **film, **plane)
    phone = read_camera(tmp_path / "phone.jpg")
    assert phone.values == {}
    assert "4.2 mm was left out" in phone.remarks["focal_length_mm"]
    exif_photo(tmp_path / "camera.jpg", FocalLength=35.0, **film, **plane)
    camera = read_camera(tmp_path / "camera.jpg")
    assert camera.values == {"focal_length_mm": 35.0}
    assert "taken as full frame" in camera.remarks["focal_length_mm"]


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        ({"Time": 5000.0}, "exposure_time_s"),
        ({"FocalLength": 0.8}, "focal_length_mm"),
        ({"FocalLength": 9000.0}, "focal_length_mm"),
        ({"ISO": 6}, "iso"),
    ],
)
def test_exif_beyond_the_limits_of_a_camera_is_left_out(tmp_path, tags, name):
    exif_photo(tmp_path / "a.jpg", **tags)
    exif = read_camera(tmp_path / "a.jpg")
    assert exif.values == {}
    assert "not between" in exif.remarks[name]


def test_an_iso_too_large_for_its_tag_is_found_in_the_next(tmp_path):
    exif_photo(tmp_path / "a.jpg", ISO=65535, Index=102400)
    assert read_camera(tmp_path / "a.jpg").values == {"iso": 102400}


def damaged_exif(folder) -> list:
    """Files whose pixels are right and whose EXIF is not."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8))
    for name in ("a.png", "a.webp"):
        picture.save(folder / name, exif=b"Exif\0\0garbage and more", **({"lossless": True} if "webp" in name else {}))
    for name, exif in (("cut.jpg", b"MM\0*\0\0\xff\xff"), ("cut.png", b"II*\0\x08\0\0\0\xff\xff")):
        picture.save(folder / name, exif=b"Exif\0\0" + exif)
    raw = PngImagePlugin.PngInfo()
    raw.add_text("Raw profile type exif", "\nexif\n 8\nthis is no hex")
    picture.save(folder / "raw.png", pnginfo=raw)
    return sorted(folder.iterdir())


def test_exif_that_cannot_be_read_is_ignored_and_said_once(tmp_path, colors, caplog, recwarn):
    for path in damaged_exif(tmp_path):
        caplog.clear()
        assert (read_photo(path) - tensor(colors)).abs().mean() < (0.3 if path.suffix == ".jpg" else 1e-6)
        assert read_camera(path) == ExifCamera()
        assert [r.getMessage().startswith(f"{path}: its EXIF is damaged") for r in caplog.records] == [True]
    assert not recwarn.list


def test_adobe_rgb_is_known_by_the_interoperability_index(tmp_path):
    wide = np.array([[[200, 120, 120], [120, 200, 120], [128, 128, 128], [150, 140, 100]]], dtype=np.uint8)
    pointer = struct.Struct(">HHHIII")  # one entry: count, tag, type LONG, number, value, next
    exif = b"MM\0*\0\0\0\x08" + pointer.pack(1, 0x8769, 4, 1, 26, 0) + pointer.pack(1, 0xA005, 4, 1, 44, 0)
    exif = b"Exif\0\0" + exif + struct.pack(">HHHI4sI", 1, 1, 2, 4, b"R03\0", 0)
    Image.fromarray(wide).save(tmp_path / "index.png", exif=exif)
    profile = rgb_profile(ADOBE_PRIMARIES, 563 / 256)
    Image.fromarray(wide).save(tmp_path / "profile.png", icc_profile=profile)
    Image.fromarray(wide).save(tmp_path / "both.png", icc_profile=profile, exif=exif)
    converted = read_photo(tmp_path / "profile.png")
    assert (read_photo(tmp_path / "index.png") - converted).abs().max() < 1.6 / 255
    assert torch.equal(read_photo(tmp_path / "both.png"), converted)


@pytest.mark.parametrize("mode", ["L", "LA", "CMYK", "I;16"])
def test_pixels_with_the_profile_of_an_rgb_workspace_are_expanded_first(tmp_path, colors, mode):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(colors)
    image = Image.fromarray(colors[..., 0].astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image.save(path, icc_profile=srgb)
    expected = colors[..., :1].repeat(3, -1) if mode == "I;16" else np.asarray(image.convert("RGB"))
    assert (read_photo(path) - tensor(expected)).abs().max() <= 1.01 / 255


def test_a_profile_of_other_pixels_is_ignored_with_a_word(tmp_path, colors, caplog):
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.fromarray(colors).save(tmp_path / "a.png", icc_profile=lab)
    assert torch.equal(read_photo(tmp_path / "a.png"), tensor(colors))
    assert "profile is of Lab" in caplog.text


def test_black_of_a_profile_stays_black(tmp_path):
    """A print's darkest ink is lighter than black; black-point compensation (ISO 18619) maps it to black."""
    profile = rgb_profile(ADOBE_PRIMARIES, 563 / 256, black=0.02)
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png", icc_profile=profile)
    assert read_photo(tmp_path / "a.png").max() <= 2 / 255


def test_tiff_of_sixteen_bit_is_read_right(tmp_path, colors):
    deep = colors.astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "rgb.tif", deep, photometric="rgb", byteorder=">")
    assert torch.equal(read_photo(tmp_path / "rgb.tif"), tensor(colors))
    tifffile.imwrite(tmp_path / "planes.tif", colors.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    assert torch.equal(read_photo(tmp_path / "planes.tif"), tensor(colors))
    tifffile.imwrite(tmp_path / "white0.tif", 65535 - deep[..., 0], photometric="miniswhite")
    assert torch.allclose(read_photo(tmp_path / "white0.tif"), tensor(colors)[:1].expand(3, -1, -1))


def test_a_camera_of_102_megapixels_is_no_attack(tmp_path, recwarn, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    Image.new("RGB", (6, 5)).save(tmp_path / "a.png")
    assert read_photo(tmp_path / "a.png").shape == (3, 5, 6)
    assert not recwarn.list


def test_grey_that_a_lossy_file_tinted_is_a_depth(tmp_path):
    ramp = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (32, 1))
    tinted = np.stack([ramp, np.clip(ramp.astype(int) + 1, 0, 255), ramp], -1).astype(np.uint8)
    Image.fromarray(tinted).save(tmp_path / "d.png")
    Image.fromarray(ramp).save(tmp_path / "grey.png")
    assert torch.equal(read_depth(tmp_path / "d.png", (32, 64)), read_depth(tmp_path / "grey.png", (32, 64)))


def test_sixteen_bit_depth_keeps_its_levels(tmp_path):
    ramp = np.arange(0, 65536, 16, dtype=np.uint16).reshape(32, 128)
    Image.fromarray(ramp).save(tmp_path / "d.png")
    disparity = read_depth(tmp_path / "d.png", (32, 128), near_m=0.5, far_m=10)
    assert disparity.unique().numel() == 4096
    assert disparity.aminmax() == pytest.approx((0.1, 2.0))
    assert disparity[0, 1] > disparity[0, 0]  # larger is nearer


def test_relative_distance_is_linear_in_meters(tmp_path):
    Image.fromarray(np.array([[0, 51, 255]], np.uint8)).save(tmp_path / "d.png")
    disparity = read_depth(tmp_path / "d.png", (1, 3), "distance", 1, 6)
    assert (1 / disparity)[0].tolist() == pytest.approx([1, 2, 6])


def test_metric_depth_in_meters_and_millimeters_agrees(tmp_path):
    meters = np.array([[0.5, 2.0, 0.0]], np.float32)
    np.save(tmp_path / "d.npy", meters)
    Image.fromarray((meters * 1000).astype(np.uint16)).save(tmp_path / "d.png")
    for name in ("d.npy", "d.png"):
        assert read_depth(tmp_path / name, (1, 3), "metric")[0].tolist() == pytest.approx([2, 0.5, 0])


def test_grey_saved_as_rgb_is_a_depth(tmp_path):
    Image.fromarray(np.array([[0, 255]], np.uint8)).convert("RGB").save(tmp_path / "d.png")
    assert read_depth(tmp_path / "d.png", (1, 2))[0].tolist() == pytest.approx([0.001, 1])


@pytest.mark.parametrize(
    ("array", "kind", "reason"),
    [
        (np.zeros((3, 2), np.float32), "metric", "EXIF"),
        (np.zeros((2, 9), np.float32), "metric", "9 x 2 pixels"),
        (np.zeros((2, 3, 1)), "metric", "shape"),
        (np.zeros((2, 3), complex), "metric", "complex"),
        (np.array([[None] * 3] * 2), "metric", "not a NumPy array of numbers"),
        (np.eye(2, 3), None, "--depth-kind"),
        (np.full((2, 3), 4.0), "disparity", "constant"),
        (np.full((2, 3), np.nan), "metric", "no valid distance"),
        (np.array([[1, 2, np.nan], [1, 1, 1]]), "disparity", "1 of 6"),
        (np.array([[1, 2, np.inf], [1, 1, 1]]), "disparity", "1 of 6"),
        (np.eye(2, 3), "distance", "--near"),
        (np.eye(2, 3), "inverse", "Kinds: disparity"),
    ],
)
def test_arrays_that_are_no_depth_are_refused_by_name(tmp_path, array, kind, reason):
    np.save(tmp_path / "d.npy", array, allow_pickle=True)
    with pytest.raises(ValueError, match=reason) as refused:
        read_depth(tmp_path / "d.npy", (2, 3), kind)
    assert kind == "inverse" or "d.npy" in str(refused.value)


@pytest.mark.parametrize(("near", "far"), [(0, 10), (5, 2), (float("nan"), 10)])
def test_distances_in_no_order_are_refused(tmp_path, near, far):
    np.save(tmp_path / "d.npy", np.eye(2, 3))
    with pytest.raises(ValueError, match="Nearest distance"):
        read_depth(tmp_path / "d.npy", (2, 3), "disparity", near, far)


def test_color_and_coarse_depth_are_refused(tmp_path, colors):
    Image.fromarray(colors).save(tmp_path / "color.png")
    with pytest.raises(ValueError, match="colors have no order"):
        read_depth(tmp_path / "color.png", (5, 7))
    Image.fromarray(colors[..., 0]).save(tmp_path / "grey.png")
    with pytest.raises(ValueError, match="8 bit"):
        read_depth(tmp_path / "grey.png", (5, 7), "metric")
    with pytest.raises(ValueError, match="leave out --near"):
        read_depth(tmp_path / "grey.png", (5, 7), "metric", 1)
