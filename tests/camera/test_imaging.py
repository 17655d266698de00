import math
from dataclasses import replace

import pytest
import torch

from genphoto.camera.camera import Camera
from genphoto.camera.colorimetry import srgb_to_linear
from genphoto.camera.imaging import photograph, simulate, stacked
from genphoto.camera.optics import blur_radius_px
from genphoto.camera.photo import (
    Photo,
    disparity_from_depth,
    disparity_from_relative,
    disparity_from_relative_distance,
)
from genphoto.camera.settings import SETTINGS, setting_named
from genphoto.camera.settings.aperture import with_f_number
from genphoto.camera.sweep import CameraSweep


@pytest.fixture
def picture():
    from skimage.data import chelsea

    return torch.from_numpy(chelsea()[40:240:2, 60:360:2].copy()).movedim(-1, 0) / 255  # (3,100,150), a real cat


@pytest.fixture
def photo(picture):
    ramp = torch.linspace(0, 1, picture.shape[1])[:, None].expand(picture.shape[1:])
    return Photo(picture, disparity_from_relative(ramp))


def frames_of(photo, sweep, **options):
    return stacked(simulate(photo, sweep, **options), len(sweep))


BASES = [Camera(), Camera(85, 2.8, 3.0, 1 / 125, 400, 3200, 0.003), Camera(6.8, 1.8, 1.5, sensor="phone")]


@pytest.mark.parametrize("camera", BASES)
@pytest.mark.parametrize("with_depth", [True, False])
def test_a_photo_at_its_base_camera_comes_back_unchanged(photo, camera, with_depth):
    photo = replace(photo, camera=camera, disparity=photo.disparity if with_depth else None)
    again = photograph(photo, camera)
    assert (again - photo.image).abs().max() < 2e-6
    assert torch.equal((again * 255).round(), (photo.image * 255).round())


@pytest.mark.parametrize("stops", [-3, -2, -1, 1, 2])
def test_shutter_speed_is_in_stops_until_clipping(photo, stops):
    seconds = photo.camera.exposure_time_s * 2.0**stops
    frame = photograph(photo, replace(photo.camera, exposure_time_s=seconds))
    before, after = srgb_to_linear(photo.image), srgb_to_linear(frame)
    unclipped = (after < 0.98) & (before > 0.01)
    measured = torch.log2(after[unclipped] / before[unclipped])
    assert unclipped.sum() > 1000
    assert (measured - stops).abs().max() < 0.02


def test_noisy_exposure_keeps_its_mean_in_stops(photo):
    camera = replace(photo.camera, exposure_time_s=photo.camera.exposure_time_s / 4)
    frame = photograph(photo, camera, generator=torch.Generator().manual_seed(0))
    ratio = srgb_to_linear(frame).mean() / srgb_to_linear(photo.image).mean()
    assert math.log2(ratio) == pytest.approx(-2, abs=0.02)


def test_noise_follows_the_seed(photo):
    camera = replace(photo.camera, iso=6400, exposure_time_s=photo.camera.exposure_time_s / 64)
    one, same, other = (photograph(photo, camera, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_higher_iso_at_the_same_brightness_is_noisier(photo):
    def noise(iso):
        camera = replace(photo.camera, iso=iso, exposure_time_s=photo.camera.exposure_time_s * 100 / iso)
        return (photograph(photo, camera, generator=torch.Generator().manual_seed(3)) - photo.image).std()

    assert noise(6400) > 4 * noise(100)


def test_warm_light_and_a_warm_dial_are_opposite(photo):
    camera = replace(photo.camera, color_temperature_k=3000)
    light, dial = (srgb_to_linear(photograph(photo, camera, dial=dial)).mean((1, 2)) for dial in (False, True))
    assert light[0] / light[2] > 2 * dial[0] / dial[2]


def test_bokeh_blurs_what_is_out_of_focus_and_nothing_else(photo):
    frame = photograph(photo, with_f_number(photo.camera, 0.1))
    focus_row = int(0.4995 * photo.size[0])  # 2 m of 1..1000 m, linear in disparity
    error = (frame - photo.image).abs().mean((0, 2))
    assert error[focus_row] < 0.01
    assert error[:10].mean() > 0.02
    assert error[-10:].mean() > 0.02


def test_the_blur_that_the_photo_has_is_not_added_twice(photo):
    """Stopping down cannot sharpen, and the same f-number adds nothing, whatever the rest does."""
    taken = Camera(85, 1.4, 2.0)
    photo = replace(photo, camera=taken)
    assert torch.equal(photograph(photo, with_f_number(taken, 16)), photograph(photo, taken))


def radius_px(frame):
    """Radius of the disc that a light makes, from its second moment."""
    light = srgb_to_linear(frame).double().mean(0)
    offset = torch.arange(light.shape[0], dtype=torch.float64) - light.shape[0] // 2
    return math.sqrt(2 * (light * (offset[:, None] ** 2 + offset**2)).sum() / light.sum())


@pytest.mark.parametrize("setting", ["aperture", "bokeh"])
def test_a_sharp_photo_is_blurred_exactly_as_a_thin_lens_blurs(setting):
    """At f/64 too, where the sweep asks for it, although that is also what a sharp photograph counts as."""
    picture = torch.zeros(3, 121, 121)
    picture[:, 60, 60] = 1.0
    base = Camera(400, focus_distance_m=5.0)
    chosen, cameras = setting_named(setting), [replace(base, f_number=n) for n in (16, 22, 45, 64)]
    sweep = CameraSweep({setting: [chosen.read(camera) for camera in cameras]}, base)
    frames = frames_of(Photo(picture, torch.ones(121, 121), base), sweep)
    wanted = [blur_radius_px(torch.ones(()), camera, 121).item() for camera in cameras]
    assert min(wanted) > 3
    assert [radius_px(frame) for frame in frames] == pytest.approx(wanted, rel=0.01)


def test_the_known_blur_of_a_photo_is_taken_off():
    picture = torch.zeros(3, 121, 121)
    picture[:, 60, 60] = 1.0
    taken = Camera(400, 22, 5.0)
    frame = photograph(Photo(picture, torch.ones(121, 121), taken), with_f_number(taken, 16))
    present, wanted = (blur_radius_px(torch.ones(()), replace(taken, f_number=n), 121).item() for n in (22, 16))
    assert radius_px(frame) == pytest.approx(math.sqrt(wanted**2 - present**2), rel=0.01)


@pytest.mark.parametrize("setting", ["focal_length", "shutter_speed", "color_temperature", "tint"])
def test_depth_adds_nothing_to_a_sharp_photo_where_nobody_turns_the_iris(photo, setting):
    base = Camera(85)
    values = [base.focal_length_mm, 135] if setting == "focal_length" else setting_named(setting).domain
    sweep = CameraSweep({setting: values}, base)
    flat, deep = (frames_of(replace(photo, camera=base, disparity=d), sweep) for d in (None, photo.disparity))
    assert torch.equal(flat, deep)


def test_bokeh_of_the_surroundings_reaches_into_a_zoomed_frame():
    """A lamp just outside the crop: its blur disc enters the frame."""
    picture = torch.zeros(3, 200, 300)
    picture[:, 98:102, 238:242] = 1.0  # half of the width reaches to column 225
    photo = Photo(picture, torch.full((200, 300), 0.01), Camera(50))
    frame = photograph(photo, Camera(100, 0.8, 2.0))
    assert frame[:, 80:120, -3:].max() > 0.05


def test_blur_grows_with_the_picture(picture):
    """The same camera at twice the resolution blurs twice as many pixels: the frame is the same."""
    ramp = torch.linspace(0, 1, 100)[:, None].expand(100, 150)
    camera = Camera(85, 4.0)
    small = photograph(Photo(picture, disparity_from_relative(ramp), Camera(85)), camera)
    double = Photo(
        picture.repeat_interleave(2, 1).repeat_interleave(2, 2),
        disparity_from_relative(ramp).repeat_interleave(2, 0).repeat_interleave(2, 1),
        Camera(85),
    )
    large = photograph(double, camera, size=(100, 150))
    assert (small - large).abs().mean() < 0.01


def test_depth_of_field_without_depth_is_refused(picture):
    with pytest.raises(ValueError, match=r"give a depth map"):
        photograph(Photo(picture), Camera(f_number=1.4))


def test_other_settings_need_no_depth(picture):
    for setting in SETTINGS:
        if setting.base.f_number == setting.write(setting.base, setting.domain[1]).f_number:
            assert frames_of(Photo(picture), CameraSweep({setting.name: setting.domain})).shape == (
                2,
                3,
                100,
                150,
            )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("setting", [s.name for s in SETTINGS])
def test_every_setting_simulates_in_every_float_type(photo, setting, dtype):
    chosen = next(s for s in SETTINGS if s.name == setting)
    sweep = CameraSweep.linear(setting, *chosen.domain, 3)
    exact = frames_of(replace(photo, camera=sweep.base), sweep)
    half = frames_of(replace(photo, image=photo.image.to(dtype), camera=sweep.base), sweep)
    assert half.dtype == dtype
    assert half.shape == (3, *photo.image.shape)
    assert (half.float() - exact).abs().mean() < 0.01


@pytest.mark.parametrize("setting", [s.name for s in SETTINGS if s.published])
def test_every_published_setting_simulates_at_the_trained_size(photo, setting):
    chosen = next(s for s in SETTINGS if s.name == setting)
    frames = torch.stack(
        [*simulate(photo, CameraSweep.linear(setting, *chosen.domain, 3), variant="published", size=(64, 96))]
    )
    assert frames.shape == (3, 3, 64, 96)
    assert (frames[0] - frames[2]).abs().mean() > 0.01


def test_published_bokeh_is_that_of_the_trained_size_whatever_the_photograph_has(photo):
    """K counts pixels of a frame 384 px wide: of a larger photograph, reduced to that."""
    picture = torch.nn.functional.interpolate(photo.image[None], (256, 384), mode="bicubic").clamp(0, 1)[0]
    disparity = torch.linspace(0, 1, 256)[:, None].expand(256, 384)
    sweep = CameraSweep({"bokeh": [12]})
    small = frames_of(Photo(picture, disparity), sweep, variant="published", size=(256, 384))
    large = Photo(
        torch.nn.functional.interpolate(picture[None], (768, 1152), mode="bilinear")[0],
        disparity.repeat_interleave(3, 0).repeat_interleave(3, 1),
    )
    error = (frames_of(large, sweep, variant="published", size=(256, 384)) - small).abs().mean()
    assert error < 0.005
    assert error < (small[0] - picture).abs().mean() / 4


@pytest.mark.parametrize(("setting", "value"), [("shutter_speed", 0.5), ("color_temperature", 6600)])
def test_published_frames_of_large_photographs_are_not_aliased(setting, value):
    stripes = (torch.arange(600) % 2).float().expand(3, 400, 600)
    frame = torch.stack(
        [*simulate(Photo(stripes), CameraSweep({setting: [value]}), variant="published", size=(80, 120))]
    )
    assert frame.std() < 0.05


def test_settings_vary_together(photo):
    sweep = CameraSweep({"focal_length": [24, 48], "shutter_speed": [0.5, 0.25]})
    frames = frames_of(photo, sweep)
    assert torch.equal(frames[1], photograph(photo, Camera(focal_length_mm=48, exposure_time_s=0.25)))


def test_frames_are_differentiable_where_the_physics_is(photo):
    image = photo.image.clone().requires_grad_()
    disparity = photo.disparity.clone().requires_grad_()
    camera = Camera(30, 0.5, 2.0, 0.4 * (0.5 / 64) ** 2, 100, 5000)  # the light of f/64 and 0.4 s
    photograph(Photo(image, disparity), camera).square().mean().backward()
    for gradient in (image.grad, disparity.grad):
        assert torch.isfinite(gradient).all()
        assert gradient.abs().max() > 0


@pytest.mark.parametrize("variant", ["physical", "published"])
@pytest.mark.parametrize("setting", [s.name for s in SETTINGS])
def test_progress_rises_to_one_within_frames(photo, setting, variant):
    chosen = next(s for s in SETTINGS if s.name == setting)
    if variant == "published" and not chosen.published:
        pytest.skip("not published")
    sweep, seen = CameraSweep.linear(setting, *chosen.domain, 2), []
    frames_of(replace(photo, camera=sweep.base), sweep, variant=variant, on_progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert any(0 < done < 1 for done in seen)
    if variant == "physical":
        assert any(0 < done < 0.5 for done in seen)


def test_a_raising_progress_callback_cancels(photo):
    def cancel(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        frames_of(photo, CameraSweep({"aperture": [2.8]}), on_progress=cancel)


@pytest.mark.parametrize(
    ("sweep", "options", "message"),
    [
        (CameraSweep({"focal_length": [24]}), {"variant": "real"}, "Unknown variant 'real'.*physical, published"),
        (CameraSweep({"aperture": [2.8]}), {"variant": "published"}, "one setting at a time.*physical variant"),
        (CameraSweep({"focal_length": [24]}), {"variant": "published", "dial": True}, "has no dial"),
        (CameraSweep({"focal_length": [18]}), {}, "widest possible"),
    ],
)
def test_impossible_simulations_are_refused(photo, sweep, options, message):
    with pytest.raises(ValueError, match=message):
        frames_of(photo, sweep, **options)


@pytest.mark.parametrize(
    ("image", "disparity", "message"),
    [
        (torch.zeros(1, 4, 6), None, r"shape \(3, height, width\).*grey"),
        (torch.zeros(4, 4, 6), None, "alpha"),
        (torch.zeros(3, 4, 6, dtype=torch.uint8), None, "uint8"),
        (torch.zeros(2, 3, 4, 6), None, r"\(2, 3, 4, 6\)"),
        (torch.full((3, 4, 6), torch.nan), None, "values from nan.*replace NaN"),
        (torch.full((3, 4, 6), 255.0), None, "from 255 to 255. Divide 8-bit codes by 255"),
        (torch.zeros(3, 0, 6), None, "at least one pixel"),
        (torch.zeros(3, 4, 6), torch.zeros(5, 6), "6 x 5 pixels does not fit.*6 x 4"),
        (torch.zeros(3, 4, 6), torch.full((4, 6), torch.nan), "NaN"),
        (torch.zeros(3, 4, 6), torch.full((4, 6), -1.0), "negative"),
    ],
)
def test_bad_photographs_are_refused(image, disparity, message):
    with pytest.raises(ValueError, match=message):
        Photo(image, disparity)


def test_half_precision_depth_of_a_large_photo_does_not_overflow():
    disparity = torch.tensor([[0.01, 5.0]]).expand(2, 2).half()
    camera = Camera(85, 0.5, 100.0)
    taken = Camera(85, 2.0, 100.0)  # a known f-number: squares of radii, of up to 320 px, are subtracted
    frame = photograph(Photo(torch.full((3, 2, 2), 0.5), disparity, taken), camera, size=(320, 320))
    assert torch.isfinite(frame).all()


def test_a_single_pixel_is_a_photograph():
    photo = Photo(torch.full((3, 1, 1), 0.5), torch.ones(1, 1))
    frames = frames_of(photo, CameraSweep({"shutter_speed": [0.25, 0.5]}))
    assert frames.shape == (2, 3, 1, 1)
    assert frames[0, 0, 0, 0] < frames[1, 0, 0, 0] == pytest.approx(0.5)


def test_disparities_of_the_three_kinds_of_depth_agree():
    distance = torch.tensor([[1.0, 2.0, 4.0, 10.0]])
    truth = 1 / distance
    assert torch.allclose(disparity_from_depth(distance), truth)
    assert torch.allclose(disparity_from_depth(distance * 7, nearest_m=1.0), truth)
    assert torch.allclose(disparity_from_relative(truth * 3 - 0.2, 1, 10), truth)
    assert torch.allclose(disparity_from_relative_distance(distance * 0.1 + 5, 1, 10), truth)


def test_sky_is_infinitely_far():
    assert disparity_from_depth(torch.tensor([[2.0, torch.inf, torch.nan, 0.0]])).tolist() == [[0.5, 0, 0, 0]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: disparity_from_relative(torch.ones(4, 6)), "constant"),
        (lambda: disparity_from_relative(torch.full((4, 6), torch.nan)), "24 of 24 values"),
        (lambda: disparity_from_relative(torch.tensor([[1, 2, torch.nan]])), "1 of 3 values"),
        (lambda: disparity_from_relative(torch.rand(4, 6), 2, 1), "2 m must be above 0 and below the farthest, 1 m"),
        (lambda: disparity_from_depth(torch.zeros(4, 6)), "no valid distance"),
    ],
)
def test_depth_that_says_nothing_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_focus_distance_is_picked_from_the_depth(photo):
    assert photo.focus_distance_at(0.5, 1.0) == pytest.approx(1.0)
    assert photo.focus_distance_at(0.5, 0.0) == pytest.approx(1000, rel=0.01)
    with pytest.raises(ValueError, match=r"x = 1.5 is outside"):
        photo.focus_distance_at(1.5, 0)


def test_no_frames_are_not_stacked():
    with pytest.raises(ValueError, match="count is 0"):
        stacked([], 0)
