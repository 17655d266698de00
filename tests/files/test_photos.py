"""Files in, tensors out: what a photograph's pixels mean, and one clear refusal for everything that is not one."""

import io
import struct
import zlib

import numpy as np
import pytest
import skimage.data
import tifffile
import torch
from PIL import Image, ImageCms

from genphoto.files.photos import read_depth, read_photo


@pytest.fixture
def colors() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.float32) / 255).permute(2, 0, 1)


def rgb_profile(primaries_xy: list[tuple[float, float]], gamma: float) -> bytes:
    """A matrix/TRC display profile (ICC.1:2001, 6.3) of these primaries and D65, adapted to D50 by Bradford."""
    d50 = np.array([0.9642, 1.0, 0.8249])
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    xyz = np.array([[x / y, 1, (1 - x - y) / y] for x, y in [*primaries_xy, (0.3127, 0.3290)]]).T
    scaled = xyz[:, :3] * np.linalg.solve(xyz[:, :3], xyz[:, 3])
    adapt = np.linalg.inv(bradford) @ np.diag((bradford @ d50) / (bradford @ xyz[:, 3])) @ bradford
    s15 = [struct.pack(">3i", *(round(v * 65536) for v in column)) for column in (adapt @ scaled).T]
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
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
        "profile.png": "color profile",
    }


def test_files_that_are_not_photographs_are_refused_by_name(tmp_path):
    for name, reason in broken_files(tmp_path).items():
        with pytest.raises(ValueError, match=reason) as refused:
            read_photo(tmp_path / name)
        assert name in str(refused.value)


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


def test_what_compression_leaves_of_color_in_grey_depth_is_no_color(tmp_path):
    ramp = np.linspace(0, 255, 64).astype(np.uint8)[None].repeat(48, 0)
    off = np.stack([ramp, ramp, np.minimum(ramp, 254) + 1], -1).astype(np.uint8)
    Image.fromarray(off).save(tmp_path / "d.png")
    for suffix, options in (("webp", {"quality": 60}), ("jpg", {"quality": 75})):
        Image.fromarray(ramp).convert("RGB").save(tmp_path / f"d.{suffix}", **options)
    for name in ("d.png", "d.webp", "d.jpg"):
        disparity = read_depth(tmp_path / name, (48, 64), far_m=1000.0)
        assert (disparity - torch.from_numpy(ramp) / 255).abs().max() < 0.03


def one_pixel_off_grey(codes: int) -> np.ndarray:
    depth = np.arange(12, dtype=np.uint8).reshape(3, 4)[..., None].repeat(3, -1) * 20
    depth[1, 1, 2] += codes
    return depth


def test_the_faintest_color_that_is_no_compression_is_refused(tmp_path):
    Image.fromarray(one_pixel_off_grey(4)).save(tmp_path / "grey.png")
    assert read_depth(tmp_path / "grey.png", (3, 4)).shape == (3, 4)
    Image.fromarray(one_pixel_off_grey(5)).save(tmp_path / "color.png")
    with pytest.raises(ValueError, match=r"color\.png: it is a color picture"):
        read_depth(tmp_path / "color.png", (3, 4))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bit_planes_are_refused_and_eight_bit_ones_read(tmp_path, colors, order, channels):
    path = tmp_path / "planes.tif"
    extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    planes = np.concatenate([colors, np.full_like(colors[..., :1], 255)], -1)[..., :channels].transpose(2, 0, 1)
    layout = {"photometric": "rgb", "planarconfig": "separate", "byteorder": order, **extra}
    tifffile.imwrite(path, planes.copy(), **layout)
    assert torch.equal(read_photo(path), tensor(colors))
    tifffile.imwrite(path, planes.astype(np.uint16) * 257, **layout)
    with pytest.raises(ValueError, match=r"planes\.tif is a TIFF of 16 bit in separate planes.*Save it"):
        read_photo(path)


@pytest.mark.parametrize(
    ("array", "photometric"), [(np.zeros((3, 4), np.uint16), "miniswhite"), (np.zeros((3, 4), np.int8), "minisblack")]
)
def test_tiffs_that_pillow_takes_for_others_are_refused(tmp_path, array, photometric):
    tifffile.imwrite(tmp_path / "a.tif", array, photometric=photometric)
    with pytest.raises(ValueError, match=r"a\.tif is a TIFF of (16|8) bit with"):
        read_photo(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8"])
def test_tiffs_of_other_numbers_are_refused_as_what_they_are(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((3, 4, 3), dtype), photometric="rgb")
    with pytest.raises(ValueError, match=r"is a TIFF of a kind of pixels that cannot be read.*Export it"):
        read_photo(tmp_path / "a.tif")


@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "webp", "bmp"])
def test_large_photographs_are_read_without_a_word_and_too_large_ones_refused(tmp_path, monkeypatch, recwarn, kind):
    Image.new("RGB", (150, 100)).save(tmp_path / f"large.{kind}")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    assert read_photo(tmp_path / f"large.{kind}").shape == (3, 100, 150)
    assert not recwarn.list
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5_000)
    with pytest.raises(ValueError, match="too large to open: more than"):
        read_photo(tmp_path / f"large.{kind}")


def test_grey_and_cmyk_with_an_rgb_profile_are_expanded_first(tmp_path, colors):
    profile = rgb_profile(ADOBE_PRIMARIES, 563 / 256)

    def saved(image, suffix):
        image.save(tmp_path / f"a.{suffix}", icc_profile=profile)
        return read_photo(tmp_path / f"a.{suffix}")

    grey = Image.fromarray(colors[..., 0])
    expected = saved(grey.convert("RGB"), "png")
    for mode in ("L", "LA", "P"):
        assert torch.equal(saved(grey.convert(mode), "png"), expected)
    ramp = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
    eight = saved(Image.fromarray((ramp // 257).astype(np.uint8)), "png")
    assert torch.equal(saved(Image.fromarray(ramp), "png"), eight)
    color = Image.fromarray(colors)
    assert torch.equal(saved(color.convert("CMYK"), "tif"), saved(color, "png"))


def grey_profile(gamma: float) -> bytes:
    """A grey display profile (ICC.1:2001, 6.3.1)."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + b"\0" * 78
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    parts = {b"desc": text + b"\0" * (-len(text) % 4), b"wtpt": white, b"kTRC": curve}
    offset, table, body = 132 + 12 * len(parts), struct.pack(">I", len(parts)), b""
    for tag, data in parts.items():
        table += tag + struct.pack(">2I", offset + len(body), len(data))
        body += data
    head = struct.pack(">I4xI", 128 + len(table) + len(body), 0x02200000) + b"mntrGRAYXYZ " + b"\0" * 12
    head += b"acsp" + b"\0" * 28 + struct.pack(">3i", 63190, 65536, 54061)
    return head + b"\0" * (128 - len(head)) + table + body


def test_a_grey_profile_is_used_on_grey_stored_as_rgb_and_ignored_on_colors(tmp_path, colors, caplog):
    def saved(image, name):
        image.save(tmp_path / name, icc_profile=grey_profile(1.8))
        return read_photo(tmp_path / name)

    grey = Image.fromarray(colors[..., 0])
    expected = saved(grey, "grey.png")
    assert (expected - tensor(colors[..., :1].repeat(3, -1))).abs().max() > 5 / 255
    for mode in ("RGB", "RGBA", "P"):
        assert torch.equal(saved(grey.convert(mode), f"{mode}.png"), expected)
    assert not caplog.messages
    assert torch.equal(saved(Image.fromarray(colors), "color.png"), tensor(colors))
    (message,) = caplog.messages
    assert "color.png has a color profile for GRAY, but RGB pixels" in message


def test_the_black_of_a_profile_becomes_black(tmp_path):
    """A display whose darkest code still shines, 5 % of white: read without compensation, code 0 is dark grey."""
    plain = rgb_profile(ADOBE_PRIMARIES, 1.0)
    lifted = b"curv\0\0\0\0" + struct.pack(">I2H", 2, round(0.05 * 65535), 65535)
    profile = plain.replace(b"curv\0\0\0\0" + struct.pack(">IH", 1, 256) + b"\0\0", lifted)
    profile = _with_tag_sizes(profile, {b"rTRC": 16, b"gTRC": 16, b"bTRC": 16})
    Image.fromarray(np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)).save(tmp_path / "a.png", icc_profile=profile)
    black, white = read_photo(tmp_path / "a.png")[:, 0].T
    assert black.max() < 0.02
    assert white.min() > 0.99


def _with_tag_sizes(profile: bytes, sizes: dict[bytes, int]) -> bytes:
    """The tag table of a profile again, its parts in the order of the table, once some have other sizes."""
    count = struct.unpack(">I", profile[128:132])[0]
    offset, table = 132 + 12 * count, b""
    for i in range(count):
        tag, _, size = struct.unpack(">4s2I", profile[132 + 12 * i : 144 + 12 * i])
        size = sizes.get(tag, size)
        table += struct.pack(">4s2I", tag, offset, size)
        offset += size
    return struct.pack(">I", len(profile)) + profile[4:132] + table + profile[132 + 12 * count :]
