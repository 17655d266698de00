import pytest
import torch
from diffusers import UNet2DConditionModel

from genphoto.model.backbone import unet_backbone
from genphoto.model.config import PUBLISHED, MotionSizes
from genphoto.model.diffusers_host import LiftedUNet, merge_image_lora
from genphoto.model.lift import ActiveCamera, CameraMerges, Lift

from ..random_weights import random_

CROSS, PLAIN = ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D"), ("DownBlock2D", "UpBlock2D")


def unet_of(channels=(32, 64), text_width=32, seed=0):
    """A UNet like SD 1.5: attention at every level but the last."""
    torch.manual_seed(seed)
    kinds = [CROSS] * (len(channels) - 1) + [PLAIN]
    return (
        UNet2DConditionModel(
            sample_size=8,
            block_out_channels=channels,
            down_block_types=[down for down, _ in kinds],
            up_block_types=[up for _, up in reversed(kinds)],
            cross_attention_dim=text_width,
            attention_head_dim=4,
        )
        .eval()
        .requires_grad_(False)
    )


def backbone_with(channels=(32, 64)):
    return unet_backbone(channels, text_width=32)


def lift_for(channels=(32, 64), kind=Lift):
    return kind(backbone_with(channels), MotionSizes(heads=4))


def lifted_unet(channels=(32, 64)):
    return LiftedUNet(unet_of(channels), random_(lift_for(channels)))


def camera_of(frames=5, sweeps=1, seed=1, strength=1.0, channels=(32, 64), grad=False):
    generator = torch.Generator().manual_seed(seed)
    features = [
        torch.randn(sweeps, frames, width, 8 >> level, 12 >> level, generator=generator).requires_grad_(grad)
        for level, width in enumerate(channels)
    ]
    return ActiveCamera(random_(CameraMerges(backbone_with(channels))), features, strength)


def inputs(frames=5, sweeps=1, seed=2):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(sweeps * frames, 4, 8, 12, generator=generator),
        500,
        torch.randn(sweeps, 7, 32, generator=generator),
        frames,
    )


def hooks(unet):
    return sum(len(module._forward_hooks) for module in unet.modules())


@pytest.fixture(scope="module")
def lifted():
    return lifted_unet()


@torch.no_grad()
def test_the_lift_changes_the_prediction_and_leaves_the_unet_as_it_was(lifted):
    latents, timestep, text, frames = inputs()
    bare = lifted.unet(latents, timestep, text.repeat_interleave(frames, 0)).sample
    assert (lifted(latents, timestep, text, frames) - bare).abs().max() > 1e-2
    assert torch.equal(lifted.unet(latents, timestep, text.repeat_interleave(frames, 0)).sample, bare)
    assert hooks(lifted.unet) == 0


@pytest.mark.parametrize("channels", [(32,), (32, 64), (32, 64, 64)])
@torch.no_grad()
def test_motion_modules_of_zero_output_are_the_bare_unet(channels):
    lift = random_(lift_for(channels))
    for site, _ in lift.backbone.sites:
        torch.nn.init.zeros_(lift.at(site).proj_out.weight)
        torch.nn.init.zeros_(lift.at(site).proj_out.bias)
    unet = unet_of(channels)
    latents, timestep, text, frames = inputs()
    bare = unet(latents, timestep, text.repeat_interleave(frames, 0)).sample
    assert torch.equal(LiftedUNet(unet, lift)(latents, timestep, text, frames), bare)


@torch.no_grad()
def test_every_site_gets_its_own_module_before_the_sampler_of_the_block(lifted):
    class Recorder(Lift):
        def forward(self, site, x, frames, cameras=()):
            seen.append((site, tuple(x.shape[1:])))
            return x

    seen = []
    LiftedUNet(lifted.unet, lift_for(kind=Recorder))(*inputs())
    fine, coarse = (32, 8, 12), (64, 4, 6)
    assert seen == [
        *[("down.0.0", fine), ("down.0.1", fine), ("down.1.0", coarse), ("down.1.1", coarse)],
        *[("up.0.0", coarse), ("up.0.1", coarse), ("up.0.2", coarse)],
        *[("up.1.0", fine), ("up.1.1", fine), ("up.1.2", fine)],
    ]


@torch.no_grad()
def test_the_camera_steers_and_strength_zero_is_exactly_off(lifted):
    plain = lifted(*inputs())
    assert (lifted(*inputs(), [camera_of()]) - plain).abs().max() > 1e-2
    assert torch.equal(lifted(*inputs(), [camera_of(strength=0)]), plain)


@torch.no_grad()
def test_two_sweeps_in_a_batch_are_the_single_runs(lifted):
    latents, timestep, text, frames = inputs(sweeps=2)
    both = camera_of(sweeps=2)
    together = lifted(latents, timestep, text, frames, [both])
    for i in range(2):
        one = ActiveCamera(both.merges, [f[i : i + 1] for f in both.features])
        part = slice(frames * i, frames * (i + 1))
        alone = lifted(latents[part], timestep, text[i : i + 1], frames, [one])
        assert torch.allclose(alone, together[part], atol=1e-5)


@torch.no_grad()
def test_a_text_per_frame_is_taken_as_it_is(lifted):
    latents, timestep, text, frames = inputs()
    repeated = lifted(latents, timestep, text.repeat_interleave(frames, 0), frames)
    assert torch.equal(lifted(latents, timestep, text, frames), repeated)
    with pytest.raises(ValueError, match="5 latents and 3 texts do not make sequences of 5 frames"):
        lifted(latents, timestep, text.repeat(3, 1, 1), frames)


@torch.no_grad()
def test_hooks_are_gone_after_an_error(lifted):
    class Failing(Lift):
        def forward(self, *args):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LiftedUNet(lifted.unet, lift_for(kind=Failing))(*inputs())
    assert hooks(lifted.unet) == 0


@torch.no_grad()
def test_two_lifts_share_a_unet(lifted):
    other = LiftedUNet(lifted.unet, random_(lift_for(), seed=7))
    first = lifted(*inputs())
    assert (other(*inputs()) - first).abs().max() > 1e-2
    assert torch.equal(lifted(*inputs()), first)


@torch.no_grad()
def test_a_unet_that_misses_motion_modules_is_an_error_and_not_a_picture():
    lifted = lifted_unet()
    lifted.unet.up_blocks = unet_of().up_blocks
    with pytest.raises(RuntimeError, match="reached 4 of 10 motion modules"):
        lifted(*inputs())


def test_gradient_checkpointing_changes_no_gradient():
    """Blocks without attention are repeated by their checkpoint; the lift must neither vanish nor count there."""
    lifted = lifted_unet()

    def gradients():
        for parameter in lifted.lift.parameters():
            parameter.grad = None
        camera = camera_of(grad=True)
        prediction = lifted(*inputs(), [camera])
        assert hooks(lifted.unet) == 0
        prediction.square().mean().backward()
        return [t.grad for t in (*lifted.lift.parameters(), *camera.merges.parameters(), *camera.features)]

    plain = gradients()
    lifted.unet.train().enable_gradient_checkpointing()
    repeated = gradients()
    assert all(g is not None and g.abs().max() > 0 for g in plain)
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-7) for a, b in zip(plain, repeated, strict=True))


def test_gradient_checkpointing_of_the_unet_repeats_the_lift_as_well():
    lifted = lifted_unet()
    lifted.unet.enable_gradient_checkpointing()
    calls = []
    lifted.lift.register_forward_pre_hook(lambda module, args: calls.append(args[0]))
    prediction = lifted(*inputs())
    assert len(calls) == 10
    prediction.mean().backward()
    assert len(calls) == 20


@pytest.mark.parametrize(
    ("channels", "text_width", "found"),
    [
        ((32, 64, 64), 32, "levels of width 32, 64, 64 with 2, 2, 2 blocks down and 3, 3, 3 up"),
        ((32, 96), 32, "levels of width 32, 96"),
        ((32, 64), 64, "text of width 64"),
    ],
)
def test_a_unet_of_other_sizes_is_refused(channels, text_width, found):
    with pytest.raises(ValueError, match=f"Expected: levels of width 32, 64 with 2, 2 .*Found: .*{found}"):
        LiftedUNet(unet_of(channels, text_width), lift_for())


def test_sdxl_is_refused_by_name():
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=2048,
        )
        lift = Lift(PUBLISHED.backbone, PUBLISHED.motion)
    with pytest.raises(ValueError, match=r"Found: levels of width 320, 640, 1280 with .* 2048\. .* SD 1\.5 .* SDXL"):
        LiftedUNet(unet, lift)


def lora_of(unet, rank=4):
    generator = torch.Generator().manual_seed(5)
    lora = {}
    for name, weight in unet.named_parameters():
        for projection in ("to_q", "to_k", "to_v", "to_out.0"):
            if name.endswith(f".{projection}.weight"):
                stem = f"{name.removesuffix(f'.{projection}.weight')}.processor.{projection.removesuffix('.0')}_lora"
                lora[f"{stem}.down.weight"] = torch.randn(rank, weight.shape[1], generator=generator)
                lora[f"{stem}.up.weight"] = torch.randn(weight.shape[0], rank, generator=generator)
    return lora


def test_the_image_lora_is_added_to_every_attention():
    unet, plain = unet_of(), unet_of()
    lora = lora_of(unet)
    assert len(lora) == 2 * 4 * 2 * 6  # halves, projections, attn1 and attn2, five attentions and the middle one's
    assert merge_image_lora(unet, lora, 0.5) is unet
    name = "up_blocks.1.attentions.2.transformer_blocks.0.attn2"
    up, down = (lora[f"{name}.processor.to_out_lora.{half}.weight"] for half in ("up", "down"))
    weight = dict(plain.named_parameters())[f"{name}.to_out.0.weight"]
    assert torch.allclose(dict(unet.named_parameters())[f"{name}.to_out.0.weight"], weight + 0.5 * up @ down, atol=1e-6)
    assert (
        sum(not torch.equal(a, b) for a, b in zip(unet.parameters(), plain.parameters(), strict=True)) == len(lora) / 2
    )


KEY = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lora: lora.clear(), "0 pairs found"),
        (lambda lora: lora.update({"lora_te.alpha": torch.ones(1)}), "lora_te.alpha"),
        (lambda lora: lora.pop(f"{KEY}.up.weight"), r"attn1\.to_q\.weight \(only down\)"),
        (
            lambda lora: lora.update({f"{KEY}.up.weight": torch.ones(99, 4)}),
            "99 x 4 times 4 x 32, the weight is 32 x 32",
        ),
        (
            lambda lora: lora.update(
                {f"down_blocks.9.attn1.processor.to_q_lora.{half}.weight": torch.ones(1, 1) for half in ("up", "down")}
            ),
            r"down_blocks\.9\.attn1\.to_q\.weight \(not in the UNet\)",
        ),
    ],
)
def test_a_lora_that_does_not_fit_is_refused_whole(change, message):
    unet, plain = unet_of(), unet_of()
    lora = lora_of(unet)
    change(lora)
    with pytest.raises(ValueError, match=message):
        merge_image_lora(unet, lora)
    assert all(torch.equal(a, b) for a, b in zip(unet.parameters(), plain.parameters(), strict=True))
