"""What the files of a sweep say of themselves, read back by Pillow and, where it is installed, by exiftool."""

import json
import os
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from genphoto.camera.camera import Camera
from genphoto.camera.sensor import sensor_named
from genphoto.camera.settings import SETTINGS
from genphoto.camera.sweep import CameraSweep
from genphoto.files import sweeps
from genphoto.files.exif import GENERATED, ORIGINS, SIMULATED, exif
from genphoto.files.frames import frame_files, read_frames
from genphoto.files.photos import read_camera, read_photo
from genphoto.files.sweeps import FORMATS, SweepFiles, complete_or_nothing

WORKFLOW = {"prompt": '{"1": {"class_type": "Ö"}}'.encode("ascii", "backslashreplace").decode(), "workflow": "{}"}
ZOOM = CameraSweep({"focal_length": [24, 35.5, 70]})


def frames(count=3, height=20, width=30):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(count))


def smooth_frames():
    return torch.nn.functional.interpolate(frames(3, 4, 6), (64, 96), mode="bicubic").clamp(0, 1)


def written(out, sweep=ZOOM, pictures=None, **options):
    """Path of every file of a sweep, written as the node and the commands do."""
    files = SweepFiles(sweep, **{"origin": GENERATED, **options})
    with complete_or_nothing(out, files.names) as folder:
        files.write(folder, frames(len(sweep)) if pictures is None else pictures)
    return [out / name for name in files.names]


def exif_of(path):
    """EXIF by tag name, and the comment as its JSON."""
    with Image.open(path) as image:
        read = image.getexif()
        tags = {**read, **read.get_ifd(ExifTags.IFD.Exif)}
    named = {ExifTags.TAGS.get(tag, tag): value for tag, value in tags.items()}
    code, text = named["UserComment"][:8], named["UserComment"][8:]
    assert code == b"ASCII\0\0\0"
    return named, json.loads(text)


def assert_says(path, camera, sweep, number):
    named, comment = exif_of(path)
    exact = {
        "FocalLength": camera.focal_length_mm,
        "FNumber": camera.f_number,
        "ExposureTime": camera.exposure_time_s,
        "SubjectDistance": camera.focus_distance_m,
    }
    assert {name: float(named[name]) for name in exact} == pytest.approx(exact, rel=1e-9)
    iso = named["RecommendedExposureIndex"] if named["ISOSpeedRatings"] == 65535 else named["ISOSpeedRatings"]
    assert iso == round(camera.iso)
    equivalent_mm = camera.focal_length_mm * np.hypot(36, 24) / camera.sensor.diagonal_mm
    assert abs(named["FocalLengthIn35mmFilm"] - equivalent_mm) <= 0.5
    assert named["WhiteBalance"] == named["ExposureMode"] == named["ExposureProgram"] == named["ColorSpace"] == 1
    assert CameraSweep.from_json(json.dumps(comment["sweep"])) == sweep
    assert comment["frame"] == number
    assert comment["color_temperature_k"] == camera.color_temperature_k
    assert comment["synthetic_image"] in named["ImageDescription"]
    assert named["ImageDescription"].startswith("Synthetic image, ")
    assert named["Software"].startswith("ComfyUI-GenPhoto ")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_the_exif_of_every_frame_is_its_camera(setting, format, tmp_path):
    sweep = CameraSweep.linear(setting.name, *setting.domain, 3)
    paths = written(tmp_path, sweep, format=format, workflow=WORKFLOW)
    for number, (path, camera, label) in enumerate(zip(paths, sweep.cameras, sweep.labels, strict=False), 1):
        assert_says(path, camera, sweep, number)
        assert f"Frame {number} of 3: {label}." in exif_of(path)[0]["ImageDescription"]


EXTREMES = {
    "fast": (Camera(f_number=1.4, exposure_time_s=1 / 8000), {"ExposureTime": (1, 8000), "FNumber": (7, 5)}),
    "shortest": (Camera(exposure_time_s=1e-9), {"ExposureTime": (1, 10**9)}),
    "longest": (Camera(exposure_time_s=3600.0), {"ExposureTime": (3600, 1)}),
    "widest": (Camera(focal_length_mm=1.0, f_number=0.01), {"FNumber": (1, 100)}),
    "longest lens": (Camera(focal_length_mm=5000.0, f_number=5000.0, focus_distance_m=1e4, sensor="phone"), {}),
    "infinity": (Camera(focus_distance_m=10000.0), {"SubjectDistance": (10000, 1)}),
    "high iso": (Camera(iso=102400.0), {"ISOSpeedRatings": 65535, "SensitivityType": 2}),
    "highest iso": (Camera(iso=1e7), {"RecommendedExposureIndex": 10**7}),
    "odd iso": (Camera(iso=125.4), {"ISOSpeedRatings": 125}),
    "aps-c": (Camera(focal_length_mm=35.0, sensor="aps-c"), {"FocalLengthIn35mmFilm": 54}),  # 35 * 43.27 / 28.21
    "speck": (Camera(sensor=replace(sensor_named("phone"), width_mm=0.01, height_mm=0.01)), {}),
    "irrational": (Camera(focal_length_mm=50 / 2**0.5, exposure_time_s=2**-7.5), {}),
    "daylight": (Camera(color_temperature_k=5500.0), {"LightSource": 20}),
    "tungsten": (Camera(color_temperature_k=2856.0), {"LightSource": 17}),
    "no illuminant": (Camera(color_temperature_k=4300.0), {"LightSource": 255}),
    "tinted": (Camera(color_temperature_k=5500.0, tint_duv=0.01), {"LightSource": 255}),
}


@pytest.mark.parametrize("case", EXTREMES)
def test_extreme_cameras_fit_into_exif(case, tmp_path):
    camera, expected = EXTREMES[case]
    sweep = CameraSweep({"color_temperature": [camera.color_temperature_k]}, camera)
    path = written(tmp_path, sweep, format="jpeg")[0]
    named, _ = exif_of(path)
    if case == "speck":
        assert named["FocalLengthIn35mmFilm"] == 0  # unknown: 24 mm would be 73000 mm
    else:
        assert_says(path, camera, sweep, 1)
    found = {
        n: (v.numerator, v.denominator) if isinstance(v := named[n], type(named["FNumber"])) else v for n in expected
    }
    assert found == expected


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize("format", FORMATS)
def test_exiftool_reads_the_same_and_finds_no_fault(format, tmp_path):
    sweep = CameraSweep({"aperture": ["f/1.4", "f/2.8"], "color_temperature": [5500, 3200]}, Camera(iso=102400.0))
    paths = written(tmp_path, sweep, format=format, fps=4, workflow=WORKFLOW)
    command = ["exiftool", "-json", "-n", "-validate", "-warning", "-a", "-all", *map(str, paths)]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    for number, (camera, found) in enumerate(zip(sweep.cameras, told, strict=False), 1):
        assert found["FNumber"] == pytest.approx(camera.f_number)
        assert found["ExposureTime"] == pytest.approx(camera.exposure_time_s)
        assert found["FocalLength"] == found["FocalLengthIn35mmFormat"] == 24
        assert found["RecommendedExposureIndex"] == 102400
        assert found["WhiteBalance"] == found["ExposureMode"] == 1
        assert found["SubjectDistance"] == 2
        assert CameraSweep.from_json(json.dumps(json.loads(found["UserComment"])["sweep"])) == sweep
        assert json.loads(found["UserComment"])["frame"] == number
    for found in told:
        assert found["DigitalSourceType"].endswith("/trainedAlgorithmicMedia")
        faults = found.get("Warning", [])
        faults = [faults] if isinstance(faults, str) else faults
        assert not [
            fault for fault in faults if "Missing required JPEG" not in fault
        ]  # tags of a scanner, not a camera


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("format", FORMATS)
def test_every_file_says_that_it_is_synthetic_and_how(origin, format, tmp_path):
    paths = written(tmp_path, origin=origin, format=format, fps=2.0)
    assert [path.name for path in paths[3:]] == [f"contact_sheet{FORMATS[format][0]}", "animation.webp"]
    for path in paths:
        assert f"digitalsourcetype/{ORIGINS[origin]}".encode() in path.read_bytes()
        named, comment = exif_of(path)
        assert comment["synthetic_image"] == origin
        assert named["ImageDescription"].startswith(f"Synthetic image, {origin}. ")
    for path in paths[3:]:  # of several cameras: no camera
        assert not {"FNumber", "ExposureTime", "FocalLength"} & set(exif_of(path)[0])
        assert "24 mm; 35.5 mm; 70 mm" in exif_of(path)[0]["ImageDescription"]


def test_the_workflow_lies_where_comfyui_looks(tmp_path):
    graph = {**WORKFLOW, "another": '{"a": 1}'}
    png, webp, jpeg = (written(tmp_path / f, format=f, workflow=graph, fps=1.0) for f in ("png", "webp", "jpeg"))
    for path in (*png[:4], *webp, jpeg[-1]):
        with Image.open(path) as image:
            texts = image.info if path.suffix == ".png" else _by_prefix(image.getexif())
        assert {name: texts[name] for name in graph} == graph
    for path in jpeg[:4]:  # ComfyUI does not look there, and a segment holds 64 KB only
        assert "Make" not in exif_of(path)[0]
    assert_says(webp[1], ZOOM.cameras[1], ZOOM, 2)
    with Image.open(webp[0]) as image:
        exif = image.getexif()
    assert exif[0x0110] == f"prompt:{graph['prompt']}"
    assert exif[0x010F] == f"workflow:{graph['workflow']}"


def _by_prefix(exif):
    return dict(text.split(":", 1) for text in exif.values() if isinstance(text, str) and ":" in text)


def test_a_frame_is_written_exactly_and_marked_srgb(tmp_path):
    pictures = torch.randint(0, 256, (3, 3, 5, 7), dtype=torch.uint8).float() / 255
    paths = written(tmp_path, pictures=pictures)
    for path, picture in zip(paths, pictures, strict=False):
        assert torch.equal(read_photo(path), picture)
        with Image.open(path) as image:
            assert image.info["srgb"] == 0


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_quality_is_what_is_asked_for(format, tmp_path):
    good, bad = (written(tmp_path / str(q), pictures=smooth_frames(), format=format, quality=q)[0] for q in (95, 10))
    errors = [(read_photo(path) - smooth_frames()[0]).abs().mean() for path in (good, bad)]
    assert errors[0] < 0.02
    assert errors[1] > 2 * errors[0]


def test_jpeg_keeps_color_from_pixel_to_pixel(tmp_path):
    stripes = torch.zeros(3, 16, 32)
    stripes[0, :, ::2], stripes[2, :, 1::2] = 1, 1
    path = written(tmp_path, pictures=[stripes] * 3, format="jpeg", quality=95)[0]
    assert (read_photo(path) - stripes).abs().mean() < 0.05


def test_files_that_do_not_tell_their_camera_are_refused(tmp_path, monkeypatch):
    """As by Pillow before 11.1, which drops the tags of the exposure."""
    monkeypatch.setattr(sweeps, "exif", lambda *_: exif("", {}, None, {}))
    with pytest.raises(ValueError, match=r"writes no camera into EXIF.*install pillow 11\.1"):
        written(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_frame_that_is_no_picture_is_refused_by_its_number(tmp_path, value):
    pictures = frames().clone()
    pictures[1, 0, 0, 0] = value
    with pytest.raises(ValueError, match=r"Frame 2 of 3 .* no numbers"):
        written(tmp_path / "out", pictures=pictures)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_frames_of_any_precision_are_taken(dtype, tmp_path):
    exact, given = written(tmp_path / "a")[0], written(tmp_path / "b", pictures=frames().to(dtype))[0]
    assert (read_photo(exact) - read_photo(given)).abs().max() < 2.1 / 255


def test_the_animation_plays_the_frames(tmp_path):
    path = written(tmp_path, pictures=smooth_frames(), fps=4.0)[-1]
    with Image.open(path) as animation:
        assert (animation.n_frames, animation.info["loop"]) == (3, 0)
        animation.load()
        assert animation.info["duration"] == 250
    assert (torch.stack(read_frames(path)) - smooth_frames()).abs().mean() < 0.02


@pytest.mark.parametrize("quality", [30, 100])
def test_the_animation_holds_equal_frames_too(tmp_path, quality):
    """As a bracket does that ends in white: libwebp's own encoder of animations makes one frame of them.

    At a low quality also of frames that are alike.
    """
    white = frames().clone()
    white[1:] = 1
    white[2, :, 4:8] = 1 - 2 / 255
    path = written(tmp_path, pictures=white, fps=2.0, quality=quality)[-1]
    again = read_frames(path)
    assert len(again) == 3
    assert (torch.stack(again)[1:] - 1).abs().max() < 5 / 255
    with Image.open(path) as animation:
        durations = []
        for index in range(animation.n_frames):
            animation.seek(index)
            animation.load()
            durations.append(animation.info["duration"])
    assert durations == [500, 500, 500]


def test_names_sort_and_are_safe_everywhere(tmp_path):
    values = {"aperture": ["f/1.4", "f/16"], "shutter_speed": ["1/125", "0.5"], "tint": [-0.01, 0.01]}
    files = SweepFiles(CameraSweep(values), GENERATED, "sweep_00001_", "jpeg", fps=1.0, document=True)
    assert files.names == [
        "sweep_00001_01_f1.4_1-125s_Duv-0.01.jpg",
        "sweep_00001_02_f16_0.5s_Duv0.01.jpg",
        "sweep_00001_contact_sheet.jpg",
        "sweep_00001_animation.webp",
        "sweep_00001_sweep.json",
    ]
    many = SweepFiles(CameraSweep.linear("color_temperature", 2000, 10000, 120), GENERATED).names[:120]
    assert many == sorted(many)
    assert many[0] == "001_2000K.png"


def test_what_stands_beside_the_frames_is_not_taken_for_frames(tmp_path):
    paths = written(tmp_path, prefix="sweep_00001_", format="webp", fps=2.0, document=True)
    assert frame_files(tmp_path) == paths[:3]


def test_a_frame_is_a_photograph_whose_camera_is_known(tmp_path):
    sweep = CameraSweep({"focal_length": [24, 70]}, Camera(iso=400.0, exposure_time_s=1 / 125))
    path = written(tmp_path, sweep, origin=SIMULATED)[1]
    assert read_camera(path).fields == pytest.approx({"focal_length_mm": 70, "iso": 400, "exposure_time_s": 1 / 125})


def test_nothing_is_left_when_a_frame_cannot_be_made(tmp_path):
    def broken():
        yield from frames(2)
        raise RuntimeError("the renderer failed")

    with pytest.raises(RuntimeError, match="the renderer failed"):
        written(tmp_path / "made" / "out", pictures=broken())
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_clear_error_and_leaves_what_was_there(tmp_path):
    resource = pytest.importorskip("resource")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = {path.name: path.read_bytes() for path in written(tmp_path)}
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before["01_24mm.png"]) + 9000, limit[1]))  # a real failing write
    try:
        with pytest.raises(
            ValueError, match=r"02_35.5mm.png cannot be written: File too large. Nothing was saved: free"
        ):
            written(tmp_path, pictures=[frames()[0], *frames(2, 200, 300)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def fail_at_move(monkeypatch, number, error):
    """From now on the move of that number fails, once."""
    moves, move = iter(range(1, 100)), os.replace

    def moved(source, target):
        if next(moves) == number:
            raise error
        move(source, target)

    monkeypatch.setattr(os, "replace", moved)


@pytest.mark.parametrize(("number", "name"), [(2, "02_35.5mm.png"), (6, "02_35.5mm.png"), (8, "contact_sheet.png")])
def test_a_file_that_cannot_be_moved_is_named_and_leaves_what_was_there(number, name, tmp_path, monkeypatch):
    """The four old files are moved first, then the four new ones."""
    before = {path.name: path.read_bytes() for path in written(tmp_path)}
    fail_at_move(monkeypatch, number, PermissionError(13, "Permission denied"))
    with pytest.raises(ValueError, match=rf"^{name} cannot be written: Permission denied. Nothing was saved: close"):
        written(tmp_path, pictures=1 - frames())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("error", [KeyboardInterrupt(), PermissionError(13, "Permission denied")])
def test_files_in_a_new_folder_go_with_it_when_one_cannot_be_moved(error, tmp_path, monkeypatch):
    fail_at_move(monkeypatch, 2, error)
    with pytest.raises((KeyboardInterrupt, ValueError)) as caught:
        written(tmp_path / "made" / "out")
    assert caught.type is (ValueError if isinstance(error, OSError) else KeyboardInterrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_the_name_of_a_file_is_refused_and_stays(tmp_path):
    (tmp_path / "02_35.5mm.png").mkdir()
    (tmp_path / "02_35.5mm.png" / "mine").touch()
    (tmp_path / "01_24mm.png").write_text("old")
    with pytest.raises(ValueError, match=r"02_35.5mm.png is a folder. Nothing was saved: rename it"):
        written(tmp_path)
    assert sorted(tmp_path.rglob("*")) == [
        tmp_path / name for name in ("01_24mm.png", "02_35.5mm.png", "02_35.5mm.png/mine")
    ]
    assert (tmp_path / "01_24mm.png").read_text() == "old"


def test_files_of_others_in_a_new_folder_stay_and_hide_no_error(tmp_path):
    def broken():
        (tmp_path / "out" / ".DS_Store").touch()
        yield frames()[0]
        raise RuntimeError("the renderer failed")

    with pytest.raises(RuntimeError, match="the renderer failed"):
        written(tmp_path / "out", pictures=broken())
    assert list(tmp_path.rglob("*.*")) == [tmp_path / "out" / ".DS_Store"]


@pytest.mark.parametrize(
    ("size", "options", "words"),
    [
        ((2, 16384), {"format": "webp"}, "A webp file holds at most 16383 pixels a side, .* 16384 x 2"),
        ((16384, 2), {"fps": 1.0}, "A webp file .* 2 x 16384. Save them as png, without an animation"),
        ((2, 65501), {"format": "jpeg"}, "A jpeg file holds at most 65500"),
    ],
)
def test_pictures_that_a_format_cannot_hold_are_refused(size, options, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        written(tmp_path / "out", pictures=frames(3, *size), **options)
    assert list(tmp_path.iterdir()) == []


def test_exif_that_jpeg_cannot_hold_is_refused(tmp_path):
    sweep = CameraSweep.linear("focal_length", 24, 70, 5000)
    with pytest.raises(ValueError, match=r"JPEG file holds 65533 bytes of EXIF, but a sweep of 5000 .* png or webp"):
        written(tmp_path / "out", sweep, (torch.zeros(3, 2, 2) for _ in range(5000)), format="jpeg")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [2, 4])
def test_a_frame_too_few_or_too_many_leaves_nothing(count, tmp_path):
    with pytest.raises(ValueError, match="zip"):
        written(tmp_path / "out", pictures=frames(count))
    assert list(tmp_path.iterdir()) == []
