import pytest
import torch

from genphoto.camera.sweep import CameraSweep
from genphoto.metrics.consistency import compensated_consistency
from genphoto.metrics.perceptual import BACKBONES, LpipsNetwork, adjacent_lpips, compensated_lpips, lpips_distance

SWEEPS = {
    "focal_length": CameraSweep({"focal_length": [24, 30, 45, 65]}),
    "shutter_speed": CameraSweep({"shutter_speed": [0.1, 0.3, 0.5, 1.0]}),
    "color_temperature": CameraSweep({"color_temperature": [5455, 2455, 4155, 10000]}),
    "bokeh": CameraSweep({"bokeh": [2.44, 8.3, 17.2, 24]}),
}


@pytest.fixture(scope="module")
def sequence(shoot, shoot_cards):
    def frames(name, setting):
        sweep = SWEEPS[setting]
        return shoot_cards(name, sweep) if setting == "bokeh" else (shoot(name, sweep), None)

    return frames


@pytest.mark.parametrize("setting", SWEEPS)
def test_a_right_sequence_scores_high_and_a_frozen_or_changing_one_low(sequence, sequence_of, setting):
    sweep = SWEEPS[setting]
    right, disparity = sequence("coffee", setting)
    frozen = right[:1].expand_as(right)
    others = [sequence(name, setting)[0] for name in ("chelsea", "astronaut")]
    scenes = torch.stack([right[0], others[0][1], others[1][2], others[0][3]])

    scores = [compensated_consistency(sequence_of(x, sweep, disparity)) for x in (right, frozen, scenes)]
    assert scores[0].mean > 0.97  # measured: 0.98 .. 0.999
    assert scores[0].mean_psnr_db > 30
    # Exposure, light and blur of the frozen sequence: 0.57, 0.75, 0.8. SSIM forgives brightness, PSNR does not.
    assert scores[1].mean < 0.85
    assert scores[1].mean_psnr_db < scores[0].mean_psnr_db - 15
    assert scores[2].mean < 0.45


def test_blur_without_depth_is_compared_at_the_blur_that_is_there(sequence, sequence_of):
    sweep = SWEEPS["bokeh"]
    right, _ = sequence("coffee", "bokeh")
    score = compensated_consistency(sequence_of(right, sweep))
    assert not score.depth_known
    assert score.mean > 0.95


def test_what_one_exposure_clips_is_left_out(sequence, sequence_of):
    right, _ = sequence("coffee", "shutter_speed")
    score = compensated_consistency(sequence_of(right, SWEEPS["shutter_speed"]))
    assert score.valid[3] < score.valid[1]
    clipped = right.clone()
    clipped[1] = 1.0
    lost = compensated_consistency(sequence_of(clipped, SWEEPS["shutter_speed"]))
    assert lost.ssim[1] is None
    assert "clipped" in lost.reasons[1]


def test_lpips_says_where_to_get_its_weights(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"vgg16-397923af\.pth.*download\.pytorch\.org"):
        lpips_distance(folder=tmp_path)
    with pytest.raises(ValueError, match="no net 'squeeze'"):
        lpips_distance("squeeze", tmp_path)


def random_backbone(net):
    """A backbone's weights as torchvision names them, and two pictures (3,64,80), from one generator."""
    generator = torch.Generator().manual_seed(0)
    weights = LpipsNetwork(net).features.state_dict()
    for value in weights.values():
        fan = value[0].numel() if value.ndim > 1 else 100
        value.copy_(torch.randn(value.shape, generator=generator) * (2 / fan) ** 0.5)
    return {f"features.{key}": value for key, value in weights.items()}, torch.rand(2, 3, 64, 80, generator=generator)


# What the package lpips 0.1.4 says with the same weights and pictures.
@pytest.mark.parametrize(("net", "expected"), [("vgg", 0.14819033), ("alex", 0.10053974)])
def test_lpips_is_that_of_its_package(net, expected, tmp_path):
    weights, (a, b) = random_backbone(net)
    torch.save(weights, tmp_path / BACKBONES[net][0])
    distance = lpips_distance(net, tmp_path)
    assert distance(a, b) == pytest.approx(expected, rel=1e-4)
    assert distance(a, a) == 0


def test_lpips_refuses_weights_of_something_else(tmp_path):
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / BACKBONES["vgg"][0])
    with pytest.raises(ValueError, match=r"does not hold the weights of vgg: features\.0\.weight.*pytorch\.org"):
        lpips_distance("vgg", tmp_path)
    (tmp_path / BACKBONES["vgg"][0]).write_bytes(b"<html>")
    with pytest.raises(ValueError, match="web page"):
        lpips_distance("vgg", tmp_path)


def test_lpips_takes_neighbors_or_compensated_frames(sequence, sequence_of):
    def distance(a, b):
        return float((a - b).abs().mean())

    right, _ = sequence("coffee", "shutter_speed")
    pairs = sequence_of(right, SWEEPS["shutter_speed"])
    assert len(adjacent_lpips(right, distance)) == 3
    assert max(compensated_lpips(pairs, distance)) < 0.02 < min(adjacent_lpips(right, distance))
