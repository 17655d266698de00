"""The command line, as a photographer meets it: what is written, what is printed, and what is refused in one line."""

import json
import subprocess
import sys

import numpy as np
import pytest
import skimage.data
import torch
from PIL import ExifTags, Image

from genphoto import cli
from genphoto.camera.imaging import simulate
from genphoto.camera.photo import Photo
from genphoto.camera.settings import SETTINGS
from genphoto.camera.sweep import CameraSweep
from genphoto.commands.settings import examples
from genphoto.files import sweeps
from genphoto.files.photos import read_photo

from .files.test_sweeps import assert_says
from .test_package import PROJECT

HEIGHT, WIDTH = 64, 96
MODULE, FUNCTION = PROJECT["project"]["scripts"]["genphoto"].split(":")
# The script that pip writes for it.
INSTALLED = f"import sys; sys.argv[0] = '/bin/genphoto'; from {MODULE} import {FUNCTION}; sys.exit({FUNCTION}())"


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(skimage.data.coffee()).resize((WIDTH, HEIGHT)).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


@pytest.fixture
def depth(tmp_path):
    ramp = np.linspace(0, 65535, WIDTH).astype(np.uint16)
    Image.fromarray(np.broadcast_to(ramp, (HEIGHT, WIDTH)).copy()).save(tmp_path / "depth.png")
    return str(tmp_path / "depth.png")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "made" / "out"


def run(*arguments) -> int:
    return cli.main(["simulate", *map(str, arguments), "--device", "cpu"])


def frames_in(out) -> torch.Tensor:
    return torch.stack([read_photo(path) for path in sorted(out.glob("[0-9]*.png"))])


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_every_setting_writes_frames_sheet_and_sweep(setting, photo, depth, out, capsys):
    values = examples(setting)
    given = ["--depth", depth, "--near", 0.5, "--far", 20, "--focus-distance", 1]
    assert run(photo, *given, "--setting", setting.name, "--values", *values, "--out", out) == 0
    names = sorted(path.name for path in out.iterdir())
    assert [name[:3] for name in names] == ["01_", "02_", "03_", "con", "swe"]
    printed = capsys.readouterr()
    assert all(str(out / name) in printed.out for name in names)
    assert printed.err == ""

    sweep = CameraSweep.from_json((out / "sweep.json").read_text())
    assert sweep.values == {setting.name: tuple(setting.parse(v) for v in values)}
    for number, camera in enumerate(sweep.cameras, 1):
        assert_says(out / names[number - 1], camera, sweep, number)
    frames = frames_in(out)
    disparity = torch.linspace(1 / 20, 1 / 0.5, WIDTH).expand(HEIGHT, WIDTH)
    expected = torch.stack([*simulate(Photo(read_photo(photo), disparity, sweep.base), sweep)])
    assert (frames - expected).abs().max() < 2 / 255  # 8-bit frames, 16-bit depth
    assert (frames[0] - frames[2]).abs().mean() > 2 / 255
    with Image.open(out / "contact_sheet.png") as sheet:
        assert sheet.width > 2 * WIDTH


@pytest.mark.parametrize("setting", [s for s in SETTINGS if s.published], ids=lambda s: s.name)
def test_the_published_variant_renders_every_published_setting(setting, photo, depth, out):
    low, high = setting.domain
    given = ["--depth", depth, "--variant", "published", "--setting", setting.name, "--values", low, high]
    assert run(photo, *given, "--out", out) == 0
    frames = frames_in(out)
    assert (frames[0] - frames[1]).abs().mean() > 2 / 255


def test_settings_vary_together_and_names_sort(photo, depth, out):
    given = ["--setting", "aperture", "--start", "f/2", "--stop", "f/8", "--frames", 3, "--spacing", "stops"]
    given += ["--setting", "shutter_speed", "--values", "1/60", "1/30", "1/15"]
    assert run(photo, "--depth", depth, *given, "--out", out) == 0
    frames = sorted(path.name for path in out.glob("[0-9]*.png"))
    assert frames == ["01_f2_1-60s.png", "02_f4_1-30s.png", "03_f8_1-15s.png"]


def test_a_written_sweep_can_be_run_again(photo, depth, out, tmp_path):
    given = ["--depth", depth, "--near", 0.5, "--far", 9, "--focus-point", 0.8, 0.5, "--blades", 6]
    assert run(photo, *given, "--setting", "aperture", "--values", 1.4, 4, "--out", out) == 0
    again = tmp_path / "again"
    assert run(photo, *given[:6], "--sweep", out / "sweep.json", "--out", again) == 0
    assert torch.equal(frames_in(out), frames_in(again))
    assert (out / "sweep.json").read_text() == (again / "sweep.json").read_text()


def test_a_seed_adds_the_same_noise_every_time(photo, tmp_path):
    given = ["--setting", "shutter_speed", "--values", 0.1, "--iso", 3200]
    for name, seed in (("a", ["--seed", 1]), ("b", ["--seed", 1]), ("c", ["--seed", 2]), ("clean", [])):
        assert run(photo, *given, *seed, "--out", tmp_path / name) == 0
    a, b, c, clean = (frames_in(tmp_path / name) for name in ("a", "b", "c", "clean"))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert 0 < (a - clean).abs().mean() < 0.1


def test_size_dial_and_base_camera_reach_the_picture(photo, tmp_path):
    given = ["--setting", "color_temperature", "--values", 3000, "--size", "30x20"]
    assert run(photo, *given, "--out", tmp_path / "light") == 0
    assert run(photo, *given, "--dial", "--out", tmp_path / "dial") == 0
    assert run(photo, *given, "--base-color-temperature", 3000, "--out", tmp_path / "same") == 0
    written = CameraSweep.from_json((tmp_path / "dial" / "sweep.json").read_text())
    assert written.dial
    assert run(photo, "--sweep", tmp_path / "dial" / "sweep.json", "--size", "30x20", "--out", tmp_path / "again") == 0
    assert torch.equal(frames_in(tmp_path / "again"), frames_in(tmp_path / "dial"))
    light, dial, same = (frames_in(tmp_path / name).mean((0, 2, 3)) for name in ("light", "dial", "same"))
    assert frames_in(tmp_path / "light").shape == (1, 3, 20, 30)
    assert light[2] / light[0] < same[2] / same[0] < dial[2] / dial[0]


def test_the_focus_point_stays_sharp(photo, tmp_path):
    array = np.where(np.arange(WIDTH) < WIDTH // 2, 65535, 0).astype(np.uint16)
    Image.fromarray(np.broadcast_to(array, (HEIGHT, WIDTH)).copy()).save(tmp_path / "halves.png")
    given = ["--depth", tmp_path / "halves.png", "--setting", "aperture", "--values", "f/1.4", "--focus-point"]
    assert run(photo, *given, 0.25, 0.5, "--out", tmp_path / "left") == 0
    assert run(photo, *given, 0.75, 0.5, "--out", tmp_path / "right") == 0
    sharp = read_photo(photo)
    difference = [(frames_in(tmp_path / name)[0] - sharp).abs().mean((0, 1)) for name in ("left", "right")]
    far_left, far_right = slice(0, 20), slice(WIDTH - 20, WIDTH)
    assert difference[0][far_left].mean() < 0.2 * difference[1][far_left].mean()
    assert difference[1][far_right].mean() < 0.2 * difference[0][far_right].mean()


def photo_with_exif(path, **tags) -> str:
    exif = Image.Exif()
    for name, value in tags.items():
        exif.get_ifd(0x8769)[{"focal": 0x920A, "iso": 0x8827, "time": 0x829A}[name]] = value
    Image.fromarray(skimage.data.coffee()).resize((WIDTH, HEIGHT)).save(path, exif=exif)
    return str(path)


def test_exif_is_the_base_camera_and_options_win(tmp_path, capsys):
    path = photo_with_exif(tmp_path / "exif.jpg", focal=50.0, iso=400, time=0.02)
    assert run(path, "--setting", "focal_length", "--values", 50, 70, "--iso", 800, "--out", tmp_path / "a") == 0
    base = CameraSweep.from_json((tmp_path / "a" / "sweep.json").read_text()).base
    assert (base.focal_length_mm, base.iso, base.exposure_time_s) == (50, 800, pytest.approx(0.02))
    line = capsys.readouterr().out.splitlines()[0]
    assert "EXIF: focal_length_mm 50 (taken as full frame" in line
    assert ", exposure_time_s 0.02." in line
    assert "--base-focal-length" in line


def test_wider_than_the_exif_says_which_option_changes_it(tmp_path, out, capsys):
    path = photo_with_exif(tmp_path / "exif.jpg", focal=50.0)
    assert run(path, "--setting", "focal_length", "--values", 24, 70, "--out", out) == 2
    error = capsys.readouterr().err
    assert "widest possible here is 50 mm" in error
    assert "--base-focal-length" in error


def test_an_extended_low_iso_of_exif_is_left_out(tmp_path, out, capsys):
    path = photo_with_exif(tmp_path / "exif.jpg", iso=50)
    assert run(path, "--setting", "shutter_speed", "--values", 0.5, "--out", out) == 0
    assert (frames_in(out)[0] - read_photo(path)).abs().max() < 1.5 / 255
    assert "iso 50 (left out" in capsys.readouterr().out


def exif_picture(path, **tags):
    """A picture whose EXIF holds these tags of the exposure."""
    written = Image.Exif()
    written[0x8769] = {getattr(ExifTags.Base, name): value for name, value in tags.items()}
    Image.new("RGB", (16, 12), (150, 90, 60)).save(path, exif=written)
    return path


COLOR = ["--setting", "color_temperature", "--values", 6504]


@pytest.mark.parametrize("with_depth", [False, True])
def test_a_long_lens_in_exif_hinders_no_sweep(with_depth, tmp_path, out, capsys):
    path = exif_picture(tmp_path / "tele.jpg", FocalLength=2000.0, ISOSpeedRatings=400)
    np.save(tmp_path / "d.npy", np.linspace(1, 2.2, 16 * 12, dtype=np.float32).reshape(12, 16))
    depth = ["--depth", tmp_path / "d.npy", "--depth-kind", "metric"] if with_depth else []
    assert run(path, *depth, *COLOR, "--out", out) == 0
    said = capsys.readouterr().out
    assert "focal_length_mm 2000 (taken as full frame" in said
    assert "focus_distance_m 10000 (far: 2000 mm does not focus nearby)" in said
    assert ("2000 mm does not focus on the picture's center" in said) == with_depth
    assert CameraSweep.from_json((out / "sweep.json").read_text()).base.focal_length_mm == 2000


def test_exif_beyond_a_camera_is_left_out_with_a_word(tmp_path, out, capsys):
    path = exif_picture(tmp_path / "a.jpg", FocalLength=0.8, ExposureTime=5000.0)
    assert run(path, *COLOR, "--out", out) == 0
    said = capsys.readouterr().out
    assert "exposure_time_s left out (5000 s: not between" in said
    assert "focal_length_mm left out (0.8 mm is too short for full frame" in said
    assert "--base-focal-length" in said


def test_a_phone_is_not_cropped_to_what_full_frame_would_see(tmp_path, out):
    path = exif_picture(tmp_path / "phone.jpg", FocalLength=4.2)
    assert run(path, "--setting", "focal_length", "--values", 24, "--out", out) == 0
    assert (frames_in(out)[0] - read_photo(path)).abs().max() < 1.5 / 255
    assert run(path, "--setting", "focal_length", "--values", 24, "--base-focal-length", 26, "--out", out) == 2


ZOOM = ["--setting", "focal_length", "--values", "24", "35"]
BOKEH = ["--setting", "bokeh", "--values", "5", "20"]
REFUSED = {
    "no values": (["--setting", "focal_length", "--values"], ["Focal length", "no values", "mm"]),
    "NaN": (["--setting", "focal_length", "--values", "nan"], ["Focal length", "'nan'", "mm", "a number"]),
    "negative": (["--setting", "focal_length", "--values", "-5"], ["Focal length = -5 mm", "between 1 and 5000 mm"]),
    "too hot": (["--setting", "color_temperature", "--values", "9e5"], ["Color temperature", "900000 K", "between"]),
    "wrong unit": (["--setting", "focal_length", "--values", "50kg"], ["Focal length", "'50kg'", "mm, cm"]),
    "unknown setting": (["--setting", "zoom", "--values", "2"], ["'zoom'", "focal_length", "aperture"]),
    "no setting": ([], ["--setting", "--sweep"]),
    "values first": (["--values", "3"], ["--values", "--setting NAME before"]),
    "half a range": (["--setting", "focal_length", "--start", "24"], ["--start V --stop V --frames N"]),
    "no frames": (["--setting", "bokeh", "--start", "1", "--stop", "2", "--frames", "0"], ["from 1 to 10000"]),
    "twice": ([*ZOOM, *ZOOM], ["focal_length", "twice"]),
    "uneven": ([*ZOOM, "--setting", "shutter_speed", "--values", "1"], ["same number", "shutter_speed"]),
    "wide": (["--setting", "focal_length", "--values", "20"], ["20 mm", "24 mm", "--base-focal-length"]),
    "bad base": ([*ZOOM, "--base-focal-length", "50kg"], ["--base-focal-length", "'50kg'", "mm"]),
    "bad size": ([*ZOOM, "--size", "0x5"], ["--size", "'0x5'", "WIDTHxHEIGHT"]),
    "bad sensor": ([*ZOOM, "--sensor", "huge"], ["huge", "full-frame"]),
    "bad blades": ([*ZOOM, "--blades", "2"], ["blades", "2", "3"]),
    "low iso": ([*ZOOM, "--iso", "50"], ["50", "100"]),
    "no sweep file": (["--sweep", "none.json"], ["none.json", "cannot be read"]),
    "depth option": ([*ZOOM, "--near", "2"], ["--near", "--depth FILE"]),
    "no depth": (BOKEH, ["epth"]),
    "published two": ([*ZOOM, "--setting", "shutter_speed", "--values", "1", ".5", "--variant", "published"], ["one"]),
    "published seed": ([*ZOOM, "--variant", "published", "--seed", "1"], ["--seed", "--variant physical"]),
    "bad seed": ([*ZOOM, "--seed", "1e9"], ["--seed", "'1e9'", "whole number"]),
    "bad highlights": ([*ZOOM, "--highlights", "nan"], ["nan", "stops", "from 0 to 16"]),
    "unknown option": ([*ZOOM, "--zoom", "2"], ["--zoom", "--help"]),
}


def assert_refused(status, out, capsys, words) -> None:
    error = capsys.readouterr().err
    assert status == 2
    assert error.count("\n") == 1
    assert error.endswith("\n")
    assert "Traceback" not in error
    assert all(word in error for word in words), error
    assert not out.parent.exists()


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_arguments_are_refused_in_one_line(case, photo, out, capsys):
    given, words = REFUSED[case]
    assert_refused(run(photo, *given, "--out", out), out, capsys, words)


@pytest.mark.parametrize(("name", "words"), [("truncated", ["damaged"]), ("text", ["not a JPEG"]), ("none", ["exist"])])
def test_files_that_are_no_photograph_are_refused_in_one_line(name, words, photo, out, capsys, tmp_path):
    path = tmp_path / f"{name}.jpg"
    if name == "truncated":
        Image.fromarray(skimage.data.coffee()).save(path)
        path.write_bytes(path.read_bytes()[:9000])
    elif name == "text":
        path.write_text("hello")
    assert_refused(run(path, *ZOOM, "--out", out), out, capsys, [str(path), *words])


@pytest.mark.parametrize(
    ("array", "words"),
    [(np.zeros((9, 5), np.uint8), ["5 x 9", "96 x 64"]), (np.full((HEIGHT, WIDTH), 7, np.uint8), ["constant", "7"])],
)
def test_depth_that_does_not_fit_is_refused_in_one_line(array, words, photo, out, capsys, tmp_path):
    Image.fromarray(array).save(tmp_path / "wrong.png")
    status = run(photo, "--depth", tmp_path / "wrong.png", *BOKEH, "--out", out)
    assert_refused(status, out, capsys, ["wrong.png", *words])


@pytest.mark.parametrize(("mode", "size"), [("RGBA", (9, 7)), ("L", (9, 7)), ("LA", (9, 7)), ("RGB", (1, 1))])
def test_unusual_pictures_are_rendered(mode, size, out, tmp_path):
    Image.new(mode, size, 200 if mode == "L" else (200, 100) if mode == "LA" else (200, 100, 50, 90)[: len(mode)]).save(
        tmp_path / "unusual.png"
    )
    assert run(tmp_path / "unusual.png", *ZOOM, "--out", out) == 0
    assert frames_in(out).shape == (2, 3, size[1], size[0])
    assert (frames_in(out) - read_photo(tmp_path / "unusual.png")).abs().max() < 1.5 / 255  # one color stays


def test_a_folder_that_cannot_be_made_is_refused(photo, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert run(photo, *ZOOM, "--out", tmp_path / "file") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "cannot be written" in error
    assert (tmp_path / "file").read_text() == "mine"


def test_nothing_is_overwritten_unless_asked(photo, out, capsys):
    assert run(photo, *ZOOM, "--out", out) == 0
    (out / "notes.txt").write_text("mine")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    capsys.readouterr()
    assert run(photo, *ZOOM, "--base-color-temperature", 9000, "--size", "9x6", "--out", out) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert run(photo, *ZOOM, "--size", "9x6", "--overwrite", "--out", out) == 0
    assert frames_in(out).shape == (2, 3, 6, 9)
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device that is refused")
def test_a_device_that_is_not_there_is_refused(photo, out, capsys):
    status = cli.main(["simulate", photo, *ZOOM, "--out", str(out), "--device", "cuda"])
    assert_refused(status, out, capsys, ["--device cuda", "cpu"])


def test_interruption_leaves_nothing(photo, out, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sweeps, "contact_sheet", interrupted)  # as if Ctrl-C came after all frames were rendered
    assert run(photo, *ZOOM, "--out", out) == 130
    assert "Traceback" not in capsys.readouterr().err
    assert not out.parent.exists()


def test_the_table_of_settings_is_aligned_and_its_examples_work(capsys):
    assert cli.main(["settings"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows] == [s.name for s in SETTINGS]
    for title, words in (("description", "description"), ("unit", "unit"), ("label", "label")):
        column = head.index(title)
        for row, setting in zip(rows, SETTINGS, strict=True):
            assert row[column:].startswith(getattr(setting, words))
    for setting in SETTINGS:
        low, middle, high = (setting.parse(text) for text in examples(setting))
        assert (low, high) == pytest.approx(setting.domain)
        assert low < middle < high


@pytest.mark.parametrize(
    ("program", "name"),
    [(("-m", "genphoto"), "python -m genphoto"), (("-c", INSTALLED), "genphoto")],
    ids=["module", "script"],
)
def test_it_runs_and_fails_as_a_program(program, name, photo, out):
    command = [sys.executable, *program, "simulate", photo, "--setting", "focal_length", "--out", str(out)]
    done = subprocess.run([*command, "--values", "24", "70"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((out / "sweep.json").read_text())["values"] == {"focal_length": [24.0, 70.0]}
    failed = subprocess.run([*command, "--values", "24", "nan"], capture_output=True, text=True, check=False)
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1
    help_page = subprocess.run([sys.executable, *program, "--help"], capture_output=True, text=True, check=True).stdout
    assert help_page.startswith(f"usage: {name} [-h]")
