"""Backbones as data: a UNet's sites, and one that is no UNet."""

import pytest
import torch

from genphoto.model.backbone import Backbone, unet_backbone
from genphoto.model.camera_encoder import DifferentialCameraEncoder
from genphoto.model.config import PUBLISHED, Architecture, EncoderSizes, MotionSizes
from genphoto.model.diffusers_host import backbone_of
from genphoto.model.frame_layout import VideoTokens
from genphoto.model.lift import ActiveCamera, CameraMerges, Lift

from ..random_weights import random_
from .test_diffusers_host import unet_of


def test_a_unet_says_what_it_is_to_a_lift():
    backbone = backbone_of(unet_of((32, 64), text_width=48), "v_prediction")
    assert backbone == unet_backbone((32, 64), text_width=48, prediction="v_prediction")
    assert backbone.site_widths == {
        **{f"down.0.{i}": 32 for i in range(2)},
        **{f"down.1.{i}": 64 for i in range(2)},
        **{f"up.0.{i}": 64 for i in range(3)},
        **{f"up.1.{i}": 32 for i in range(3)},
    }


def test_what_enters_one_backbone_can_enter_another_of_the_same_sites():
    one = unet_backbone((32, 64))
    assert one.same_sites(unet_backbone((32, 64), text_width=64, prediction="epsilon"))
    assert not one.same_sites(unet_backbone((32, 96)))
    assert not one.same_sites(unet_backbone((32, 64), up_sites=2))


def test_a_transformer_of_video_tokens_is_lifted_and_steered():
    """One level, sites of its own names: nothing but the backbone says so."""
    transformer = Backbone(
        (64,), tuple((f"blocks.{i}", 0) for i in (3, 7)), text_width=32, downscale=16, layout=VideoTokens()
    )
    lift, merges = random_(Lift(transformer, MotionSizes(heads=4))), random_(CameraMerges(transformer))
    assert {name.rsplit(".norm", 1)[0] for name in lift.state_dict() if ".norm." in name} == {"blocks.3", "blocks.7"}
    encoder = random_(DifferentialCameraEncoder(transformer, EncoderSizes(heads=4, image_size=(64, 96))))
    generator = torch.Generator().manual_seed(1)
    camera = ActiveCamera(merges, encoder(torch.randn(1, 6, 5, 64, 96, generator=generator)))
    x = torch.randn(1, 5 * 4 * 6, 64, generator=generator)
    steered = lift("blocks.7", x, 5, [camera], (4, 6))
    assert steered.shape == x.shape
    assert (steered - lift("blocks.7", x, 5, size=(4, 6))).abs().max() > 1e-3


def test_an_embedding_that_text_does_not_fill_is_refused():
    with pytest.raises(ValueError, match="embedding of 256 x 384 is not a whole number of text vectors of width 1000"):
        Architecture(unet_backbone(text_width=1000))
    assert Architecture(unet_backbone()) == PUBLISHED
