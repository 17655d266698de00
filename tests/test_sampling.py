"""DDIM against its formula, with a denoiser that sees which sequence, timestep and latents it is asked for."""

import pytest
import torch

from genphoto.sampling import published_scheduler, sample, start_noise

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
