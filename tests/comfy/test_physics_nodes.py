"""CameraSweepSpec and PhysicsSimulate in a running ComfyUI, on real photographs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from .base_camera import BASE_CAMERA

SWEEPS = {
    "focal_length": (24.0, 70.0),
    "bokeh": (2.0, 24.0),
    "aperture": (1.4, 16.0),
    "shutter_speed": (0.1, 1.0),
    "color_temperature": (2000.0, 10000.0),
}
BASE = {
    "frames": 3,
    "spacing": "stops",
    **BASE_CAMERA,
}
PHYSICS = {
    "image": ["photo", 0],
    "sweep": ["sweep", 0],
    "depth_kind": "disparity, white is near",
    "near_m": 1.0,
    "far_m": 1000.0,
    "focus": "sweep",
    "variant": "physical",
    "noise": True,
    "seed": 7,
    "dial": False,
    "highlights": 0.0,
    "width": 0,
    "height": 0,
}


def real_photo(name):
    """(H,W,3) in [0,1], at most 200 px wide."""
    if name == "china":
        from sklearn.datasets import load_sample_image

        picture = load_sample_image("china.jpg")
    else:
        import skimage.data

        picture = getattr(skimage.data, name)()
    step = max(1, picture.shape[1] // 200)
    return torch.from_numpy(picture[::step, ::step].copy()).float() / 255


def graph(setting="focal_length", depth=True, sweep_inputs=(), physics_inputs=()):
    """LoadImage -> CameraSweepSpec -> PhysicsSimulate -> PreviewImage; the depth is a second picture."""
    first, last = SWEEPS[setting]
    base_focal = 85.0 if setting in ("bokeh", "aperture") else 24.0
    sweep = {"setting": setting, "setting.first": first, "setting.last": last, "setting.focal_length_mm": base_focal}
    prompt = {
        "photo": {"class_type": "LoadImage", "inputs": {"image": "photo.png"}},
        "sweep": {"class_type": "CameraSweepSpec", "inputs": {**BASE, **sweep, **dict(sweep_inputs)}},
        "physics": {"class_type": "PhysicsSimulate", "inputs": {**PHYSICS, **dict(physics_inputs)}},
        "show": {"class_type": "PreviewImage", "inputs": {"images": ["physics", 0]}},
    }
    if depth:
        prompt["depth"] = {"class_type": "LoadImage", "inputs": {"image": "depth.png"}}
        prompt["physics"]["inputs"].setdefault("depth", ["depth", 0])
    return prompt


@pytest.fixture
def photo(comfy):
    picture = real_photo("chelsea")
    put(comfy, picture)
    return picture


def put(comfy, picture):
    comfy.put_image("photo.png", picture)
    ramp = torch.linspace(0, 1, picture.shape[0])[:, None, None].expand(picture.shape)
    comfy.put_image("depth.png", ramp)


@pytest.mark.parametrize("name", ["china", "coffee", "chelsea"])
@pytest.mark.parametrize("setting", SWEEPS)
def test_every_sweep_runs_on_real_photographs(comfy, name, setting):
    picture = real_photo(name)
    put(comfy, picture)
    done = comfy.run(graph(setting))
    assert done.success, done.error
    frames, sweep = done.outputs["physics"]
    assert frames.shape == (3, *picture.shape)
    assert 0 <= frames.min() < frames.max() <= 1
    assert (frames[0] - frames[2]).abs().mean() > 0.01
    assert len(done.ui["show"]["images"]) == len(sweep) == 3


def test_values_in_photographers_notation_replace_first_and_last(comfy, photo):
    done = comfy.run(graph("shutter_speed", sweep_inputs={"values": "1/2, 1/4 1/8 1/16"}))
    assert done.success, done.error
    _, count, labels = done.outputs["sweep"]
    assert count == 4
    assert labels.splitlines() == ["0.5 s", "1/4 s", "1/8 s", "1/16 s"]
    brightness = done.outputs["physics"][0].mean((1, 2, 3))
    assert brightness.tolist() == sorted(brightness.tolist(), reverse=True)


def test_the_base_camera_gives_the_photograph_back(comfy, photo):
    done = comfy.run(graph(sweep_inputs={"values": "24"}, physics_inputs={"noise": False}))
    assert done.success, done.error
    stored = done.outputs["photo"][0]
    assert (done.outputs["physics"][0] - stored).abs().max() < 1e-5


def test_two_sweeps_vary_together(comfy, photo):
    prompt = graph("focal_length", sweep_inputs={"vary_with": ["other", 0]})
    prompt["other"] = graph("shutter_speed")["sweep"]
    done = comfy.run(prompt)
    assert done.success, done.error
    assert done.outputs["sweep"][2].splitlines()[0] == "24 mm, 1/10 s"


def test_the_dial_goes_out_with_the_sweep(comfy, photo):
    dial = {"dial": True, "noise": False, "width": 96, "height": 64}
    prompt = graph("color_temperature", False, {"values": "3200 5600"}, dial)
    # Rendered again from its own sweep: the widget of the second is off.
    prompt["again"] = {**prompt["physics"], "inputs": {**prompt["physics"]["inputs"], "sweep": ["other", 0]}}
    prompt["again"]["inputs"]["dial"] = False
    prompt["other"] = graph("shutter_speed", sweep_inputs={"values": "1/2 1/4", "vary_with": ["physics", 1]})["sweep"]
    prompt["show again"] = {"class_type": "PreviewImage", "inputs": {"images": ["again", 0]}}
    done = comfy.run(prompt)
    assert done.success, done.error
    (frames, sweep), (_, other) = done.outputs["physics"], done.outputs["again"]
    assert sweep.dial
    assert other.dial
    assert frames[0, ..., 2].mean() / frames[0, ..., 0].mean() > frames[1, ..., 2].mean() / frames[1, ..., 0].mean()


def test_focus_moves_to_the_picked_point(comfy, photo):
    def sharpest_row(y):
        inputs = {"focus": "point", "focus.x": 0.5, "focus.y": y, "noise": False}
        done = comfy.run(graph("bokeh", sweep_inputs={"values": "30"}, physics_inputs=inputs))
        assert done.success, done.error
        change = (done.outputs["physics"][0][0] - photo).abs().mean((1, 2))
        rows = change.unfold(0, 15, 1).mean(1)
        return (rows.argmin() + 7).item() / photo.shape[0]

    assert sharpest_row(0.25) == pytest.approx(0.25, abs=0.08)
    assert sharpest_row(0.75) == pytest.approx(0.75, abs=0.08)


def physics_at(comfy, setting, value, focal_length_mm):
    """Inputs of PhysicsSimulate for one noise-free frame."""
    spec = {"setting": setting, "first": value, "last": value, "focal_length_mm": focal_length_mm}
    sweep, _, _ = comfy.call("CameraSweepSpec", **{**BASE, "setting": spec, "frames": 1})
    return {**PHYSICS, "sweep": sweep, "noise": False, "focus": {"focus": "sweep"}}


@pytest.mark.parametrize("kind", ["da3", "moge2", "mask", "image"])
def test_depth_of_every_kind_is_understood(comfy, photo, kind):
    """One scene, 1 m at the bottom to 10 m at the top, told in four ways; the frames agree."""
    rows = torch.linspace(0.1, 1, photo.shape[0])[:, None].expand(photo.shape[:2])  # disparity [1/m]
    depth = {
        "da3": {"depth": 7 / rows[None], "image": photo[None], "mode": "mono"},
        "moge2": {"depth": 1 / rows[None], "points": None, "normal": None, "intrinsics": None, "image": photo[None]},
        "mask": rows[None],
        "image": rows[None, :, :, None].expand(-1, -1, -1, 3),
    }[kind]
    inputs = {**physics_at(comfy, "bokeh", 20.0, 85.0), "image": photo[None], "far_m": 10.0}
    frames, _ = comfy.call("PhysicsSimulate", **{**inputs, "depth": depth})
    expected, _ = comfy.call("PhysicsSimulate", **{**inputs, "depth": rows[None]})
    assert (frames - photo).abs().mean() > 0.01
    assert (frames - expected).abs().max() < 1e-3


def aperture_frame(comfy, photo, depth, **inputs):
    physics = {**physics_at(comfy, "bokeh", 20.0, 85.0), "image": photo[None], "depth": depth, **inputs}
    return comfy.call("PhysicsSimulate", **physics)[0]


SMALL = torch.rand(12, 16, 3, generator=torch.Generator().manual_seed(0))
ROWS = torch.linspace(0.2, 1, 12)[:, None].expand(12, 16)  # disparity [1/m]


def test_a_colored_depth_map_is_refused_and_one_code_off_grey_taken(comfy):
    grey = (ROWS * 255).round()[None, :, :, None].repeat(1, 1, 1, 3) / 255
    off = grey.clone()
    off[..., 2] -= 1 / 255
    expected = aperture_frame(comfy, SMALL, grey)
    assert (aperture_frame(comfy, SMALL, off) - expected).abs().max() < 1e-4
    opaque = torch.cat([grey, torch.ones_like(grey[..., :1])], -1)
    assert (aperture_frame(comfy, SMALL, opaque) - expected).abs().max() < 1e-6
    colored = torch.stack([ROWS, 1 - ROWS, ROWS], -1)[None]
    with pytest.raises(ValueError, match=r"The depth input.* is a color picture, and colors have no order"):
        aperture_frame(comfy, SMALL, colored)


@pytest.mark.parametrize("white", [255, 65535])
@pytest.mark.parametrize("socket", ["image", "mask"])
def test_a_picture_of_meters_is_refused(comfy, white, socket):
    stored = (ROWS * white / 20).round() / white  # 16 bit: millimeters, as shares of white
    depth = stored[None] if socket == "mask" else stored[None, :, :, None].expand(-1, -1, -1, 3)
    with pytest.raises(ValueError, match=r"depth_kind is meters.*'distance, white is far' and set near_m"):
        aperture_frame(comfy, SMALL, depth, depth_kind="meters")


def test_meters_below_one_are_taken_with_a_word(comfy, caplog):
    depth = (0.3 + ROWS / 3 + torch.rand(12, 16, generator=torch.Generator().manual_seed(1)) / 100)[None]
    assert aperture_frame(comfy, SMALL, depth, depth_kind="meters").isfinite().all()
    assert "the farthest point of the depth is 0.6" in caplog.text
    caplog.clear()
    aperture_frame(comfy, SMALL, 10 * depth, depth_kind="meters")
    assert "farthest point" not in caplog.text


def test_one_nan_in_relative_depth_is_counted(comfy):
    depth = ROWS.clone()[None]
    depth[0, 3, 4] = torch.nan
    with pytest.raises(ValueError, match="1 of 192 values are NaN or infinite"):
        aperture_frame(comfy, SMALL, depth)


@pytest.mark.parametrize("source", ["sky of Depth Anything 3", "mask of MoGe"])
def test_what_geometry_takes_for_sky_is_infinitely_far(comfy, source):
    """From a sky score of 0.3 on, as core itself decides; where MoGe's mask is off."""
    sky = torch.zeros(1, 12, 16, dtype=torch.bool)
    sky[:, :4] = True
    if source == "mask of MoGe":
        told = {"mask": ~sky, "points": None, "normal": None, "intrinsics": None}
    else:
        told = {"sky": torch.where(sky, 0.31, 0.29)}
    distance = 2 / ROWS[None]
    geometry = {"depth": distance, **told}
    far = {**geometry, "depth": distance.masked_fill(sky, 1e9)}
    rendered = aperture_frame(comfy, SMALL, geometry)
    assert torch.allclose(rendered, aperture_frame(comfy, SMALL, far), atol=1e-6)
    plain = {k: v for k, v in geometry.items() if k not in ("sky", "mask")}
    assert (rendered - aperture_frame(comfy, SMALL, plain)).abs().max() > 0.01


def test_grey_and_transparent_pictures_are_photographs(comfy, photo):
    inputs = physics_at(comfy, "focal_length", 24.0, 24.0)
    grey, _ = comfy.call("PhysicsSimulate", **{**inputs, "image": photo[None, :, :, :1]})
    assert torch.allclose(grey[0], photo[:, :, :1].expand(-1, -1, 3), atol=1e-5)
    clear = torch.cat([photo, torch.zeros_like(photo[:, :, :1])], -1)
    white, _ = comfy.call("PhysicsSimulate", **{**inputs, "image": clear[None]})
    assert white.min() > 0.999


def test_noise_follows_the_seed(comfy, photo):
    def frames(seed):
        done = comfy.run(graph(sweep_inputs={"iso": 6400.0}, physics_inputs={"seed": seed}))
        assert done.success, done.error
        return done.outputs["physics"][0]

    assert torch.equal(frames(1), frames(1))
    assert not torch.equal(frames(1), frames(2))


def test_progress_moves_within_a_frame_and_cancel_stops_there(comfy, photo):
    stopped = comfy.run(
        graph("bokeh", sweep_inputs={"values": "20"}),
        on_progress=lambda moved: moved.node == "physics" and moved.value > 0 and comfy.interrupt(),
    )
    assert stopped.interrupted
    assert stopped.error is None
    assert max(p.value / p.max for p in stopped.progress if p.node == "physics") < 1
    again = comfy.run(graph("bokeh", sweep_inputs={"values": "20"}))
    assert again.success, again.error
    assert max(p.value / p.max for p in again.progress if p.node == "physics") == 1


@pytest.mark.parametrize(
    ("setting", "sweep_inputs", "message"),
    [
        ("focal_length", {"values": "18"}, "18 mm sees more.*widest possible here is 24 mm"),
        ("focal_length", {"values": "50kg"}, "Focal length = '50kg' cannot be read as a value in mm"),
        ("color_temperature", {"values": "500"}, "Color temperature = 500 K is not between 1000 and 40000 K"),
        ("shutter_speed", {"values": "nan"}, "Shutter speed"),
        ("bokeh", {"focus_distance_m": 0.05}, "not beyond the focal length of 85 mm"),
        ("aperture", {"setting": "zoom"}, "Choose one of focal_length"),
    ],
)
def test_errors_say_what_to_do(comfy, photo, setting, sweep_inputs, message):
    failed = comfy.run(graph(setting, sweep_inputs=sweep_inputs))
    assert not failed.success
    assert_matches(message, failed.error)


def test_typed_values_are_not_rounded_by_the_browser(comfy):
    """A missing `round` makes the frontend round to the step: 1/125 s would become 0."""

    def floats(inputs):
        for name, (kind, *options) in inputs.items():
            if kind == "FLOAT":
                yield name, options[0]
            for option in options[0].get("options", []) if "DYNAMICCOMBO" in str(kind) else []:
                for group in option["inputs"].values():
                    yield from floats(group)

    groups = comfy.info("CameraSweepSpec")["input"].values()
    found = [pair for group in groups for pair in floats(group)]
    assert len(found) > 20
    assert [name for name, options in found if not 0 < options.get("round", 0) <= 1e-6] == []


def test_two_sweeps_of_one_setting_are_refused(comfy, photo):
    prompt = graph("focal_length", sweep_inputs={"vary_with": ["other", 0]})
    prompt["other"] = graph("focal_length")["sweep"]
    assert_matches("Both sweeps vary focal_length", comfy.run(prompt).error)


def test_the_published_variant_refuses_a_focus(comfy, photo):
    inputs = {"variant": "published", "focus": "distance", "focus.distance_m": 2.0}
    assert_matches("a focus of its own", comfy.run(graph("bokeh", physics_inputs=inputs)).error)


@pytest.mark.parametrize("setting", ["bokeh", "aperture"])
def test_bokeh_without_depth_names_the_node_to_add(comfy, photo, setting):
    failed = comfy.run(graph(setting, depth=False))
    assert not failed.success
    assert_matches("'Load Depth Anything 3' and 'Run Depth Anything 3'", failed.error)


def test_picking_a_point_without_depth_names_the_node_to_add(comfy, photo):
    failed = comfy.run(graph(depth=False, physics_inputs={"focus": "point", "focus.x": 0.5, "focus.y": 0.5}))
    assert_matches("Run Depth Anything 3", failed.error)


def test_a_batch_of_photographs_is_refused(comfy, photo):
    prompt = graph()
    prompt["batch"] = {"class_type": "RepeatImageBatch", "inputs": {"image": ["photo", 0], "amount": 2}}
    prompt["physics"]["inputs"]["image"] = ["batch", 0]
    assert_matches("batch of 2.*Get Image from Batch", comfy.run(prompt).error)


@pytest.mark.parametrize("scale", ["other size", "constant"])
def test_depth_that_does_not_fit_is_refused(comfy, photo, scale):
    size = (10, 20, 3) if scale == "other size" else photo.shape
    ramp = torch.full(size, 0.5)
    ramp[0] = 0.5 if scale == "constant" else 0.9
    comfy.put_image("depth.png", ramp)
    message = "20 x 10 pixels does not fit" if scale == "other size" else "constant"
    assert_matches(message, comfy.run(graph("bokeh")).error)


def test_loading_the_pack_imports_no_model_library():
    """In a fresh interpreter, beyond what ComfyUI itself has imported. Its time: benchmarks/load_time.py."""
    import folder_paths

    pack = Path(__file__).parents[2]
    printed = subprocess.run(
        [sys.executable, pack / "benchmarks" / "load_time.py", Path(folder_paths.__file__).parent],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    imported = printed.partition("imported:")[2].split()
    assert "genphoto" in printed
    assert not {"diffusers", "transformers", "accelerate", "cv2", "skimage", "matplotlib"} & set(imported)


def assert_matches(pattern, text):
    assert re.search(pattern, text or "", re.S), text
