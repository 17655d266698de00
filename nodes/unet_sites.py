"""Where the motion modules of a Lift belong in ComfyUI's UNet."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from comfy.ldm.modules.attention import SpatialTransformer
from comfy.ldm.modules.diffusionmodules.openaimodel import Downsample, TimestepBlock, Upsample
from torch import Tensor, nn

from ..genphoto.model.backbone import Backbone


def sites_of(unet: nn.Module) -> dict[str, tuple[nn.Module, int]]:
    """By site, in the order in which the UNet reaches them: the layer whose output the site takes, and its width.

    A block's site comes before its Upsample. Empty for networks that are no UNet.
    """
    sites = {}
    for way, blocks in (("down", "input_blocks"), ("up", "output_blocks")):
        stage = index = 0
        for block in getattr(unet, blocks, ()):
            if any(isinstance(layer, TimestepBlock) for layer in block):
                layer = [layer for layer in block if isinstance(layer, (TimestepBlock, SpatialTransformer))][-1]
                sites[f"{way}.{stage}.{index}"] = layer, block[0].out_channels
                index += 1
            if any(isinstance(layer, (Downsample, Upsample)) for layer in block):
                stage, index = stage + 1, 0
    return sites


def mismatch(unet: nn.Module, backbone: Backbone) -> str | None:
    """Why motion modules for this backbone do not fit the UNet, as words for after a colon; None if they do."""
    own = {site: width for site, (_, width) in sites_of(unet).items()}
    if not own:
        return "it is not a UNet"
    expected = backbone.site_widths
    if own != expected:
        sizes = [f"{len(s)} places of width {', '.join(map(str, dict.fromkeys(s.values())))}" for s in (own, expected)]
        return f"its UNet has {sizes[0]} and the motion module {sizes[1]}"
    attention = next(layer for layer in unet.modules() if isinstance(layer, SpatialTransformer))
    text_width = attention.transformer_blocks[0].attn2.to_k.in_features
    if text_width != backbone.text_width:
        return f"its text is {text_width} wide and the motion module's {backbone.text_width}"
    return None


@contextmanager
def applied_at_sites(
    unet: nn.Module, expected: Sequence[str], apply: Callable[[str, Tensor], Tensor]
) -> Iterator[None]:
    """Within the context, every site's hidden states (n,C,h,w) are replaced by apply(site, hidden states).

    Raises:
        RuntimeError: at the end, if the UNet did not reach the expected sites, once each, in their order.
    """
    sites = sites_of(unet)
    reached = []

    def hook(site: str) -> Callable:
        def after(layer: nn.Module, inputs: tuple, hidden: Tensor) -> Tensor:
            reached.append(site)
            return apply(site, hidden)

        return after

    handles: list[torch.utils.hooks.RemovableHandle] = []
    try:
        for site, (layer, _) in sites.items():
            handles.append(layer.register_forward_hook(hook(site)))
        yield
    finally:
        for handle in handles:
            handle.remove()
    if reached != list(expected):
        raise RuntimeError(
            f"The UNet passed {len(reached)} of {len(expected)} places of the motion modules: another node replaces "
            "it, or skips or repeats its blocks (EasyCache, a compiled engine?). Remove that node."
        )
