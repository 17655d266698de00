"""Balance: the color of the light, or of the white-balance dial."""

from __future__ import annotations

import torch
from torch import Tensor

from ..colorimetry import apply_matrix, camera_dial_matrix, white_balance_matrix
from .stage import PixelStage, Shot
from .strips import Change


def matrix_of(shot: Shot) -> Tensor:
    """Linear-sRGB matrix (3,3), float64 on the CPU, from the photograph to the frame."""
    camera, taken = shot.camera, shot.taken
    balance = camera_dial_matrix if shot.dial else white_balance_matrix
    return balance(camera.color_temperature_k, taken.color_temperature_k, camera.tint_duv, taken.tint_duv)


def _acts(shot: Shot) -> bool:
    camera, taken = shot.camera, shot.taken
    return (camera.color_temperature_k, camera.tint_duv) != (taken.color_temperature_k, taken.tint_duv)


def _balanced(shot: Shot) -> Change:
    matrix = matrix_of(shot)
    return lambda light, rows: apply_matrix(light, matrix)


def _neutral(shot: Shot) -> Change:
    matrix = torch.linalg.inv(matrix_of(shot))
    return lambda light, rows: apply_matrix(light, matrix)


BALANCE = PixelStage("balance", _acts, _balanced, _neutral)
