"""What a lifted MODEL leaves behind: weights where ComfyUI wants them, nothing on the MODEL, nothing that grows."""

import gc
import weakref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from genphoto.checkpoint.layout import make_encoder
from genphoto.model.config import PUBLISHED, TINY

from .tiny_sd15 import (  # noqa: F401
    ARCHITECTURE,
    FRAMES,
    OBJECTS,
    attempt,
    latents,
    miniature,
    model,
    prompt,
    run,
)


def alive(name):
    """How many objects of a class of this name there are."""
    gc.collect()
    return sum(type(thing).__name__ == name for thing in gc.get_objects())


def hooks():
    """Forward hooks on the MODEL's own modules."""
    return sum(len(module._forward_hooks) for module in OBJECTS["MODEL", "sd15"].model.modules())


def test_weights_may_stay_off_the_device(sd15, monkeypatch):
    import comfy.model_management as management

    load, partial = management.LoadedModel.model_load, []

    def load_one_byte(self, lowvram_model_memory=0, **options):
        load(self, 1, **options)
        partial.append((type(self.model.model).__name__, self.model.model.model_lowvram))

    whole = latents(sd15, prompt())
    monkeypatch.setattr(management.LoadedModel, "model_load", load_one_byte)
    assert torch.equal(latents(sd15, prompt()), whole)
    assert {("BaseModel", True), ("Lift", True), ("CameraMerges", True)} <= set(partial)


# Weights and activations are rounded to 11 and 8 bits; measured 0.006 and 0.048.
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 0.02), (torch.bfloat16, 0.1)])
def test_half_precision_stays_close(sd15, dtype, tolerance):
    exact = latents(sd15, prompt())
    OBJECTS["MODEL", "half"] = model(dtype=dtype)
    graph = prompt()
    graph["model"]["inputs"]["name"] = "half"
    done = run(sd15, graph)
    half = done.outputs["sample"][0]["samples"]
    assert (half - exact).norm() < tolerance * exact.norm()
    (lift,) = done.outputs["lift"][0].get_additional_models_with_key("genphoto")
    kept = {key.endswith(".pe"): value.dtype for key, value in lift.model.state_dict().items()}
    assert kept == {True: torch.float32, False: dtype}


class Peak(TorchDispatchMode):
    """The most memory [bytes] that the results of operations take at one time, storages of `known` tensors aside."""

    def __init__(self, known):
        super().__init__()
        self.bytes, self._live = 0, weakref.WeakValueDictionary()
        self._known = {tensor.untyped_storage()._cdata for tensor in known}

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        made = operation(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, (tuple, list)) else [made]:
            self._live[id(tensor)] = tensor
        storages = {t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in self._live.values()}
        self.bytes = max(self.bytes, sum(size for key, size in storages.items() if key not in self._known))
        return made


@pytest.mark.parametrize("architecture", [PUBLISHED, TINY, ARCHITECTURE])
def test_the_memory_of_the_camera_encoder_is_known(sd15, architecture):
    with torch.device("meta"):
        encoder = make_encoder(architecture)
        embedding = torch.empty(1, 6, 2, *architecture.encoder.embedding_size)
    with torch.no_grad(), Peak([*encoder.state_dict().values(), embedding]) as peak:
        encoder(embedding)
    assert 0 < peak.bytes < sd15.module("nodes.camera_condition").WORKING_SET * embedding.nbytes


def test_the_memory_of_the_camera_encoder_is_free_before_it_loads(sd15, monkeypatch):
    import comfy.model_management as management

    load, asked = management.load_models_gpu, {}

    def watched(models, memory_required=0, **options):
        asked[type(models[0].model).__name__] = memory_required
        return load(models, memory_required=memory_required, **options)

    monkeypatch.setattr(management, "load_models_gpu", watched)
    run(sd15, prompt())
    height, width = ARCHITECTURE.encoder.embedding_size
    embedding = 4 * 6 * FRAMES * height * width  # bytes
    assert asked["DifferentialCameraEncoder"] == sd15.module("nodes.camera_condition").WORKING_SET * embedding


def test_a_cancelled_run_leaves_nothing(sd15):
    whole = latents(sd15, prompt(steps=4))
    seen = []

    def cancel(moved):
        seen.append(hooks())
        sd15.interrupt()

    stopped = attempt(sd15, prompt(steps=4), on_progress=cancel)
    assert stopped.interrupted
    assert "sample" not in stopped.outputs
    assert seen == [0]
    assert hooks() == 0
    assert torch.equal(latents(sd15, prompt(steps=4)), whole)


def attempt_failing(sd15, monkeypatch, error):
    """A run in which a motion module half-way through the UNet raises `error`."""
    lift = sd15.module("genphoto.model.lift").Lift
    forward = lift.forward

    def fails(self, site, *args):
        if site == "up.0.1":
            assert hooks() > 0
            raise error
        return forward(self, site, *args)

    with monkeypatch.context() as patch:
        patch.setattr(lift, "forward", fails)
        return attempt(sd15, prompt())


def test_a_run_cancelled_inside_the_unet_leaves_nothing(sd15, monkeypatch):
    from comfy.model_management import InterruptProcessingException

    whole = latents(sd15, prompt())
    assert attempt_failing(sd15, monkeypatch, InterruptProcessingException()).interrupted
    assert hooks() == 0
    assert torch.equal(latents(sd15, prompt()), whole)


def test_an_error_in_the_run_leaves_nothing(sd15, monkeypatch):
    whole = latents(sd15, prompt())
    failed = attempt_failing(sd15, monkeypatch, torch.cuda.OutOfMemoryError("no memory left"))
    assert "no memory left" in failed.error
    assert hooks() == 0
    assert torch.equal(latents(sd15, prompt()), whole)


def test_queued_runs_do_not_grow(sd15):
    import comfy.model_management as management

    done, counts, loaded = None, [], []
    for seed in range(20):
        done = sd15.run(prompt(seed=seed, steps=1), after=done)
        assert done.success, done.error
        assert done.executed[-2:] == ["sample", "keep"]
        if seed in (4, 19):
            counts.append(alive("Tensor") + alive("Parameter"))
            loaded.append(len(management.current_loaded_models))
            assert alive("ActiveCamera") == alive("SweepRun") == 0
    management.unload_all_models()
    assert counts[0] == counts[1]
    assert loaded == [4, 4]  # BaseModel, Lift, CameraMerges, SD1ClipModel


def test_the_camera_encoder_is_gone_after_its_one_run(sd15):
    done = run(sd15, prompt())
    camera = done.outputs["camera"][0]
    assert alive("DifferentialCameraEncoder") == 0
    assert {feature.dtype for feature in camera.features} == {torch.float32}
    assert {feature.device.type for feature in camera.features} == {"cpu"}
    assert repr(camera) == "CameraCondition of focal length: 24 mm; 35.5 mm; 47 mm; 58.5 mm; 70 mm"


def test_another_gpu_gets_motion_modules_of_its_own(sd15):
    OBJECTS["MODEL", "sd15"].cached_patcher_init = (model, ())
    steered = run(sd15, prompt()).outputs["steered"][0]
    copy = steered.deepclone_multigpu()
    condition = steered.model_options["genphoto_cameras"][0].condition
    additional = sd15.module("nodes.additional_models").additional
    for role in ("lift", condition.role):
        mine, other = additional(steered, role).model, additional(copy, role).model
        assert mine is not other
        assert all(torch.equal(value, other.state_dict()[key]) for key, value in mine.state_dict().items())
