"""The optimizers of a stage: Muon for matrices where the stage asks for it, AdamW for everything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from .config import StageConfig

ENDS = ("conv_in", "conv_out")  # layers between a network and its input or output, which Muon does not suit


class FlatMuon(torch.optim.Muon):
    """PyTorch's Muon for weights of two and more dimensions: a convolution is a matrix (out, in * height * width).

    Jordan et al., Muon: an optimizer for hidden layers in neural networks (2024).
    """

    def __init__(self, weights: Sequence[Tensor], **options: float):
        self.weights = list(weights)
        super().__init__([weight.detach().flatten(1) for weight in self.weights], **options)

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Change the weights by their gradients; their matrices share their memory."""
        matrices = (matrix for group in self.param_groups for matrix in group["params"])
        for weight, matrix in zip(self.weights, matrices, strict=True):
            matrix.grad = None if weight.grad is None else weight.grad.flatten(1)
        return super().step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, of the weights too."""
        super().zero_grad(set_to_none)
        for weight in self.weights:
            weight.grad = None


def optimizers_of(
    stage: StageConfig, learning: Mapping[str, nn.Parameter], parts: nn.Module
) -> dict[str, torch.optim.Optimizer]:
    """The optimizers of a stage by name; `parts` says which of the parameters are tables of words."""
    tables = {id(module.weight) for module in parts.modules() if isinstance(module, nn.Embedding)}
    matrices, others = [], []
    for name, parameter in learning.items():
        flat = parameter.ndim < 2 or id(parameter) in tables or any(part in ENDS for part in name.split("."))
        (others if flat or not stage.matrix_rate else matrices).append(parameter)
    found: dict[str, torch.optim.Optimizer] = {}
    if others:
        found["adamw"] = torch.optim.AdamW(
            others, lr=stage.learning_rate, betas=(0.9, 0.99), weight_decay=stage.weight_decay
        )
    if matrices:
        found["muon"] = FlatMuon(matrices, lr=stage.matrix_rate, weight_decay=stage.weight_decay)
    return found
