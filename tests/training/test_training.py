"""A short training of the tiny model: the loss falls, a stop leaves no trace, the result generates."""

import os
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch.utils.data import DataLoader

from genphoto.camera.settings import joint_name, setting_named
from genphoto.camera.sweep import CameraSweep
from genphoto.checkpoint import load
from genphoto.data.dataset import DifferentialDataset, ProceduralScenes
from genphoto.training.config_file import config_from, load_config
from genphoto.training.examples import StepSampler, collate
from genphoto.training.loop import TrainingState, rate_share
from genphoto.training.losses import StageLoss
from genphoto.training.run import dataset_of, examples_of, parts_of, train, workers_of

SIZE = [64, 96]
SETTINGS = ["focal_length", "shutter_speed"]


def stage(**changes):
    values = {
        "name": "sweep",
        "kind": "sweep",
        "train": ["text", "unet", "motion", "camera"],
        "steps": 4,
        "batch_size": 2,
        "learning_rate": 1e-3,
        "warmup": 1,
        "ema": 0.5,
        "save_every": 2,
    }
    return values | changes


SETTINGS_TRAINED = ["focal_length", "bokeh", "shutter_speed", "color_temperature"]
# Motion modules start as nothing, and what adds nothing lets no camera learn.
LIFTED = stage(name="motion", train=["motion"], steps=1)


def config(*stages, **data):
    return config_from(
        {
            "seed": 3,
            "model": {"kind": "tiny", "prediction": "v_prediction"},
            "data": {"scenes": 8, "settings": SETTINGS, "frames": 3, "size": SIZE, "workers": 0} | data,
            "stages": [*stages],
        }
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


def final_weights(folder, name="sweep"):
    return TrainingState.load(folder / name / "checkpoint.pt")


def test_the_loss_of_the_autoencoder_falls(tmp_path, cache):
    chosen = stage(name="autoencoder", kind="autoencoder", train=["autoencoder"], steps=40, batch_size=4, ema=0.0)
    train(config(chosen, cache=cache), tmp_path, cpu=True)
    losses = final_weights(tmp_path, "autoencoder").losses
    assert len(losses) == 40
    assert sum(losses[-5:]) < 0.75 * sum(losses[:5])


def test_the_loss_of_a_denoiser_falls(tmp_path, cache):
    chosen = stage(name="base", kind="image", train=["text", "unet"], steps=30, batch_size=8)
    train(config(chosen, cache=cache), tmp_path, cpu=True)
    losses = final_weights(tmp_path, "base").losses
    assert sum(losses[-8:]) < 0.85 * sum(losses[:8])


@pytest.mark.parametrize("cached", [True, False])
def test_a_stopped_training_goes_on_bit_for_bit(tmp_path, cache, cached):
    whole = config(stage(), cache=cache if cached else "")
    written = train(whole, tmp_path / "whole", cpu=True)
    parts = parts_of(whole)

    class Stopped(Exception):
        pass

    def stop(step):
        if step == 2:
            raise Stopped

    broken = replace(whole, stages=(replace(whole.stages[0], sample_every=2),))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genphoto.training.samples.write_samples", lambda *args: stop(args[-1]))
        with pytest.raises(Stopped):
            train(broken, tmp_path / "stopped", cpu=True)
    assert final_weights(tmp_path / "stopped").step == 2
    again = train(whole, tmp_path / "stopped", cpu=True)
    one, two = final_weights(tmp_path / "whole"), final_weights(tmp_path / "stopped")
    assert one.losses == two.losses
    for kind in ("weights", "average"):
        assert all(torch.equal(value, getattr(two, kind)[name]) for name, value in getattr(one, kind).items())
    for path, other in zip(written, again, strict=True):
        result, same = load(path)[0], load(other)[0]
        assert all(torch.equal(value, same[name]) for name, value in result.items())
    changed = load(written[1])[0]
    assert not all(torch.equal(value.half(), changed[name].half()) for name, value in parts.motion.state_dict().items())


def test_only_what_a_stage_names_learns(tmp_path, cache):
    chosen = config(LIFTED, stage(train=["camera"], steps=2), cache=cache)
    before = parts_of(chosen)
    written = train(chosen, tmp_path, cpu=True)
    assert [path.name for path in written] == [f"genphoto_tiny_{name}.safetensors" for name in ("motion", *SETTINGS)]
    names = final_weights(tmp_path).average
    assert set(names) == {f"camera.{key}" for key, _ in before.camera.named_parameters()}
    state, metadata = load(written[1])
    assert (metadata["setting"], metadata["variant"], metadata["frames"]) == ("focal_length", "physical", "3")
    assert state["merges.down.0.0.qkv_merge.weight"].abs().max() > 0


@pytest.mark.parametrize("blind", ["differences", "prior", "camera"])
def test_a_camera_encoder_can_be_blinded_for_an_experiment(tmp_path, cache, blind):
    train(config(LIFTED, stage(blind=blind, steps=1, train=["camera", "text"]), cache=cache), tmp_path, cpu=True)
    weights = final_weights(tmp_path).weights
    merge = weights["camera.focal_length.merges.down.0.0.qkv_merge.weight"]
    moved = merge.abs().max() > 0 or weights["camera.shutter_speed.merges.down.0.0.qkv_merge.weight"].abs().max() > 0
    assert moved == (blind != "camera")


def examples_in(chosen, dataset):
    return examples_of(chosen, chosen.stages[0], parts_of(chosen), dataset)


def test_an_example_depends_on_its_key_alone():
    chosen = config(stage())
    one, two = (examples_in(chosen, dataset_of(chosen.data)) for _ in range(2))
    key = (1, 3, 17, 2)
    two[0, 0, 0, 3]
    first, second = one[key], two[key]
    assert first.keys() == second.keys()
    assert all(torch.equal(v, second[k]) for k, v in first.items() if isinstance(v, torch.Tensor))
    assert not torch.equal(one[1, 3, 18, 2]["noise"], first["noise"])
    assert first["frames"].shape == (2, 3, *SIZE)
    assert first["prior"].shape == (2, 3, 64, 96)


def test_examples_fit_devices_without_float64():
    chosen = config(stage())
    example = examples_in(chosen, dataset_of(chosen.data))[0, 0, 0, 3]
    assert [name for name, value in example.items() if getattr(value, "dtype", None) == torch.float64] == []


def test_plain_prompts_are_a_piece_of_text_of_their_own():
    """Together with a caption they may be longer than the text encoder reads."""
    chosen = config(stage(blind="camera"))
    examples = examples_in(chosen, dataset_of(chosen.data))
    text = examples[0, 0, 0, 3]["text"]
    assert text.shape == (3, 2, 32)
    assert torch.equal(text[0, 0], text[2, 0])
    assert not torch.equal(text[0, 1], text[2, 1])


def test_all_examples_of_a_step_vary_one_setting_and_resuming_skips_whole_steps():
    chosen = config(stage(steps=9, batch_size=3))
    dataset = dataset_of(chosen.data)
    steps = list(StepSampler(dataset, chosen.stages[0], 3, chosen.seed))
    assert len(steps) == 9
    for keys in steps:
        assert len({joint_name(dataset.settings_at(epoch, index)) for epoch, index, *_ in keys}) == 1
        assert len({frames for *_, frames in keys}) == 1
    assert len({draw for keys in steps for _, _, draw, _ in keys}) == 27
    assert list(StepSampler(dataset, chosen.stages[0], 3, chosen.seed, start=5)) == steps[5:]


def test_batches_hold_the_setting_once():
    chosen = config(stage())
    examples = examples_in(chosen, dataset_of(chosen.data))
    batch = collate([examples[0, 0, 0, 3], examples[0, 2, 1, 3]])
    assert batch["steered"] == "focal_length"
    assert batch["frames"].shape == (2, 3, 3, *SIZE)


def test_the_learning_rate_rises_stays_and_falls():
    chosen = config(stage(steps=100, warmup=10, decay=0.2)).stages[0]
    rates = [rate_share(chosen, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:80] == [1.0] * 71
    assert rates[-1] < 0.1
    assert rates[80:] == sorted(rates[80:], reverse=True)


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.pt"
    state = TrainingState({}, 3, {"a": torch.ones(2)}, {}, {}, {}, [1.0])
    state.save(path)
    old = path.read_bytes()

    def full(*args):
        args[1].write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(ValueError, match=r"No space left on device\. The checkpoint before it is intact"):
        TrainingState({}, 4, {}, {}, {}, {}, []).save(path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_checkpoint_is_named(tmp_path):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"PK half a file")
    with pytest.raises(ValueError, match=r"checkpoint\.pt is no complete checkpoint"):
        TrainingState.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stages": [stage(stepps=3)]}, "stage sweep: unknown stepps. Known: name, kind"),
        ({"data": {"scenes": 3, "settings": ["iso"]}}, "data: settings = 'iso' is unknown"),
        ({"data": {"scenes": 3, "folder": "x"}}, "give either folder"),
        ({"data": {"scenes": "many"}}, "data: scenes = 'many' is not a whole number"),
        ({"stages": [stage(kind="video")]}, "stage sweep: kind = 'video' is unknown. Use one of: autoencoder, image"),
        ({"stages": []}, r"has no \[\[stages\]\]"),
        ({"stages": [stage(), stage()]}, "Stages need different names"),
        ({"stages": [stage(steps=0)]}, "steps = 0 must be at least 1"),
        ({"model": {"kind": "sdxl"}}, "model: kind = 'sdxl' is unknown"),
        ({"extra": 1}, "configuration: unknown extra"),
    ],
)
def test_a_wrong_configuration_is_refused(change, message):
    values = {"data": {"scenes": 3}, "stages": [stage()]} | change
    with pytest.raises(ValueError, match=message):
        config_from(values)


@pytest.mark.parametrize("name", ["tiny-cpu", "tiny-gpu", "sd15-published", "sd15-physical"])
def test_the_recipes_are_valid(name):
    assert load_config(name).stages


def test_an_unknown_recipe_names_the_known_ones():
    with pytest.raises(ValueError, match="sd15-physical, sd15-published, tiny-cpu, tiny-gpu"):
        load_config("tiny-tpu")


def test_the_full_size_model_needs_its_files():
    with pytest.raises(ValueError, match=r"needs base .* and motion"):
        parts_of(config_from({"model": {"kind": "sd15"}, "data": {"scenes": 1}, "stages": [stage()]}))


def test_train_stage_returns_at_once_when_it_is_finished(tmp_path, cache):
    chosen = config(stage(steps=1), cache=cache)
    train(chosen, tmp_path, cpu=True)
    stamp = (tmp_path / "sweep" / "checkpoint.pt").stat().st_mtime_ns
    train(chosen, tmp_path, cpu=True)
    assert (tmp_path / "sweep" / "checkpoint.pt").stat().st_mtime_ns == stamp
    assert len(list((tmp_path / "sweep").glob("events.*"))) == 1


def test_a_checkpoint_of_another_training_is_refused(tmp_path, cache):
    train(config(LIFTED, stage(steps=1), cache=cache), tmp_path, cpu=True)
    train(config(LIFTED, stage(steps=2, save_every=1), cache=cache), tmp_path, cpu=True)  # for longer: goes on
    with pytest.raises(ValueError, match=r"sweep.checkpoint\.pt .* drop_text was 0\.1, and is now 0\.2\. Choose"):
        train(config(LIFTED, stage(drop_text=0.2), cache=cache), tmp_path, cpu=True)
    with pytest.raises(ValueError, match=r"sweep.checkpoint\.pt .* weights at the start was '\w+', and is now '\w+'"):
        train(config(LIFTED | {"steps": 2}, stage(steps=2), cache=cache), tmp_path, cpu=True)


def test_only_what_has_been_trained_is_exported(tmp_path, cache):
    written = train(config(LIFTED, stage(steps=1), cache=cache), tmp_path, cpu=True, only="motion")
    assert [path.name for path in written] == ["genphoto_tiny_motion.safetensors"]


def test_pictures_during_training_have_words_and_camera(tmp_path, cache, monkeypatch):
    """Whatever the stage drops: their captions stand below them."""
    asked = []

    def sample(denoiser, noise, scheduler, text, nothing, cameras, **options):
        asked.append((torch.equal(text, nothing), len(cameras)))
        return torch.zeros_like(noise)

    monkeypatch.setattr("genphoto.training.samples.sample", sample)
    train(config(stage(steps=1, drop_text=1.0, drop_camera=1.0), cache=cache), tmp_path, cpu=True)
    assert asked == [(False, 1)] * len(SETTINGS)


def test_a_data_set_example_is_the_same_whenever_it_is_asked_for():
    dataset = dataset_of(config(stage()).data)
    assert isinstance(dataset, DifferentialDataset)
    assert dataset.source == ProceduralScenes(8, 0)
    one = dataset[2, 5]
    dataset[0, 1]
    assert torch.equal(one.frames, dataset[2, 5].frames)
    assert one.sweep == dataset[2, 5].sweep
    assert dataset[1, 5].sweep != one.sweep


@pytest.mark.parametrize("cached", [True, False])
def test_processes_that_start_anew_prepare_the_same_examples(cache, cached):
    """As all do on Windows, on macOS and from Python 3.14 on."""
    chosen = config(stage(steps=2), cache=cache if cached else "")
    examples = examples_in(chosen, dataset_of(chosen.data))
    sampler = StepSampler(examples.dataset, chosen.stages[0], 3, chosen.seed)
    loader = DataLoader(
        examples, batch_sampler=sampler, collate_fn=collate, num_workers=1, multiprocessing_context="spawn"
    )
    for batch, keys in zip(loader, sampler, strict=True):
        here = collate([examples[key] for key in keys])
        assert batch.keys() == here.keys()
        assert all(torch.equal(v, here[k]) for k, v in batch.items() if isinstance(v, torch.Tensor))


def test_a_batch_in_parts_learns_the_same(tmp_path, cache):
    """The gradient, which the first moment of AdamW holds after one step, is that of the whole batch."""
    found = []
    for parts in (1, 2):
        train(config(stage(batch_size=4, accumulate=parts, steps=1), cache=cache), tmp_path / str(parts), cpu=True)
        found.append(final_weights(tmp_path / str(parts)))
    whole, split = found
    assert split.losses == pytest.approx(whole.losses, rel=1e-4)
    moments = [torch.cat([m["exp_avg"].flatten() for m in f.optimizer["adamw"]["state"].values()]) for f in found]
    assert (moments[0] - moments[1]).norm() < 1e-3 * moments[0].norm()


def test_a_batch_is_cut_into_whole_parts():
    with pytest.raises(ValueError, match=r"stage sweep: batch_size = 4 must be a multiple of accumulate = 3"):
        config(stage(batch_size=4, accumulate=3))


def test_a_loss_that_is_no_number_stops_the_training(tmp_path, cache, monkeypatch):
    """Before it is learned from: the checkpoint before it goes on once the cause is gone."""
    denoising = StageLoss._denoising
    calls = []

    def broken(self, batch):
        calls.append(0)
        return denoising(self, batch) * (torch.nan if len(calls) == 4 else 1)

    monkeypatch.setattr(StageLoss, "_denoising", broken)
    with pytest.raises(ValueError, match=r"stage sweep: the loss of step 4 is nan.*Lower learning_rate = 0\.001"):
        train(config(stage(save_every=1), cache=cache), tmp_path, cpu=True)
    left = final_weights(tmp_path)
    assert left.step == 3
    assert all(value.isfinite().all() for value in left.weights.values())


def test_a_gradient_that_is_no_number_stops_the_training(tmp_path, cache, monkeypatch):
    denoising = StageLoss._denoising

    def broken(self, batch):
        value = denoising(self, batch)
        value.register_hook(lambda gradient: gradient * torch.inf)
        return value

    monkeypatch.setattr(StageLoss, "_denoising", broken)
    with pytest.raises(ValueError, match=r"stage sweep: the norm of the gradient of step 1 is (nan|inf)"):
        train(config(stage(), cache=cache), tmp_path, cpu=True)
    assert not (tmp_path / "sweep" / "checkpoint.pt").exists()


@pytest.mark.parametrize(
    ("workers", "processes", "local", "each"),
    [(-1, 1, None, 8), (-1, 4, None, 2), (-1, 16, None, 1), (-1, 16, "4", 2), (6, 2, None, 3), (0, 4, None, 0)],
)
def test_the_processes_of_a_machine_share_its_cores(monkeypatch, workers, processes, local, each):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    if local:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", local)
    assert workers_of(config(stage(), workers=workers).data, processes) == each


def test_only_the_main_process_writes_the_result(tmp_path, cache, monkeypatch):
    chosen = config(stage(steps=1), cache=cache)
    monkeypatch.setattr("accelerate.PartialState.is_main_process", False)
    assert train(chosen, tmp_path, cpu=True) == []
    assert not (tmp_path / "result").exists()


def test_the_loss_counts_more_in_the_middle():
    chosen = config(stage(center_weight=3.0))
    weight = StageLoss(parts_of(chosen), chosen.stages[0], "v_prediction")._weight(torch.zeros(1, 4, 16, 24))
    assert weight.mean() == pytest.approx(1)
    assert weight[7, 11] / weight[0, 0] == pytest.approx(3.868, rel=1e-3)  # 1 + 3 exp(-(1/16 + 1/36) / 2)
    assert weight[7, 14] < weight[7, 11]


def test_the_center_weight_enters_the_loss():
    even, hilly = (config(stage(center_weight=weight)) for weight in (0.0, 3.0))
    examples = examples_in(even, dataset_of(even.data))
    batch = collate([examples[0, 0, 0, 3]])
    parts = parts_of(even)
    losses = [StageLoss(parts, c.stages[0], "v_prediction")(batch).item() for c in (even, hilly)]
    assert abs(losses[1] / losses[0] - 1) > 1e-3


def test_a_timestep_shift_draws_noisier_timesteps():
    """Esser et al., equation 23: t = 1/2 becomes s / (1 + s)."""
    drawn = []
    for shift in (1.0, 3.0):
        chosen = config(stage(kind="image", train=["unet"], timestep_shift=shift))
        examples = examples_in(chosen, dataset_of(chosen.data))
        drawn.append([int(examples[0, 0, draw, 1]["timestep"]) for draw in range(8)])
    even, noisy = drawn
    shares = [(t + 0.5) / 1000 for t in even]
    assert noisy == pytest.approx([1000 * 3 * t / (1 + 2 * t) for t in shares], abs=1)


def test_a_gradient_is_clipped(tmp_path, cache):
    """AdamW knows the gradient of its first step by its first moment: (1 - 0.9) of it."""
    norms = []
    for largest in (1e-3, 1e3):
        folder = tmp_path / str(largest)
        train(config(stage(steps=1, clip_gradient=largest), cache=cache), folder, cpu=True)
        moments = final_weights(folder).optimizer["adamw"]["state"].values()
        norms.append(sum((m["exp_avg"].double() / 0.1).square().sum() for m in moments).sqrt().item())
    assert norms[0] == pytest.approx(1e-3, rel=1e-2)
    assert norms[1] > 1e-2


def test_single_frames_are_made_for_stages_that_learn_from_them(tmp_path):
    chosen = config(stage(name="base", kind="image", train=["unet"]), plain=0.5, cache=str(tmp_path))
    single, sweeps = dataset_of(chosen.data, "image"), dataset_of(chosen.data)
    assert single[0, 0].frames.shape == (1, 3, *SIZE)
    assert sweeps[0, 0].frames.shape == (3, 3, *SIZE)
    sweeps_of = [single.described(index).sweep for index in range(8)]
    plain = [list(sweep.cameras) == [sweep.base] for sweep in sweeps_of]
    assert 0 < sum(plain) < 8
    at_base = sweeps_of[plain.index(True)]
    assert next(iter(at_base.values.values())) == (at_base.settings[0].read(at_base.base),)


def test_scenes_are_rendered_at_each_focal_length():
    chosen = config(stage())
    dataset = dataset_of(chosen.data)
    example = dataset[0, 0]  # of the focal length
    scene = dataset.source[0].scene
    for frame, camera in zip(example.frames, example.sweep.cameras, strict=True):
        assert torch.allclose(frame, scene.render(SIZE, camera.focal_length_mm).image, atol=1e-4)


@pytest.mark.parametrize("setting", SETTINGS_TRAINED)
def test_the_base_camera_of_every_setting_sees_the_same_scene(setting):
    chosen = config(stage(), settings=[setting])
    subject = dataset_of(chosen.data).source[3]
    base = setting_named(setting).base
    sweep = CameraSweep({setting: [setting_named(setting).read(base)]}).focused_at(subject.focus_m)
    (frame,) = subject.frames(sweep, "physical", SIZE)
    assert (frame - subject.scene.render(SIZE).image).abs().mean() < 0.004


def test_timesteps_of_a_batch_are_spread_evenly():
    chosen = config(stage(name="base", kind="image", train=["unet"], batch_size=8))
    examples = examples_of(chosen, chosen.stages[0], parts_of(chosen), dataset_of(chosen.data, "image"))
    for step in range(2):
        timesteps = [int(examples[0, k, 8 * step + k, 1]["timestep"]) for k in range(8)]
        assert [t * 8 // 1000 for t in timesteps] == list(range(8))
    assert len({t % 125 for t in timesteps}) > 4


def test_sweeps_are_cut_to_a_length_in_the_stages_range():
    chosen = config(stage(steps=30, fewest_frames=2, most_frames=3), frames=5)
    lengths = [keys[0][-1] for keys in StepSampler(dataset_of(chosen.data), chosen.stages[0], 5, chosen.seed)]
    assert set(lengths) == {2, 3}


def test_an_epoch_asks_for_all_examples_once_and_for_neighbors_together(monkeypatch):
    monkeypatch.setattr("genphoto.training.examples.WINDOW", 16)
    chosen = config(stage(name="base", kind="image", train=["unet"], steps=20, batch_size=2), scenes=40)
    steps = list(StepSampler(dataset_of(chosen.data, "image"), chosen.stages[0], 1, chosen.seed))
    order = [index for keys in steps for _, index, *_ in keys]
    assert sorted(order) == list(range(40))
    assert order != sorted(order)
    assert sum(a // 16 != b // 16 for a, b in pairwise(order)) == 2


def test_a_training_stops_when_its_time_is_up_and_goes_on_bit_for_bit(tmp_path, cache):
    whole = config(LIFTED, stage(steps=3, matrix_rate=1e-3), cache=cache)
    train(whole, tmp_path / "whole", cpu=True)
    lines = []
    for _ in range(2):  # a step of each stage, then one of the second
        assert train(whole, tmp_path / "stopped", cpu=True, minutes=1e-9, on_save=lines.append) == []
    assert not (tmp_path / "stopped" / "result").exists()
    assert lines[-1].startswith("sweep: step 2 of 3 (67%), loss ")
    assert len(train(whole, tmp_path / "stopped", cpu=True)) == 1 + 1 + len(SETTINGS)
    one, two = final_weights(tmp_path / "whole"), final_weights(tmp_path / "stopped")
    assert set(one.optimizer) == {"adamw", "muon"}
    assert one.losses == two.losses
    assert all(torch.equal(value, two.average[name]) for name, value in one.average.items())


def test_muon_refuses_the_precision_that_it_cannot_follow():
    with pytest.raises(ValueError, match=r"stage sweep: matrix_rate = 0\.004 needs precision bf16 or no, got fp16"):
        config_from({"precision": "fp16", "data": {"scenes": 3}, "stages": [stage(matrix_rate=4e-3)]})
