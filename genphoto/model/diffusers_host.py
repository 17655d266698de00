"""The lift inside diffusers' UNet2DConditionModel."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.checkpoint import checkpoint

from .backbone import Backbone
from .lift import ActiveCamera, Lift

_LORA_KEY = re.compile(
    r"(?P<attention>.+)\.processor\.(?P<projection>to_q|to_k|to_v|to_out)_lora\.(?P<half>down|up)\.weight"
)


class LiftedUNet:
    """A UNet that sees all frames of a sweep at once.

    The UNet itself is not changed: outside a call it has neither hooks nor further modules.

    Raises:
        ValueError: the UNet has not the sizes that the lift was made for.
    """

    def __init__(self, unet: UNet2DConditionModel, lift: Lift):
        self.unet = unet
        self.lift = lift
        self._modules = _modules_at_sites(unet)
        _require_fit(backbone_of(unet), lift.backbone)

    def __call__(
        self,
        latents: Tensor,
        timestep: Tensor | int,
        text: Tensor,
        frames: Sequence[int] | int,
        cameras: Sequence[ActiveCamera] = (),
    ) -> Tensor:
        """Predicted noise of latents (S F,4,h,w), S sequences of F frames each, in the dtype of the UNet.

        `text` is (S,T,D), or (S F,T,D) with its own words for every frame. `frames` and `cameras` as in `Lift`.
        """
        count = frames if isinstance(frames, int) else len(frames)
        text = _text_per_frame(text, latents, count)
        with self._attached(frames, cameras):
            return self.unet(latents.to(self.unet.dtype), timestep, text.to(self.unet.dtype)).sample

    @contextmanager
    def _attached(self, frames: Sequence[int] | int, cameras: Sequence[ActiveCamera]) -> Iterator[None]:
        reached = []

        def hook_at(site: str):
            def hook(module: nn.Module, args: tuple, output: Any) -> Any:
                reached.append(site)
                if isinstance(output, tuple):
                    return (self._lifted(site, output[0], frames, cameras), *output[1:])
                return self._lifted(site, output, frames, cameras)

            return hook

        handles = [module.register_forward_hook(hook_at(site)) for site, module in self._modules.items()]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
        if reached != list(self._modules):
            raise RuntimeError(
                f"The UNet reached {len(reached)} of {len(self._modules)} motion modules in one pass, or in another "
                f"order: {', '.join(reached)}. Its blocks are not those of a diffusers UNet2DConditionModel."
            )

    def _lifted(self, site: str, x: Tensor, frames: Sequence[int] | int, cameras: Sequence[ActiveCamera]) -> Tensor:
        if not (self.unet.is_gradient_checkpointing and torch.is_grad_enabled()):
            return self.lift(site, x, frames, cameras)
        # A block without attention runs inside a checkpoint of the UNet, which repeats it without these hooks. What
        # the lift keeps for its own backward pass is therefore kept from that checkpoint.
        with saved_tensors_hooks(_itself, _itself):
            return checkpoint(self._repeatable, site, x, frames, cameras, use_reentrant=False)

    def _repeatable(self, site: str, x: Tensor, frames: Sequence[int] | int, cameras: Sequence[ActiveCamera]) -> Tensor:
        # Without the tokens that a camera has kept: the second pass must do what the first did.
        fresh = [ActiveCamera(camera.merges, camera.features, camera.strength) for camera in cameras]
        return self.lift(site, x, frames, fresh)


def backbone_of(unet: UNet2DConditionModel, prediction: str | None = None) -> Backbone:
    """What a UNet of an autoencoder that downscales eightfold is to a lift; `prediction` is not seen from outside."""
    widths = tuple(unet.config.block_out_channels)
    coarsest = len(widths) - 1
    sites = []
    for site in _modules_at_sites(unet):
        way, number, _ = site.split(".")
        sites.append((site, int(number) if way == "down" else coarsest - int(number)))
    return Backbone(widths, tuple(sites), unet.config.cross_attention_dim, prediction=prediction)


def merge_image_lora(
    unet: UNet2DConditionModel, lora: Mapping[str, Tensor], scale: float = 1.0
) -> UNet2DConditionModel:
    """Add scale * up @ down to the attention weights of `unet`, in place; returns it.

    `lora` has the released keys, "<attention>.processor.to_q_lora.down.weight" and so on; they have no alpha.

    Raises:
        ValueError: keys that are no such pairs, or pairs that do not fit the UNet. The UNet is unchanged then.
    """
    pairs: dict[str, dict[str, Tensor]] = defaultdict(dict)
    wrong = []
    for key, value in lora.items():
        if match := _LORA_KEY.fullmatch(key):
            projection = match["projection"].replace("to_out", "to_out.0")
            pairs[f"{match['attention']}.{projection}.weight"][match["half"]] = value
        else:
            wrong.append(key)
    weights = dict(unet.named_parameters())
    for name, pair in pairs.items():
        if set(pair) != {"down", "up"}:
            wrong.append(f"{name} (only {', '.join(pair)})")
        elif name not in weights:
            wrong.append(f"{name} (not in the UNet)")
        elif (pair["up"].shape[0], pair["down"].shape[1]) != weights[name].shape or (
            pair["up"].shape[1] != pair["down"].shape[0]
        ):
            shapes = [" x ".join(map(str, t.shape)) for t in (pair["up"], pair["down"], weights[name])]
            wrong.append(f"{name} ({shapes[0]} times {shapes[1]}, the weight is {shapes[2]})")
    if wrong or not pairs:
        raise ValueError(
            f"This image LoRA does not fit the UNet: {len(pairs)} pairs found, {len(wrong)} wrong: "
            f"{', '.join(wrong[:6])}{' ...' if len(wrong) > 6 else ''}. Expected is a LoRA of the "
            "attentions of SD 1.5, such as RealEstate10K_LoRA.ckpt."
        )
    with torch.no_grad():
        for name, pair in pairs.items():
            up, down = (pair[half].to(weights[name].device, torch.float32) for half in ("up", "down"))
            weights[name].add_((scale * (up @ down)).to(weights[name].dtype))
    return unet


def _modules_at_sites(unet: UNet2DConditionModel) -> dict[str, nn.Module]:
    """Site -> the module whose output enters its motion module: the attention, or the residual block without one."""
    return {
        f"{way}.{level}.{i}": module
        for way, blocks in (("down", unet.down_blocks), ("up", unet.up_blocks))
        for level, block in enumerate(blocks)
        for i, module in enumerate(getattr(block, "attentions", None) or block.resnets)
    }


def _require_fit(unet: Backbone, lift: Backbone) -> None:
    if not unet.same_sites(lift) or unet.text_width != lift.text_width:
        raise ValueError(
            f"This image model does not fit the motion module. Expected: {_sizes(lift)}. Found: {_sizes(unet)}. The "
            "published motion module is for SD 1.5 and models made from it; SD 2 and SDXL have other sizes."
        )


def _sizes(backbone: Backbone) -> str:
    def per_level(way: str) -> str:
        prefixes = [f"{way}.{level}." for level in range(len(backbone.widths))]
        return ", ".join(str(sum(site.startswith(prefix) for site, _ in backbone.sites)) for prefix in prefixes)

    return (
        f"levels of width {', '.join(map(str, backbone.widths))} with {per_level('down')} blocks down and "
        f"{per_level('up')} up, text of width {backbone.text_width}"
    )


def _text_per_frame(text: Tensor, latents: Tensor, frames: int) -> Tensor:
    if len(text) == len(latents):
        return text
    if len(text) * frames == len(latents):
        return text.repeat_interleave(frames, 0)
    raise ValueError(
        f"{len(latents)} latents and {len(text)} texts do not make sequences of {frames} frames. Give one text per "
        "sequence, or one per latent."
    )


def _itself(tensor: Tensor) -> Tensor:
    return tensor
