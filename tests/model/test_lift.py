from itertools import pairwise

import pytest
import torch

from genphoto.model.backbone import unet_backbone
from genphoto.model.camera_encoder import DifferentialCameraEncoder
from genphoto.model.config import PUBLISHED, EncoderSizes, MotionSizes
from genphoto.model.lift import ActiveCamera, CameraMerges, Lift
from genphoto.model.temporal import attention, fused_attention, over_windows, windows

from ..random_weights import random_

TINY, SIZES = unet_backbone((32, 64)), MotionSizes(heads=4)


@pytest.fixture
def lift():
    return random_(Lift(TINY, SIZES))


def features(frames=5, sweeps=1, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(sweeps, frames, channels, 8 >> level, 12 >> level, generator=generator)
        for level, channels in enumerate(TINY.widths)
    ]


def hidden(frames=5, sequences=1, level=0, seed=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(sequences * frames, TINY.widths[level], 8 >> level, 12 >> level, generator=generator)


def test_the_published_size_has_the_released_parameter_counts():
    """FORMATS: 418.3 M motion modules (with position codes), 18.96 M merges, 199.4 M encoder."""
    with torch.device("meta"):
        modules = (
            Lift(PUBLISHED.backbone, PUBLISHED.motion),
            CameraMerges(PUBLISHED.backbone),
            DifferentialCameraEncoder(PUBLISHED.backbone, PUBLISHED.encoder),
        )
        counts = [sum(t.numel() for t in module.state_dict().values()) for module in modules]
    assert [round(c / 1e6, 1) for c in counts] == [418.3, 19.0, 199.4]


def test_sites_are_twenty_at_the_published_size():
    assert len(PUBLISHED.backbone.sites) == 20
    assert PUBLISHED.backbone.sites[0] == ("down.0.0", 0)
    assert PUBLISHED.backbone.sites[8] == ("up.0.0", 3)
    assert PUBLISHED.backbone.sites[-1] == ("up.3.2", 0)


@pytest.mark.parametrize("strength", [0, 0.0])
def test_strength_zero_is_exactly_off(lift, strength):
    camera = ActiveCamera(random_(CameraMerges(TINY)), features(), strength)
    assert torch.equal(lift("down.0.1", hidden(), 5, [camera]), lift("down.0.1", hidden(), 5))


def test_fresh_merges_change_nothing(lift):
    camera = ActiveCamera(CameraMerges(TINY), features())
    assert torch.equal(lift("down.0.1", hidden(), 5, [camera]), lift("down.0.1", hidden(), 5))


@pytest.mark.parametrize("site", ["down.0.0", "down.1.1", "up.0.2", "up.1.0"])
def test_the_camera_reaches_every_site(lift, site):
    level = dict(TINY.sites)[site]
    plain = lift(site, hidden(level=level), 5)
    steered = lift(site, hidden(level=level), 5, [ActiveCamera(random_(CameraMerges(TINY)), features())])
    assert (steered - plain).abs().max() > 1e-3


def test_several_sweeps_and_chunks_are_the_single_runs(lift):
    merges = random_(CameraMerges(TINY))
    both = features(sweeps=2)
    x = hidden(sequences=4)  # chunk 0: sweeps a b, chunk 1: sweeps a b
    together = lift("down.0.0", x, 5, [ActiveCamera(merges, both)])
    for sequence in range(4):
        one = [f[sequence % 2][None] for f in both]
        part = slice(5 * sequence, 5 * sequence + 5)
        assert torch.allclose(lift("down.0.0", x[part], 5, [ActiveCamera(merges, one)]), together[part], atol=1e-6)


def test_the_order_of_cameras_is_free(lift):
    one, other = (ActiveCamera(random_(CameraMerges(TINY), s), features(seed=s), 0.7) for s in (3, 4))
    assert torch.allclose(
        lift("up.1.1", hidden(), 5, [one, other]), lift("up.1.1", hidden(), 5, [other, one]), atol=1e-6
    )


def test_a_part_of_the_sweep_takes_its_own_features(lift):
    merges = random_(CameraMerges(TINY))
    whole = features(frames=8)
    shown = [0, 3, 4, 5]
    part = lift("down.0.0", hidden(frames=4), shown, [ActiveCamera(merges, whole)])
    cut = lift("down.0.0", hidden(frames=4), 4, [ActiveCamera(merges, [f[:, shown] for f in whole])])
    assert torch.equal(part, cut)


def test_features_of_the_trained_size_are_untouched_and_others_resized(lift):
    camera = ActiveCamera(random_(CameraMerges(TINY)), features())
    like = hidden()
    same = camera.tokens(0, like, (8, 12), range(5))
    assert torch.equal(same.view(8, 12, 5, 32), camera.features[0][0].permute(2, 3, 0, 1))
    larger = camera.tokens(0, like, (16, 24), range(5))
    assert larger.shape == (16 * 24, 5, 32)
    assert lift("down.0.0", torch.randn(5, 32, 16, 24), 5, [camera]).shape == (5, 32, 16, 24)


@pytest.mark.parametrize(("frames", "longest"), [(17, 16), (24, 16), (40, 16), (7, 5), (100, 5)])
def test_windows_cover_all_frames_and_overlap(frames, longest):
    parts = windows(frames, longest)
    assert parts[0].start == 0
    assert parts[-1].stop == frames
    for one, following in pairwise(parts):
        assert len(one) == longest
        assert one.start < following.start <= one.stop - longest // 2


def test_windows_of_a_framewise_map_show_no_seams():
    tokens = torch.randn(3, 40, 8)
    assert torch.allclose(over_windows(lambda part, _: 2 * part, tokens, 16), 2 * tokens, atol=1e-6)


@pytest.mark.parametrize("frames", [2, 3, 16, 17, 40])
def test_any_number_of_frames(lift, frames):
    encoder = random_(DifferentialCameraEncoder(TINY, EncoderSizes(heads=4, image_size=(64, 96))))
    made = encoder(torch.randn(1, 6, frames, 64, 96))
    assert [tuple(f.shape) for f in made] == [(1, frames, 32, 8, 12), (1, frames, 64, 4, 6)]
    out = lift("down.0.0", hidden(frames=frames), frames, [ActiveCamera(random_(CameraMerges(TINY)), made)])
    assert torch.isfinite(out).all()


def test_resizing_features_keeps_a_ramp_a_ramp():
    """Nearest neighbor would make steps of it."""
    ramp = torch.linspace(0, 1, 12).expand(1, 5, 32, 8, 12)
    camera = ActiveCamera(CameraMerges(TINY), [ramp, ramp[:, :, :, ::2, ::2]])
    wide = camera.tokens(0, hidden(), (16, 24), range(5)).view(16, 24, 5, 32)[:, 2:-2]
    steps = wide[:, 1:] - wide[:, :-1]
    assert torch.allclose(steps, torch.full_like(steps, 1 / 22), atol=1e-5)


def test_long_sweeps_pair_every_window_with_its_own_features(lift):
    """24 frames are two windows of 16, from 0 and from 8: a change in frame 20's features reaches 8..23 only."""
    merges, whole = random_(CameraMerges(TINY)), features(frames=24)
    changed = [feature.clone() for feature in whole]
    changed[0][:, 20] += 1
    one, other = (lift("down.0.0", hidden(frames=24), 24, [ActiveCamera(merges, f)]) for f in (whole, changed))
    difference = (one - other).abs().amax((1, 2, 3))
    assert difference[:8].max() == 0
    assert difference[8:].min() > 0


def test_long_sweeps_are_cross_faded_windows(lift):
    x, module = hidden(frames=24), lift.at("down.0.0")
    camera = ActiveCamera(random_(CameraMerges(TINY)), features(frames=24))
    made = lift("down.0.0", x, 24, [camera]) - x
    early = lift("down.0.0", x[:16], range(16), [camera]) - x[:16]
    late = lift("down.0.0", x[8:], range(8, 24), [camera]) - x[8:]
    assert module.window == 16
    assert torch.allclose(made[:8], early[:8], atol=1e-5)
    assert torch.allclose(made[16:], late[8:], atol=1e-5)
    fade = [min(i + 1, 16 - i) for i in range(16)]
    for frame in range(8, 16):
        a, b = fade[frame], fade[frame - 8]
        mixed = (a * early[frame] + b * late[frame - 8]) / (a + b)
        assert torch.allclose(made[frame], mixed, atol=1e-5)


def test_cross_fading_does_not_overflow_in_half_precision():
    tokens = torch.full((1, 40, 4), 60000.0, dtype=torch.float16)  # its largest number is 65504
    faded = over_windows(lambda part, window: part, tokens, 16)
    assert (faded.float() / 60000 - 1).abs().max() < 2e-3


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_the_fused_kernel_in_batches_is_the_attention_of_the_cpu(batch):
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(10, 2, 5, 8, generator=generator) for _ in range(3))
    assert torch.allclose(fused_attention(query, key, value, batch), attention(query, key, value), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_close(lift, dtype):
    exact = lift("down.0.0", hidden(), 5)
    half = random_(Lift(TINY, SIZES)).to(dtype)("down.0.0", hidden().to(dtype), 5)
    assert half.dtype == dtype
    assert (half.float() - exact).norm() / exact.norm() < 0.02
