"""DDIM against its formula, with a denoiser that sees which sequence, timestep and latents it is asked for."""

import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel

from genphoto.model.backbone import unet_backbone
from genphoto.model.config import MotionSizes
from genphoto.model.diffusers_host import LiftedUNet
from genphoto.model.lift import Lift
from genphoto.model.prediction import PREDICTIONS
from genphoto.sampling import noised, published_scheduler, sample, start_noise

from .random_weights import random_

TEXT, NEGATIVE = torch.full((1, 7, 16), 0.3), torch.full((1, 7, 16), -0.2)


def denoiser(latents, timestep, text, frames, cameras):
    assert len(latents) == len(text) * frames
    words = text.mean((1, 2)).repeat_interleave(frames)[:, None, None, None]
    return torch.tanh(latents * 0.3 + words + float(timestep) / 1000 + sum(cameras))


def test_the_timesteps_are_the_published_ones():
    """FORMATS: 25 steps are 961, 921, ... 41, 1."""
    assert published_scheduler(25).timesteps.tolist() == list(range(961, 0, -40))
    assert [len(published_scheduler(n).timesteps) for n in (1, 7, 30, 100)] == [1, 7, 30, 100]


@pytest.mark.parametrize(("timestep", "sigma"), [(1, 0.0413928), (961, 20.0623), (999, 25.146)])
def test_the_noise_levels_are_the_published_ones(timestep, sigma):
    """FORMATS: sigma = sqrt((1 - a) / a) of linear betas, from the reference."""
    kept = published_scheduler(25).alphas_cumprod[timestep].double()
    assert ((1 - kept) / kept).sqrt().item() == pytest.approx(sigma, rel=3e-5)


@pytest.mark.parametrize("steps", [1, 5, 25, 30])
@pytest.mark.parametrize("cameras", [(), (0.4,)])
def test_sampling_is_ddim_by_its_formula(steps, cameras):
    """Song et al. 2021, equation 12 with eta 0; the last step ends at the picture without noise."""
    noise = start_noise(3, 64, 96, seed=4)
    betas = torch.linspace(0.00085, 0.012, 1000, dtype=torch.float64)
    kept = (1 - betas).cumprod(0)
    x = noise.double()
    width = 1000 // steps
    for i in reversed(range(steps)):
        t = i * width + 1
        before = kept[t - width] if t >= width else torch.tensor(1.0, dtype=torch.float64)
        without, towards = (denoiser(x, t, words, 3, cameras) for words in (NEGATIVE, TEXT))
        eps = without + 8 * (towards - without)
        picture = (x - (1 - kept[t]).sqrt() * eps) / kept[t].sqrt()
        x = before.sqrt() * picture + (1 - before).sqrt() * eps
    got = sample(denoiser, noise, published_scheduler(steps), TEXT, NEGATIVE, cameras=cameras)
    assert got.dtype == noise.dtype
    assert torch.allclose(got.double(), x, rtol=1e-4, atol=1e-4 * x.abs().max())


def test_a_model_of_v_starts_from_noise_alone():
    """Lin et al., WACV 2024: no signal is left at the last timestep, and sampling starts there."""
    scheduler = published_scheduler(25, "v_prediction")
    assert scheduler.timesteps.tolist() == list(range(999, 0, -40))
    kept = scheduler.alphas_cumprod
    assert kept[-1] < 1e-7
    assert kept[0] == published_scheduler(25).alphas_cumprod[0]
    picture = torch.linspace(-2, 2, 8 * 12).reshape(1, 1, 8, 12).expand(3, 4, -1, -1)

    def knows_the_picture(latents, timestep, text, frames, cameras):
        signal, noise = kept[timestep].sqrt(), (1 - kept[timestep]).sqrt()
        wanted = picture.repeat(len(text), 1, 1, 1)
        return signal * (latents - signal * wanted) / noise - noise * wanted

    got = sample(knows_the_picture, start_noise(3, 64, 96, seed=1), scheduler, TEXT, NEGATIVE)
    assert torch.allclose(got, picture, atol=1e-3)


def test_guidance_of_one_is_the_text_alone():
    noise, four = start_noise(2, 64, 64, seed=0), published_scheduler(4)
    got = sample(denoiser, noise, four, TEXT, NEGATIVE, guidance_scale=1.0)
    assert torch.allclose(got, sample(denoiser, noise, four, TEXT, TEXT, guidance_scale=5.0), atol=1e-5)


def test_the_start_noise_is_what_comfyui_draws():
    """comfy/sample.py, prepare_noise: torch.manual_seed(seed), then one randn of the whole batch on the CPU."""
    state = torch.get_rng_state()
    torch.manual_seed(123)
    expected = torch.randn([5, 4, 32, 48], dtype=torch.float32, device="cpu")
    torch.set_rng_state(state)
    assert torch.equal(start_noise(5, 256, 384, 123), expected)
    assert torch.equal(torch.get_rng_state(), state)


def test_no_global_randomness_enters():
    noise = start_noise(2, 64, 64, seed=0)
    one = sample(denoiser, noise, published_scheduler(3), TEXT, NEGATIVE)
    torch.rand(5)
    assert torch.equal(one, sample(denoiser, noise, published_scheduler(3), TEXT, NEGATIVE))


def test_progress_is_told_after_every_step_and_can_end_the_sampling():
    steps_done = []

    def stop_after_two(step, steps):
        steps_done.append((step, steps))
        if step == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        sample(denoiser, start_noise(2, 64, 64, seed=0), published_scheduler(6), TEXT, NEGATIVE, on_step=stop_after_two)
    assert steps_done == [(1, 6), (2, 6)]


@pytest.mark.parametrize("steps", [0, -3, 101])
def test_other_numbers_of_steps_are_refused(steps):
    with pytest.raises(ValueError, match=f"steps = {steps} is not between 1 and 100"):
        published_scheduler(steps)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_predictions_and_clean_latents_are_two_spellings_of_one_thing(prediction):
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 3, 4, 8, 8, dtype=torch.float64, generator=generator)
    signal, share = torch.tensor(0.6, dtype=torch.float64), torch.tensor(0.8, dtype=torch.float64)
    x = signal * clean + share * noise
    scheduler = DDIMScheduler(prediction_type=prediction)
    scheduler.alphas_cumprod[700] = signal**2
    steps = torch.full((3,), 700)
    predicted = noise if prediction == "epsilon" else scheduler.get_velocity(clean, noise, steps)
    kind = PREDICTIONS[prediction]
    assert torch.allclose(kind.clean(x, predicted, signal, share), clean, atol=1e-6)
    assert torch.allclose(kind.of_clean(x, clean, signal, share), predicted, atol=1e-6)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_corrected_clean_latents_go_through_ddim_by_its_formula(prediction):
    """x0 as the caller wants it, and the noise that then remains in x: Song et al. 2021, equation 12 with eta 0."""
    scheduler = published_scheduler(5, prediction)
    scales = torch.tensor([0.9, 0.5, 1.0])[:, None, None, None]
    seen = []

    def correct(clean, step):
        seen.append((step.number, step.count, step.sigma))
        return scales * clean + 0.1 * step.number

    got = sample(denoiser, start_noise(3, 64, 96, seed=4), scheduler, TEXT, NEGATIVE, correct=correct)
    kept = scheduler.alphas_cumprod.double()
    x = start_noise(3, 64, 96, seed=4).double()
    for number, t in enumerate(scheduler.timesteps.tolist(), 1):
        signal, noise = kept[t].sqrt(), (1 - kept[t]).sqrt()
        without, towards = (denoiser(x, t, words, 3, ()) for words in (NEGATIVE, TEXT))
        guided = without + 8 * (towards - without)
        clean = (x - noise * guided) / signal if prediction == "epsilon" else signal * x - noise * guided
        clean = scales * clean + 0.1 * number
        before = kept[t - 200] if t >= 200 else torch.ones(()).double()
        x = before.sqrt() * clean + (1 - before).sqrt() * (x - signal * clean) / noise
    assert torch.allclose(got.double(), x, rtol=1e-4, atol=1e-4 * x.abs().max())
    assert [s[:2] for s in seen] == [(i, 5) for i in range(1, 6)]
    sigmas = [((1 - kept[t]) / kept[t]).sqrt().item() for t in scheduler.timesteps]
    assert [s[2] for s in seen] == pytest.approx(sigmas, rel=1e-4)


def test_a_correction_that_changes_nothing_changes_nothing():
    noise, scheduler = start_noise(2, 64, 64, seed=0), published_scheduler(6)
    plain = sample(denoiser, noise, scheduler, TEXT, NEGATIVE)
    same = sample(denoiser, noise, scheduler, TEXT, NEGATIVE, correct=lambda clean, step: clean)
    assert torch.allclose(same, plain, rtol=1e-4, atol=1e-4 * plain.abs().max())


@pytest.mark.parametrize(("prediction", "steps"), [("epsilon", [481, 461, 441]), ("v_prediction", [499, 479, 459])])
def test_a_part_of_the_noise_is_removed_in_the_last_steps_of_a_longer_schedule(prediction, steps):
    """ComfyUI, KSampler.set_steps: the last 25 of 25 / 0.5 steps."""
    scheduler = published_scheduler(25, prediction, denoise=0.5)
    assert scheduler.timesteps[:3].tolist() == steps
    assert len(scheduler.timesteps) == 25


@pytest.mark.parametrize("denoise", [0, 0.2, 1.5])
def test_other_shares_of_the_noise_are_refused(denoise):
    """25 steps of 20 % would be 125 in all."""
    with pytest.raises(ValueError, match=rf"denoise = {denoise} is not between 0.25 and 1"):
        published_scheduler(25, denoise=denoise)


@pytest.fixture(scope="module")
def lifted():
    """A tiny UNet with random motion modules."""
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=4,
    )
    lift = random_(Lift(unet_backbone((32, 64), 1, 2, text_width=16), MotionSizes(heads=4)))
    return LiftedUNet(unet.eval().requires_grad_(False), lift)


ORIGINAL = torch.randn(3, 4, 8, 12, generator=torch.Generator().manual_seed(8))


def painted(lifted, mask=None, denoise=1.0, original=ORIGINAL, **others):
    scheduler = published_scheduler(4, denoise=denoise)
    latents = noised(ORIGINAL, start_noise(3, 64, 96, seed=4), scheduler)
    return sample(lifted, latents, scheduler, TEXT, NEGATIVE, mask=mask, original=original, **others)


def test_the_less_noise_is_removed_the_more_of_the_original_stays(lifted):
    changes = [(painted(lifted, original=None, denoise=share) - ORIGINAL).norm() for share in (0.05, 0.2, 0.5, 1.0)]
    assert changes == sorted(changes)
    assert changes[0] < 0.3 * ORIGINAL.norm() < changes[-1]


@pytest.mark.parametrize("denoise", [1.0, 0.5])
@pytest.mark.parametrize("frames", [1, 3])
def test_what_a_mask_keeps_is_the_original_and_the_rest_is_sampled_around_it(lifted, frames, denoise):
    mask = torch.zeros(frames, 1, 8, 12)
    mask[..., 6:] = 1
    mask[-1, :, :4] = 1
    made = painted(lifted, mask, denoise)
    free = mask.expand(3, 4, -1, -1) == 1
    assert torch.allclose(made[~free], ORIGINAL[~free], atol=1e-5)
    assert (made[free] - ORIGINAL[free]).abs().mean() > 0.1
    elsewhere = painted(lifted, mask, denoise, original=ORIGINAL + 1)
    assert (elsewhere[free] - made[free]).abs().mean() > 1e-3  # what is sampled sees what is kept


def test_a_mask_of_ones_keeps_nothing(lifted):
    plain = painted(lifted, original=None)
    assert torch.allclose(painted(lifted, torch.ones(1, 1, 8, 12)), plain, rtol=1e-3, atol=1e-4 * plain.abs().max())


def test_a_mask_has_the_last_word_and_mixes_where_it_is_soft(lifted):
    mask = torch.zeros(1, 1, 8, 12)
    mask[..., 4:8], mask[..., 8:] = 0.25, 1
    made = painted(lifted, mask, correct=lambda clean, step: torch.full_like(clean, 3.0))
    assert torch.allclose(made, torch.lerp(ORIGINAL, torch.tensor(3.0), mask), atol=1e-4)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"mask": torch.ones(1, 1, 8, 12), "original": None}, "give sample both mask and original, or neither"),
        ({"mask": None}, "give sample both mask and original, or neither"),
        ({"mask": torch.ones(2, 1, 8, 12)}, r"mask \(1 or 3, 1, 8, 12\).*\(2, 1, 8, 12\)"),
        ({"mask": torch.ones(1, 1, 64, 96)}, r"mask \(1 or 3, 1, 8, 12\).*\(1, 1, 64, 96\)"),
        ({"mask": torch.ones(1, 1, 8, 12), "original": ORIGINAL[:1]}, r"\(1, 4, 8, 12\) and \(1, 1, 8, 12\)"),
    ],
)
def test_half_a_mask_or_one_of_another_size_is_refused(lifted, inputs, words):
    with pytest.raises(ValueError, match=words):
        painted(lifted, **inputs)
