"""The noise schedule that motion modules were trained on, for ComfyUI's MODEL."""

from types import SimpleNamespace

import torch
from comfy.model_sampling import ModelSamplingDiscrete


class FullNoise:
    """Starts pure noise as it was trained: of variance 1 + sigma^2 at every sigma, not only at the largest."""

    def noise_scaling(
        self, sigma: torch.Tensor, noise: torch.Tensor, latent_image: torch.Tensor, max_denoise: bool = False
    ) -> torch.Tensor:
        """As ComfyUI's, with `max_denoise` wherever there is no picture to keep."""
        return super().noise_scaling(sigma, noise, latent_image, max_denoise or not torch.any(latent_image))


def linear_betas(own: torch.nn.Module) -> ModelSamplingDiscrete:
    """The MODEL's own sampling, what it predicts included, on linear betas: ComfyUI calls them sqrt_linear.

    Raises:
        ValueError: if the MODEL's sampling is not in discrete steps, so that betas mean nothing to it.
    """
    if not isinstance(own, ModelSamplingDiscrete):
        raise ValueError(
            "This MODEL has a noise schedule of its own, from a ModelSampling node, where the motion modules need "
            "theirs. Remove that node, or put it after GenPhotoLiftModel to replace the schedule on purpose."
        )

    class LinearBetas(FullNoise, type(own)):
        pass

    return LinearBetas(SimpleNamespace(sampling_settings={"beta_schedule": "sqrt_linear"}), zsnr=own.zsnr)
