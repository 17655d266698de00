"""The embedded tiny model: where its files lie in this package."""

from __future__ import annotations

from pathlib import Path

from .checkpoint import Sampling, TinyModelFile, load, tiny_model

ASSETS = Path(__file__).parent / "assets"
IMAGE_MODEL = ASSETS / "genphoto_tiny.safetensors"
MOTION_FOLDER = ASSETS / "motion"
MOTION = MOTION_FOLDER / "genphoto_tiny_motion.safetensors"
CAMERA_FOLDER = ASSETS / "camera"
GUIDANCE_SCALE = Sampling().guidance_scale


def camera_path(steered: str) -> Path:
    """The file of the camera adapter that steers what `Steering.name` says, as a rule one setting."""
    return CAMERA_FOLDER / f"genphoto_tiny_{steered}.safetensors"


def load_tiny_model(path: Path = IMAGE_MODEL) -> TinyModelFile:
    """The tiny image model in the package, or in another file.

    Raises:
        ValueError: the file is missing or damaged.
    """
    return tiny_model(*load(path), path.name)
