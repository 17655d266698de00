"""Frame layouts: both hold the same frames, and what is computed does not depend on which one a backbone has."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from genphoto.model.backbone import unet_backbone
from genphoto.model.config import MotionSizes
from genphoto.model.frame_layout import ImagesOfABatch, VideoTokens
from genphoto.model.lift import ActiveCamera, CameraMerges, Lift
from genphoto.model.motion_module import MotionModule

from ..random_weights import random_

SEQUENCES, FRAMES, SIZE, CHANNELS = 2, 3, (4, 6), 32
LAYOUTS = [ImagesOfABatch(), VideoTokens()]


def images(frames=FRAMES, seed=0):
    return torch.randn(SEQUENCES * frames, CHANNELS, *SIZE, generator=torch.Generator().manual_seed(seed))


def as_video(x, frames=FRAMES):
    """(S F, C, h, w) -> (S, F h w, C), place by place."""
    video = torch.empty(SEQUENCES, frames * SIZE[0] * SIZE[1], CHANNELS)
    for image, pixels in enumerate(x):
        sequence, frame = divmod(image, frames)
        for row in range(SIZE[0]):
            for column in range(SIZE[1]):
                video[sequence, (frame * SIZE[0] + row) * SIZE[1] + column] = pixels[:, row, column]
    return video


def held(layout, x, frames=FRAMES):
    return as_video(x, frames) if isinstance(layout, VideoTokens) else x


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tokens_are_places_in_the_order_of_the_picture_with_their_frames_in_a_row(layout):
    x = images()
    tokens = layout.to_tokens(held(layout, x), FRAMES, SIZE)
    assert tokens.shape == (SEQUENCES * SIZE[0] * SIZE[1], FRAMES, CHANNELS)
    for sequence, row, column in [(0, 0, 0), (0, 2, 1), (1, 3, 5)]:
        place = (sequence * SIZE[0] + row) * SIZE[1] + column
        assert torch.equal(tokens[place], x.unflatten(0, (-1, FRAMES))[sequence, :, :, row, column])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tokens_and_back_are_the_hidden_states(layout):
    x = held(layout, images())
    assert torch.equal(layout.from_tokens(layout.to_tokens(x, FRAMES, SIZE), SIZE), x)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_applied_to_every_frame_sees_it_as_an_image(layout):
    """A shift by one column reaches no other frame, row or channel."""
    x = images()
    shifted = layout.per_frame(lambda each: each.roll(1, -1), held(layout, x), FRAMES, SIZE)
    assert torch.equal(shifted, held(layout, x.roll(1, -1)))


@pytest.mark.parametrize("frames", [FRAMES, 7])
def test_a_motion_module_gives_the_same_numbers_through_either_layout(frames):
    """Seven frames are two windows."""
    sizes = MotionSizes(heads=4, window=5)
    over_images, over_video = (random_(MotionModule(CHANNELS, sizes, layout, nn)) for layout in LAYOUTS)
    x = images(frames)
    made = over_video(as_video(x, frames), frames, SIZE)
    assert torch.allclose(made, as_video(over_images(x, frames, SIZE), frames), atol=1e-6)
    assert (made - as_video(x, frames)).abs().max() > 0.1


def test_a_steered_lift_gives_the_same_numbers_through_either_layout():
    """Features of half the size: they are enlarged to that of the frame."""
    backbone = unet_backbone((CHANNELS,), down_sites=1, up_sites=1)
    of_video = replace(backbone, layout=VideoTokens())
    generator = torch.Generator().manual_seed(3)
    camera = ActiveCamera(
        random_(CameraMerges(backbone)), [torch.randn(1, FRAMES, CHANNELS, 2, 3, generator=generator)]
    )
    over_images, over_video = (random_(Lift(each, MotionSizes(heads=4))) for each in (backbone, of_video))
    x = images()
    steered = over_video("up.0.0", as_video(x), FRAMES, [camera], SIZE)
    assert torch.allclose(steered, as_video(over_images("up.0.0", x, FRAMES, [camera])), atol=1e-6)
    assert (steered - over_video("up.0.0", as_video(x), FRAMES, size=SIZE)).abs().max() > 1e-2


def test_video_tokens_without_the_size_of_a_frame_or_with_another_are_refused():
    lift = Lift(replace(unet_backbone((CHANNELS,)), layout=VideoTokens()), MotionSizes(heads=4))
    with pytest.raises(
        ValueError, match=r"\(2, 72, 32\) do not show the size of a frame. Pass size = \(height, width\)"
    ):
        lift("down.0.0", as_video(images()), FRAMES)
    with pytest.raises(ValueError, match="72 video tokens are not 3 frames of 4 x 5"):
        lift("down.0.0", as_video(images()), FRAMES, size=(4, 5))
