"""`python -m genphoto evaluate`: what it writes, what it remembers, and what it refuses."""

import base64
import json
import re
from io import BytesIO

import pytest
import skimage.data
import torch
from PIL import Image

from genphoto import cli
from genphoto.camera.imaging import simulate
from genphoto.camera.photo import Photo
from genphoto.camera.sweep import CameraSweep
from genphoto.commands import evaluate, ruler
from genphoto.files.frames import PICTURES, frame_files, read_frames
from genphoto.metrics.perceptual import Lpips

from .tiny_clip import write_tiny_clip

ZOOM = CameraSweep({"focal_length": [24, 35, 50]})
ASKED = ["--setting", "focal_length", "--values", "24", "35", "50"]


@pytest.fixture(scope="module")
def frames():
    picture = torch.from_numpy(skimage.data.coffee().copy()).movedim(-1, 0).float() / 255
    return torch.stack([*simulate(Photo(picture, camera=ZOOM.base), ZOOM, size=(128, 192))])


@pytest.fixture
def gif(tmp_path, frames):
    return write_gif(tmp_path / "zoom.gif", frames)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "made" / "report"


def images(frames):
    return [Image.fromarray((frame.movedim(0, -1) * 255).round().byte().numpy()) for frame in frames]


def write_gif(path, frames):
    first, *others = images(frames)
    first.save(path, save_all=True, append_images=others, duration=200)
    return path


def write_folder(folder, frames, name="frame{}.png"):
    folder.mkdir()
    for index, image in enumerate(images(frames), 8):  # frame8, frame9, frame10
        image.save(folder / name.format(index))
    return folder


def run(*arguments) -> int:
    return cli.main(["evaluate", *map(str, arguments)])


def report(out):
    return json.loads((out / "report.json").read_text())["sequences"]


def test_what_the_frames_could_not_show_is_the_first_finding(tmp_path, frames, out):
    made = write_folder(tmp_path / "made", frames)
    sweep = CameraSweep({"focal_length": [24, 35, 60]}, reach={"focal_length": (24, 50)})
    (made / "sweep.json").write_text(sweep.to_json(), encoding="utf-8")
    assert run(made, "--out", out) == 0
    told = "Focal length: the camera adapter was trained on 24 mm to 50 mm; frame 3 (asked: 60 mm) will look"
    assert report(out)[0]["findings"][0].startswith(told)
    assert told in (out / "report.html").read_text()


def test_a_gif_is_measured_and_the_page_stands_alone(gif, out, capsys):
    assert run(gif, *ASKED, "--out", out) == 0
    (found,) = report(out)
    assert found["measurements"]["zoom"]["median_absolute_error"] < 0.5  # percent, of a 256 color GIF
    assert found["sweep"]["values"] == {"focal_length": [24.0, 35.0, 50.0]}
    page = (out / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    shown = re.findall(r'src="data:image/(\w+);base64,([^"]+)"', page)
    assert [kind for kind, _ in shown] == ["jpeg", "png"]
    for _, data in shown:
        Image.open(BytesIO(base64.b64decode(data))).load()
    printed = capsys.readouterr()
    assert str(out / "report.html") in printed.out
    assert printed.err == ""


def test_a_folder_that_simulate_wrote_needs_no_setting(tmp_path, out):
    Image.fromarray(skimage.data.coffee()).save(tmp_path / "photo.png")
    made = tmp_path / "zoom"
    simulated = [tmp_path / "photo.png", *ASKED, "--size", "192x128", "--device", "cpu", "--out", made]
    assert cli.main(["simulate", *map(str, simulated)]) == 0
    assert run(made, "--reference", made, "--cross-talk", "--out", out) == 0
    (found,) = report(out)
    assert len(found["measurements"]) == 5
    assert found["consistency_excess"] == 0
    assert found["published"]["focal_length"]["correlation"] == pytest.approx(1)


def test_a_gif_with_its_sweep_beside_it_needs_no_setting(gif, out):
    gif.with_suffix(".json").write_text(ZOOM.to_json())
    assert run(gif, "--out", out) == 0


def test_pictures_are_taken_in_the_order_of_their_numbers(tmp_path, frames):
    folder = write_folder(tmp_path / "frames", frames)
    images(frames)[0].save(folder / "contact_sheet.png")
    assert [path.name for path in frame_files(folder)] == ["frame8.png", "frame9.png", "frame10.png"]
    stored = torch.stack(read_frames(folder))
    assert (stored - frames).abs().max() < 1 / 255


def test_numbers_with_decimals_are_ordered_as_numbers(tmp_path, frames):
    folder = tmp_path / "frames"
    folder.mkdir()
    named = ["f2.44", "f2.5", "f10", "f10,25", "f10,3", "\u00b2"]  # the last is a digit to str.isdigit, not to int
    for name in reversed(named):
        images(frames)[0].save(folder / f"{name}.png")
    assert [path.stem for path in frame_files(folder)] == named


@pytest.mark.parametrize("ending", PICTURES)
def test_every_kind_of_picture_that_is_listed_is_read(ending, tmp_path, frames):
    folder = write_folder(tmp_path / "frames", frames, f"frame{{}}{ending}")
    assert (torch.stack(read_frames(folder)) - frames).abs().mean() < 0.03


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
@pytest.mark.parametrize("duration", [33, 500])
def test_merged_frames_of_other_programs_are_hinted_at(name, duration, tmp_path, frames, out, capsys):
    first, *others = images(frames[[0, 1, 1, 2]])
    first.save(tmp_path / name, save_all=True, append_images=others, duration=duration)
    assert run(tmp_path / name, *ASKED, 70, "--out", out) == 2
    printed = capsys.readouterr().err
    assert f"{name} holds 3 frames for 4 values" in printed
    assert "merged" in printed
    whole = write_folder(tmp_path / "whole", frames[[0, 1, 1, 2]])
    assert run(whole, *ASKED, 70, "--reference", tmp_path / name, "--out", out) == 2
    assert f"{name} holds 3 frames for 4 values" in capsys.readouterr().err
    assert run(tmp_path / name, *ASKED, 70, 70, "--out", out) == 2
    assert "3 frames do not fit a sweep of 5 values" in capsys.readouterr().err


def test_a_gif_that_stores_only_what_changed_is_read_whole(tmp_path, frames):
    moved = frames[:1].repeat(3, 1, 1, 1)
    moved[1, :, 10:20, 10:20] = 1
    path = write_gif(tmp_path / "partial.gif", moved)
    again = torch.stack(read_frames(path))
    assert again.shape == moved.shape
    assert (again - moved).abs().mean() < 0.03


def test_measured_sequences_are_not_measured_again(tmp_path, gif, frames, out, monkeypatch, capsys):
    other = write_folder(tmp_path / "frames", frames)
    assert run(gif, *ASKED, "--out", out) == 0
    measured = []
    real = ruler.measure_sweep

    def counted(*args, **more):
        measured.append(1)
        return real(*args, **more)

    monkeypatch.setattr(ruler, "measure_sweep", counted)
    assert run(gif, other, *ASKED, "--out", out) == 0
    assert len(measured) == 1
    assert "1 of 2 sequences were measured before" in capsys.readouterr().out
    assert [found["name"] for found in report(out)] == [str(gif), str(other)]
    assert run(gif, "--setting", "focal_length", "--values", 24, 35, 51, "--out", out) == 0
    assert run(gif, *ASKED, "--cross-talk", "--out", out) == 0
    assert len(measured) == 3  # another sweep and other options are another measurement


class Difference(torch.nn.Module):
    """Stands for LPIPS, whose package is optional and whose weights are large."""

    def __init__(self, weight):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(weight))

    def forward(self, a, b):
        return self.weight * (a - b).abs().mean()


def test_other_weights_in_the_same_place_are_another_measurement(gif, tmp_path, out, monkeypatch):
    clip = tmp_path / "clip"
    given = [gif, *ASKED, "--clip", clip, "--lpips", "vgg", "--lpips-weights", tmp_path, "--out", out]

    def measured(seed, weight, prompt):
        write_tiny_clip(clip, seed)
        monkeypatch.setattr(evaluate, "lpips_distance", lambda net, folder: Lpips(Difference(weight)))
        assert run(*given, "--prompt", prompt) == 0
        return json.dumps(report(out))

    clip.mkdir()
    kinds = [(0, 1.0, "a cat"), (1, 1.0, "a cat"), (0, 2.0, "a cat"), (0, 1.0, "a dog")]
    found = [measured(*kind) for kind in kinds]
    assert len(set(found)) == len(list((out / "sequences").glob("*.json"))) == len(kinds)
    assert measured(*kinds[0]) == found[0]
    assert len(list((out / "sequences").glob("*.json"))) == len(kinds)


def test_what_was_measured_before_an_interruption_is_kept(tmp_path, gif, frames, out, monkeypatch):
    other = write_folder(tmp_path / "frames", frames)
    real = ruler.measure_sweep

    def interrupted(frames, *args, **more):
        if len(report(out)) if (out / "report.json").exists() else 0:
            raise KeyboardInterrupt
        return real(frames, *args, **more)

    monkeypatch.setattr(ruler, "measure_sweep", interrupted)
    assert run(gif, other, *ASKED, "--out", out) == 130
    assert [found["name"] for found in report(out)] == [str(gif)]
    assert not [path for path in out.rglob(".*")]


def test_one_bad_sequence_does_not_stop_the_others(tmp_path, gif, out, capsys):
    broken = write_folder(tmp_path / "broken", torch.stack(read_frames(gif)))
    (broken / "frame9.png").write_bytes((broken / "frame9.png").read_bytes()[:500])
    torn = tmp_path / "torn.gif"
    torn.write_bytes(gif.read_bytes()[:3000])
    assert run(tmp_path / "missing.gif", broken, torn, gif, *ASKED, "--out", out) == 2
    missing, *damaged, found = report(out)
    assert "does not exist" in missing["error"]
    assert "frame9.png is damaged" in damaged[0]["error"]
    assert "torn.gif" in damaged[1]["error"]
    assert "zoom" in found["measurements"]
    said = capsys.readouterr().err
    assert "3 of 4 sequences could not be measured and were left out. " in said
    assert all(name in said for name in ("missing.gif", "frame9.png", "torn.gif"))
    assert said.count("\n") == 1
    assert "does not exist" in (out / "report.html").read_text()


def black(frames):
    return torch.stack([frames[0], torch.zeros_like(frames[1]), frames[2]])


BAD = {
    "one frame": (lambda f: f[:1], [*ASKED[:3], "24"], "1 frame: frames are measured against each other"),
    "another length": (lambda f: f[:2], ASKED, "2 frames do not fit a sweep of 3 values"),
    "black": (black, ASKED, "Frame(s) 2 are black"),
    "sizes": (lambda f: [f[0], f[1][:, :100], f[2]], ASKED, "Frames of different sizes"),
    "small": (lambda f: f[:, :, :40, :40], ASKED, "too small"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_frames_are_one_clear_error(kind, tmp_path, frames, out, capsys):
    change, asked, said = BAD[kind]
    folder = write_folder(tmp_path / "bad", change(frames))
    assert run(folder, *asked, "--out", out) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1


def test_bad_arguments_are_one_clear_error(tmp_path, gif, frames, out, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "words.gif").write_text("no picture")
    for arguments, said in {
        (gif,): "Nothing says what was asked for",
        (empty, *ASKED): "holds no pictures",
        (tmp_path / "words.gif", *ASKED): "is not an animated GIF",
        (gif, *ASKED, "--prompt", "a cup"): "--prompt TEXT and --clip",
        (gif, *ASKED, "--prompt", " ", "--clip"): "prompt is empty",
        (gif, gif, gif, *ASKED, "--prompt", "a", "--prompt", "b", "--clip"): "2 prompts do not fit 3 sequences",
        (gif, *ASKED, "--near", "1"): "Give it by --depth",
        (gif, *ASKED, "--reference", tmp_path / "none"): "does not exist",
        (gif, "--setting", "focus", "--values", "1"): "focus",
    }.items():
        assert run(*arguments, "--out", out) == 2
        printed = capsys.readouterr().err
        assert said in printed, arguments
        assert printed.count("\n") == 1


def test_missing_weights_say_where_to_get_them(gif, tmp_path, out, capsys):
    assert run(gif, *ASKED, "--lpips", "vgg", "--lpips-weights", tmp_path, "--out", out) == 2
    assert "vgg16-397923af.pth" in capsys.readouterr().err
    assert run(gif, *ASKED, "--clip", tmp_path / "none", "--prompt", "a cup", "--out", out) == 2
    assert "hf download openai/clip-vit-base-patch32" in capsys.readouterr().err
    assert not out.exists()


def test_names_cannot_put_anything_into_the_page(tmp_path, frames, out):
    path = write_gif(tmp_path / "<b>&x.gif", frames)
    assert run(path, *ASKED, "--out", out) == 0
    page = (out / "report.html").read_text()
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;x.gif" in page
