import math
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import avg_pool2d

from genphoto.camera.optics import zoom
from genphoto.data.scenes.rays import COS, SIN
from genphoto.data.scenes.scene import BACKGROUNDS, COLORS, FLOORS, SHAPES, WORDS, Scene, Thing, random_scene

SMALL = (192, 288)


def scenes(count: int, seed: int = 0) -> list[Scene]:
    generator = torch.Generator().manual_seed(seed)
    return [random_scene(generator) for _ in range(count)]


def test_the_same_generator_gives_the_same_picture():
    first, second = scenes(1, seed=3)[0], scenes(1, seed=3)[0]
    assert first == second
    assert torch.equal(first.render(SMALL).image, second.render(SMALL).image)
    assert torch.equal(first.render(SMALL).disparity, second.render(SMALL).disparity)


def test_seeds_choose_the_light_and_turn_things_and_leave_surfaces_alone():
    box = Scene((Thing("red", "box", 0.0, 2.0, 0.4),), "sandy", "plain wall", seed=0)
    pictures = [replace(box, seed=seed).render(SMALL).image for seed in range(12)]
    assert not torch.equal(pictures[0], pictures[1])
    corners = [picture[:, -40:, :40] for picture in pictures]  # the floor, where no shadow falls
    assert all((corner - corners[0]).abs().max() < 0.02 for corner in corners)
    lit = {bool(picture[0, 96, 110:144].mean() > picture[0, 96, 144:178].mean()) for picture in pictures}
    assert lit == {True, False}


def test_rendering_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    scenes(1)[0].render(SMALL)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("floor", FLOORS)
def test_every_place_gives_a_valid_photo(floor, background):
    things = tuple(Thing("orange", shape, 0.5 * k - 0.5, 2.0 + k, 0.4) for k, shape in enumerate(SHAPES[:2]))
    photo = Scene(things, floor, background, seed=1).render()
    assert photo.size == (384, 576)
    assert photo.image.dtype == photo.disparity.dtype == torch.float32
    assert photo.image.isfinite().all()
    assert photo.image.min() >= 0
    assert photo.image.max() <= 1
    assert photo.disparity.isfinite().all()
    assert (photo.disparity[0].max() == 0) == ("sky" in background)


def test_the_nearest_point_of_a_ball_has_its_exact_disparity():
    ball = Thing("red", "ball", 0.0, 2.0, 0.4)
    scene = Scene((ball,), "tiled", "clear sky", seed=0)
    disparity = scene.render((385, 577)).disparity  # odd: one pixel lies on the optical axis
    # The axis meets the ball's center, which is 2 m ahead along the floor and 2 m / cos(pitch) along the axis.
    assert disparity[192, 288].item() == pytest.approx(1 / (2.0 / COS - 0.2), rel=1e-5)
    assert 1 / disparity[192, 288].item() == pytest.approx(scene.focus_m, rel=1e-5)


def test_the_floor_has_its_exact_disparity():
    scene = Scene((Thing("red", "ball", 0.0, 2.0, 0.4),), "tiled", "clear sky", seed=0)
    disparity = scene.render((384, 576)).disparity
    v = (383 - 191.5) / 384  # bottom row, in focal lengths: 24 mm on 24 mm of height
    assert disparity[383, 0].item() == pytest.approx((v * COS + SIN) / scene.camera_height_m, rel=1e-5)


def test_the_horizon_lies_at_four_tenths_of_the_height():
    scene = Scene((Thing("red", "ball", 0.0, 2.0, 0.4),), "sandy", "sunset sky", seed=0)
    sky = scene.render().disparity[:, 0] == 0
    assert sky.float().mean().item() == pytest.approx(0.4, abs=0.005)


def test_a_wall_stands_five_meters_away_behind_all_things():
    for scene in scenes(40):
        assert all(thing.distance_m + thing.radius_m < 4.5 for thing in scene.things)
        walled = replace(scene, background="brick wall").render(SMALL)
        top_row = -95.5 / 192
        assert (COS - top_row * SIN) / walled.disparity[0, 0].item() == pytest.approx(5.0, rel=1e-5)


@pytest.mark.parametrize("focal_mm", [35.0, 70.0])
def test_a_longer_lens_shows_the_middle_larger(focal_mm):
    """Rendered by itself, and what an ideal zoom of a large picture shows."""
    for scene in scenes(4, seed=4):
        near = scene.render(SMALL, focal_mm)
        wide = scene.render((768, 1152))
        ideal = zoom(wide.image, 24 / focal_mm, SMALL)
        assert (near.image - ideal).abs().mean() < 0.02
        assert near.camera.focal_length_mm == focal_mm
        depth = zoom(wide.disparity[None], 24 / focal_mm, SMALL, nearest=True)[0]
        assert ((near.disparity - depth).abs() < 0.02 * depth + 1e-3).float().mean() > 0.97


@pytest.mark.parametrize("surface", [*FLOORS, *BACKGROUNDS])
def test_textures_are_coarse_and_contrasty(surface):
    """Of 192x128: nothing but edges changes within a pixel, yet there is enough to see a blur by."""
    floor = surface if surface in FLOORS else "tiled"
    background = surface if surface in BACKGROUNDS else "clear sky"
    scene = Scene((Thing("red", "ball", 90.0, 2.5, 0.8),), floor, background, seed=1)  # far out of the picture
    picture = scene.render((128, 192)).image.mean(0)
    part = picture[80:] if surface in FLOORS else picture[:46]
    finest = part - avg_pool2d(part[None, None], 3, stride=1, padding=1)[0, 0]
    assert finest[1:-1, 1:-1].std() < (0.1 if surface == "brick wall" else 0.06)  # its joints are a pixel wide
    blurred = avg_pool2d(part[None, None], 9, stride=1, padding=4, count_include_pad=False)[0, 0]
    assert (part - blurred).std() > (0.0005 if surface in ("plain wall", "clear sky") else 0.008)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_thing_has_the_color_that_its_name_says(shape):
    scene = Scene((Thing("blue", shape, 0.0, 2.0, 0.5),), "sandy", "plain wall", seed=2)
    photo = scene.render()
    thing = (1 / photo.disparity - scene.focus_m).abs() < 2 * scene.things[0].radius_m
    thing[:, :200] = thing[:, -200:] = False
    red, _, blue = photo.image
    assert ((blue > red + 0.1) & thing).sum() > 300


def test_a_lamp_shines_white():
    photo = Scene((Thing("red", "lamp", 0.0, 2.0, 0.5),), "wooden", "night sky", seed=2).render()
    clipped = (photo.image == 1).all(0)
    assert clipped[130:250, 240:336].sum() > 100


def test_twice_the_size_is_the_same_picture():
    for scene in scenes(8, seed=4):
        once, twice = scene.render(SMALL), scene.render((384, 576))
        assert (once.image - avg_pool2d(twice.image, 2)).abs().mean() < 0.015
        middle = avg_pool2d(twice.disparity[None], 2)[0]
        assert ((once.disparity - middle).abs() < 0.02 * middle + 1e-3).float().mean() > 0.97


def test_the_main_thing_is_seen_at_70_mm():
    for scene in scenes(40, seed=5):
        main = scene.things[0]
        alone = replace(scene, things=(main,))
        with_main, depth = scene.render(SMALL).disparity, alone.render(SMALL).disparity
        far_off = replace(scene, things=(replace(main, x_m=90.0),)).render(SMALL).disparity
        seen = (with_main == depth) & (depth > far_off + 1e-6)
        rows, columns = SMALL[0] * 24 // 70, SMALL[1] * 24 // 70
        top, left = (SMALL[0] - rows) // 2, (SMALL[1] - columns) // 2
        share = seen[top : top + rows, left : left + columns].float().mean()
        assert share > 0.03, scene.caption


def test_captions_tell_the_truth():
    told = set()
    for scene in scenes(500):
        main, *others = scene.things
        text = scene.caption.split(" on a ")[0].split(" by a ")[0].split(" under a ")[0]
        relation = ""
        for k, clause in enumerate(text.removeprefix(_named(main)).removeprefix(" ").split(" and ") if others else ()):
            other = others[k]
            assert clause.endswith(_named(other))
            relation = clause.removesuffix(_named(other)).strip() or relation
            told.add(relation)
            farther = other.distance_m - main.distance_m
            to_the_right = other.x_m / other.distance_m - main.x_m / main.distance_m
            assert {
                "in front of": farther >= 0.5,
                "behind": farther <= -0.5,
                "left of": to_the_right > 0 and abs(farther) < 0.5,
                "right of": to_the_right < 0 and abs(farther) < 0.5,
            }[relation], scene.caption
    assert told == {"in front of", "behind", "left of", "right of"}


def test_a_caption_and_a_seed_determine_the_scene_but_for_three_places():
    """Two scenes of one caption differ by where the main thing stands, and by the light's side and turns."""
    seen = {}
    for scene in scenes(3000):
        places = seen.setdefault(scene.caption, set())
        places.add(tuple((t.color, t.shape, round(t.x_m, 9), t.distance_m, t.size_m) for t in scene.things))
    alone = [len(places) for caption, places in seen.items() if caption.count(" a ") == 2]
    assert max(map(len, seen.values())) == 3
    assert len(alone) > 100


def _named(thing: Thing) -> str:
    return f"{'an' if thing.color == 'orange' else 'a'} {thing.color} {thing.shape}"


def test_captions_use_all_words_and_no_others():
    captions = [scene.caption for scene in scenes(500)]
    assert {word for caption in captions for word in caption.split()} == set(WORDS)
    for phrase in (*COLORS, *SHAPES, *(f"on a {floor} floor" for floor in FLOORS), *BACKGROUNDS):
        assert any(phrase in caption for caption in captions), phrase


def test_captions_tell_all():
    for scene in scenes(100):
        assert f"on a {scene.floor} floor" in scene.caption
        assert scene.caption.endswith(f"a {scene.background}")


def test_things_do_not_pierce_each_other():
    for scene in scenes(300, seed=6):
        for k, one in enumerate(scene.things):
            for other in scene.things[k + 1 :]:
                apart = math.hypot(one.x_m - other.x_m, one.distance_m - other.distance_m)
                assert apart > 0.85 * (one.radius_m + other.radius_m), scene


def test_impossible_scenes_are_refused():
    ball = Thing("red", "ball", 0.0, 2.0, 0.4)
    with pytest.raises(ValueError, match="1 or 2 things"):
        Scene((), "tiled", "plain wall", seed=0)
    with pytest.raises(ValueError, match="muddy"):
        Scene((ball,), "muddy", "plain wall", seed=0)
    with pytest.raises(ValueError, match="gray"):
        replace(ball, color="gray")
    with pytest.raises(ValueError, match="in front of the camera"):
        replace(ball, distance_m=0.1)
