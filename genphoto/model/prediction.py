"""What a denoising model predicts, and what it thereby says about the picture without noise.

Noisy latents are x = signal x0 + noise e, of a clean x0 and white noise e.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Convert = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One kind of prediction, in both directions.

    Args:
        clean: (x, prediction, signal, noise) -> x0.
        of_clean: (x, x0, signal, noise) -> the prediction that says x0.
    """

    clean: Convert
    of_clean: Convert


PREDICTIONS = {
    # Ho et al., Denoising Diffusion Probabilistic Models (2020): e
    "epsilon": Prediction(
        lambda x, epsilon, signal, noise: (x - noise * epsilon) / signal,
        lambda x, clean, signal, noise: (x - signal * clean) / noise,
    ),
    # Salimans and Ho, Progressive Distillation (2022), with signal^2 + noise^2 = 1: v = signal e - noise x0
    "v_prediction": Prediction(
        lambda x, v, signal, noise: signal * x - noise * v,
        lambda x, clean, signal, noise: (signal * x - clean) / noise,
    ),
}
