from dataclasses import replace

import pytest
import torch

from genphoto.camera import imaging
from genphoto.camera.camera import Camera
from genphoto.camera.colorimetry import srgb_to_linear
from genphoto.camera.defocus import share_seen
from genphoto.camera.imaging import knowledge, photograph, render, scene_light, simulate
from genphoto.camera.photo import Photo
from genphoto.camera.settings import SETTINGS
from genphoto.camera.settings.aperture import with_f_number
from genphoto.camera.stages import STAGES
from genphoto.camera.stages.prepared import PreparedPhoto
from genphoto.camera.stages.stage import FrameStage, PixelStage, Shot, View
from genphoto.camera.stages.strips import STRIP, in_strips
from genphoto.camera.sweep import CameraSweep

TAKEN = Camera(85)
PIXEL_STAGES = [stage for stage in STAGES if isinstance(stage, PixelStage)]


@pytest.fixture
def photo():
    generator = torch.Generator().manual_seed(0)
    disparity = torch.full((40, 60), 0.1)
    disparity[10:30, 20:40] = 1.0  # a card in front of a wall
    return Photo(0.1 + 0.8 * torch.rand(3, 40, 60, generator=generator), disparity, TAKEN)


def shot_of(photo, camera, size=None, **options):
    prepared = PreparedPhoto(photo, size)
    return Shot(camera, photo.camera, prepared.size, prepared, **options)


def acting(shot):
    return {stage.name for stage in STAGES if stage.acts(shot)}


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({}, {"exposure"}),
        ({"exposure_time_s": 0.1}, {"exposure"}),
        ({"iso": 800}, {"exposure"}),
        ({"color_temperature_k": 3000}, {"exposure", "balance"}),
        ({"tint_duv": 0.01}, {"exposure", "balance"}),
        ({"vignetting_ev": 1.0}, {"exposure", "vignetting"}),
        ({"focal_length_mm": 100}, {"exposure", "geometry"}),
        ({"f_number": 2.8}, {"exposure", "lens"}),
        ({"focus_distance_m": 1.0}, {"exposure", "lens"}),
    ],
)
def test_only_the_stages_that_change_something_act(photo, change, names):
    assert acting(shot_of(photo, replace(TAKEN, **change))) == names


def test_another_size_is_geometry_and_noise_is_the_readout(photo):
    assert acting(shot_of(photo, TAKEN, (20, 30))) == {"geometry", "exposure"}
    assert acting(shot_of(photo, TAKEN, generator=torch.Generator())) == {"readout"}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_has_a_stage_that_shows_it(photo, setting):
    """Over its domain some stage acts otherwise than at the base camera: a setting without one would do nothing."""
    photo = replace(photo, camera=setting.base)
    frames = [render(shot_of(photo, setting.write(setting.base, value))) for value in setting.domain]
    assert (frames[0] - frames[1]).abs().max() > 0.01


def test_names_of_stages_differ():
    assert len({stage.name for stage in STAGES}) == len(STAGES)


CHANGED = replace(TAKEN, exposure_time_s=0.3, color_temperature_k=4500, tint_duv=0.005, vignetting_ev=1.5)


@pytest.mark.parametrize("stage", [s for s in PIXEL_STAGES if s.undo], ids=lambda stage: stage.name)
def test_undo_is_the_inverse_of_a_stage(photo, stage):
    shot, rows = shot_of(photo, CHANGED), slice(7, 21)
    light = 0.2 + 0.3 * torch.rand(3, 14, 60, generator=torch.Generator().manual_seed(1))
    changed = stage.change(shot)(light, rows)
    assert (changed - light).abs().max() > 0.005
    assert torch.allclose(stage.undo(shot)(changed, rows), light, atol=1e-6)


@pytest.mark.parametrize("dial", [False, True])
def test_frames_lead_back_to_the_light_of_the_photograph(photo, dial):
    light = srgb_to_linear(photo.image)
    for camera in (CHANGED, replace(TAKEN, exposure_time_s=1.5), replace(TAKEN, iso=400)):
        shot = shot_of(photo, camera, dial=dial)
        frame = render(shot)
        unclipped = (frame > 0.02) & (frame < 0.999)
        unclipped = unclipped.all(0)
        assert unclipped.sum() > 100
        back = scene_light(frame, Shot(camera, TAKEN, photo.size, dial=dial))  # without the photograph
        assert torch.allclose(back[:, unclipped], light[:, unclipped], rtol=1e-4)


def test_light_of_a_darker_frame_exceeds_white():
    bright = Photo(torch.full((3, 4, 6), 0.9))
    darker = replace(bright.camera, exposure_time_s=bright.camera.exposure_time_s / 8)
    back = scene_light(torch.ones(3, 4, 6), Shot(darker, bright.camera, (4, 6)))
    assert torch.allclose(back, torch.full((3, 4, 6), 8.0))


def test_all_of_an_unclipped_photograph_is_known(photo):
    for camera in (TAKEN, CHANGED):
        assert torch.equal(knowledge(shot_of(photo, camera)), torch.ones(40, 60))


def test_an_enlarged_pixel_is_known_by_its_share(photo):
    known = knowledge(shot_of(photo, replace(TAKEN, focal_length_mm=170)))
    assert torch.allclose(known, torch.full((40, 60), 0.25))
    small = knowledge(shot_of(photo, replace(TAKEN, focal_length_mm=170), (20, 30)))  # as fine as the photograph
    assert torch.allclose(small, torch.ones(20, 30))


def test_clipped_light_is_unknown_until_it_clips_again(photo):
    photo.image[:, 5:9, 5:9] = 1.0
    darker, brighter = (replace(TAKEN, exposure_time_s=seconds) for seconds in (0.25, 1.0))
    for camera in (TAKEN, brighter):
        assert torch.equal(knowledge(shot_of(photo, camera)), torch.ones(40, 60))
    known = knowledge(shot_of(photo, darker))
    assert known[5:9, 5:9].max() == 0
    assert known.sum() == 40 * 60 - 16
    noisy = knowledge(shot_of(photo, darker, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(noisy, known)


def test_what_a_blurred_foreground_uncovers_is_guessed():
    """The wall in focus, the card before it blurred: its rim lets light through that nobody photographed."""
    disparity = torch.full((120, 180), 0.2)
    disparity[30:90, 60:120] = 1.0
    photo = Photo(torch.rand(3, 120, 180, generator=torch.Generator().manual_seed(0)) * 0.9, disparity, TAKEN)
    camera = replace(with_f_number(TAKEN, 2.8), focus_distance_m=5.0)
    known = knowledge(shot_of(photo, camera))
    assert ((known >= 0) & (known <= 1)).all()
    assert known[60, 61] < 0.97  # just inside the rim
    assert known[60, 90] > 0.999  # the middle of the card hides all
    assert known[5, 5] > 0.999  # the wall
    background = Photo(photo.image, torch.full((120, 180), 0.2), TAKEN)
    given = PreparedPhoto(photo, background=background)
    assert knowledge(Shot(camera, TAKEN, given.size, given)).min() > 0.999


def test_the_share_seen_is_what_a_white_picture_before_a_black_unknown_would_show():
    coc = torch.zeros(60, 60)
    coc[:, 30:] = 8.0  # a near half plane
    share = share_seen(torch.ones(60, 60), coc)
    assert share[30, 2] > 0.999
    assert share[30, 31:37].min() < 0.95
    assert share[30, 55] > 0.999
    none = share_seen(torch.zeros(60, 60), coc)
    assert none.max() < 1e-6


def test_strips_are_the_whole():
    height = 3 * STRIP // 50 + 1
    picture = torch.rand(3, height, 20, generator=torch.Generator().manual_seed(0))
    seen = []

    def change(strip, rows):
        seen.append((rows.start, rows.stop))
        return strip * 2 + torch.arange(rows.start, rows.stop)[:, None]

    result = in_strips(picture, change)
    assert torch.equal(result, picture * 2 + torch.arange(height)[:, None])
    assert len(seen) > 2
    assert [start for start, _ in seen[1:]] == [stop for _, stop in seen[:-1]]
    into = picture.clone()
    assert in_strips(into, change, into=into) is into
    assert torch.equal(into, result)


def test_one_view_of_a_photograph_is_sampled_once(photo):
    prepared = PreparedPhoto(photo, (20, 30))
    first = prepared.crop(0.5)
    assert prepared.crop(0.5) is first
    assert prepared.crop(0.5, (1, 1)) is not first


def test_frames_of_one_photograph_do_not_change_each_other(photo):
    """Stages write into memory of their own, not into what the next frame starts from."""
    image = photo.image.clone()
    cameras = [TAKEN, with_f_number(TAKEN, 2.8), CHANGED, replace(TAKEN, focal_length_mm=120), TAKEN]
    for generator in (lambda: None, lambda: torch.Generator().manual_seed(0)):
        prepared = PreparedPhoto(photo)
        together = [render(Shot(c, TAKEN, prepared.size, prepared, generator=generator())) for c in cameras]
        alone = [photograph(photo, camera, generator=generator()) for camera in cameras]
        assert all(torch.equal(a, b) for a, b in zip(together, alone, strict=True))
    assert torch.equal(photo.image, image)


def test_frames_come_one_by_one(photo):
    """The first frame is there before the next is begun: a caller keeps what it needs."""
    shares = []
    frames = simulate(photo, CameraSweep({"focal_length": [85, 100, 120]}, TAKEN), on_progress=shares.append)
    assert shares == []
    next(frames)
    assert shares[-1] == pytest.approx(1 / 3)
    next(frames)
    assert shares[-1] == pytest.approx(2 / 3)


def test_a_shot_without_a_photograph_is_not_rendered():
    with pytest.raises(ValueError, match=r"no photograph to render from\. Give it a PreparedPhoto"):
        render(Shot(CHANGED, TAKEN, (4, 6)))


def test_a_stage_that_forgets_what_is_known_is_named(photo, monkeypatch):
    forgetful = FrameStage("forgetful", lambda shot: True, lambda view, shot, progress: View(view.crop))
    monkeypatch.setattr(imaging, "STAGES", (forgetful,))
    with pytest.raises(RuntimeError, match="forgetful"):
        knowledge(shot_of(photo, TAKEN))
