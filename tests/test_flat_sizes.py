"""The sizes in the metadata of model files, which older and newer versions read alike."""

import json
from dataclasses import replace

import pytest

from genphoto.checkpoint.disk import read_metadata
from genphoto.checkpoint.flat_sizes import FlatSizes
from genphoto.embedded import MOTION, camera_path
from genphoto.model.config import PUBLISHED, TINY
from genphoto.model.frame_layout import VideoTokens

# As 0.1.0 wrote them.
TEXTS = {
    PUBLISHED: (
        '{"channels": [320, 640, 1280, 1280], "heads": 8, "down_sites": 2, "up_sites": 3, "positions": 32, '
        '"encoder_blocks": 2, "encoder_positions": 16, "image_size": [256, 384], "downscale": 8, "text_width": 768, '
        '"embedding_downscale": 1, "own_noise": 100}'
    ),
    TINY: (
        '{"channels": [64, 128], "heads": 4, "down_sites": 1, "up_sites": 2, "positions": 16, '
        '"encoder_blocks": 1, "encoder_positions": 16, "image_size": [128, 192], "downscale": 8, "text_width": 128, '
        '"embedding_downscale": 2, "own_noise": 30}'
    ),
}


@pytest.mark.parametrize(("architecture", "text"), TEXTS.items(), ids=["published", "tiny"])
def test_the_text_in_files_is_what_it_was(architecture, text):
    assert json.dumps(FlatSizes.of(architecture).to_dict()) == text
    assert FlatSizes.from_dict(json.loads(text)).architecture() == architecture


@pytest.mark.parametrize("path", [MOTION, camera_path("focal_length")], ids=["motion", "camera"])
def test_the_shipped_files_say_the_same(path):
    assert read_metadata(path)["architecture"] == TEXTS[TINY]


def test_fields_that_a_file_leaves_out_are_as_published():
    assert FlatSizes.from_dict({}).architecture() == PUBLISHED


def test_fields_of_a_newer_version_are_refused():
    with pytest.raises(ValueError, match=r"\['depth'\]: this file needs a newer GenPhoto"):
        FlatSizes.from_dict({"depth": 3})


@pytest.mark.parametrize(
    "other",
    [
        replace(PUBLISHED, motion=replace(PUBLISHED.motion, heads=4)),
        replace(PUBLISHED, motion=replace(PUBLISHED.motion, window=8)),
        replace(PUBLISHED, encoder=replace(PUBLISHED.encoder, image_size=(512, 768))),
        replace(PUBLISHED, backbone=replace(PUBLISHED.backbone, layout=VideoTokens())),
        replace(PUBLISHED, backbone=replace(PUBLISHED.backbone, sites=(("blocks.0", 0),))),
    ],
    ids=["heads", "window", "image size", "layout", "sites"],
)
def test_what_the_text_cannot_say_is_not_written(other):
    with pytest.raises(ValueError, match="Files cannot tell these sizes"):
        FlatSizes.of(other)
