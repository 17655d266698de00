"""A lifted MODEL under ComfyUI's own samplers, on a miniature SD 1.5."""

import pytest
import torch

from .tiny_sd15 import (  # noqa: F401
    FRAMES,
    OBJECTS,
    SAMPLING,
    SHUTTER,
    latents,
    miniature,
    model,
    node,
    prompt,
    put_lora,
    random_,
    run,
    sweep,
)

SIZE = (FRAMES, 4, 8, 12)


def close(one, other, tolerance=1e-5):
    return (one - other).norm() < tolerance * other.norm()


def with_sampler_node(graph, **inputs):
    """LiftedT2VSampler beside the KSampler."""
    shared = {"positive": ["positive", 0], "negative": ["negative", 0], "width": 96, "height": 64, "strength": 1.0}
    graph["lifted"] = node(
        "LiftedT2VSampler", model=["lift", 0], camera=["camera", 0], **{**SAMPLING, **shared, **inputs}
    )
    graph["keep too"] = node("TestKeep", samples=["lifted", 0])
    return graph


def test_a_stock_sampler_runs_a_sweep(sd15):
    steered = latents(sd15, prompt())
    assert steered.shape == SIZE
    assert torch.isfinite(steered).all()
    assert not close(steered, latents(sd15, prompt(steered=False)), 0.1)


def test_the_sampler_node_is_apply_camera_and_a_stock_sampler(sd15):
    graph = with_sampler_node(prompt(), strength=0.7)
    graph["steered"]["inputs"]["strength"] = 0.7
    done = run(sd15, graph)
    assert torch.equal(done.outputs["lifted"][0]["samples"], done.outputs["sample"][0]["samples"])
    steps = [moved.value for moved in done.progress if moved.node == "lifted"]
    assert steps == [1, 2]


def test_one_latent_is_repeated_for_all_frames(sd15):
    graph = prompt(denoise=0.5, steps=4)
    graph["one"] = node("EmptyLatentImage", width=96, height=64, batch_size=1)
    graph["picture"] = node("LatentAdd", samples1=["noise", 0], samples2=["one", 0])
    graph["noise"] = {**prompt(steered=False)["sample"]}
    graph["noise"]["inputs"] = {**graph["noise"]["inputs"], "model": ["model", 0], "latent_image": ["one", 0]}
    graph["repeat"] = node("RepeatLatentBatch", samples=["picture", 0], amount=FRAMES)
    graph["sample"]["inputs"]["latent_image"] = ["repeat", 0]
    graph = with_sampler_node(graph, latent_image=["picture", 0], denoise=0.5, steps=4)
    done = run(sd15, graph)
    lifted = done.outputs["lifted"][0]["samples"]
    assert lifted.shape == SIZE
    assert torch.equal(lifted, done.outputs["sample"][0]["samples"])


def test_sampling_in_two_stages_is_sampling_in_one(sd15):
    graph = prompt(steps=4)
    stage = {k: v for k, v in graph["sample"]["inputs"].items() if k not in ("seed", "denoise")}
    parts = {"first": ("enable", 0, 2, "enable", "empty"), "second": ("disable", 2, 10000, "disable", "first")}
    for name, (add, start, end, leftover, source) in parts.items():
        graph[name] = node(
            "KSamplerAdvanced",
            **{**stage, "latent_image": [source, 0]},
            add_noise=add,
            noise_seed=SAMPLING["seed"],
            start_at_step=start,
            end_at_step=end,
            return_with_leftover_noise=leftover,
        )
    graph["keep too"] = node("TestKeep", samples=["second", 0])
    done = run(sd15, graph)
    assert close(done.outputs["second"][0]["samples"], done.outputs["sample"][0]["samples"])


def test_a_custom_sampler_gives_the_same(sd15):
    graph = prompt()
    graph["sampler"] = node("KSamplerSelect", sampler_name="ddim")
    graph["sigmas"] = node("BasicScheduler", model=["steered", 0], scheduler="ddim_uniform", steps=2, denoise=1.0)
    graph["custom"] = node(
        "SamplerCustom",
        model=["steered", 0],
        add_noise=True,
        noise_seed=SAMPLING["seed"],
        cfg=SAMPLING["cfg"],
        positive=["positive", 0],
        negative=["negative", 0],
        sampler=["sampler", 0],
        sigmas=["sigmas", 0],
        latent_image=["empty", 0],
    )
    graph["keep too"] = node("TestKeep", samples=["custom", 0])
    done = run(sd15, graph)
    assert torch.equal(done.outputs["custom"][0]["samples"], done.outputs["sample"][0]["samples"])


def test_prompts_one_by_one_are_prompts_at_once(sd15, monkeypatch):
    import comfy.model_base

    batches = []
    apply = comfy.model_base.BaseModel._apply_model
    monkeypatch.setattr(
        comfy.model_base.BaseModel,
        "_apply_model",
        lambda self, x, *args, **kwargs: batches.append(len(x)) or apply(self, x, *args, **kwargs),
    )
    together = latents(sd15, prompt())
    monkeypatch.setattr(comfy.model_base.BaseModel, "memory_required", lambda *_, **__: 1e20)
    assert close(latents(sd15, prompt()), together)
    assert batches == [2 * FRAMES] * 2 + [FRAMES] * 4


def test_without_negative_prompt(sd15):
    assert latents(sd15, prompt(cfg=1.0)).shape == SIZE


def test_two_sweeps_in_a_batch_are_the_single_sweeps(sd15):
    both = latents(sd15, prompt(latents=2 * FRAMES))
    for start in (0, FRAMES):
        graph = prompt(latents=2 * FRAMES)
        graph["part"] = node("LatentFromBatch", samples=["empty", 0], batch_index=start, length=FRAMES)
        graph["sample"]["inputs"]["latent_image"] = ["part", 0]
        assert close(latents(sd15, graph), both[start : start + FRAMES])


def test_a_latent_of_another_size_takes_resized_features(sd15):
    graph = prompt()
    graph["empty"]["inputs"].update(width=64, height=96)
    assert latents(sd15, graph).shape == (FRAMES, 4, 12, 8)


@pytest.mark.parametrize("window", [{"strength": 0.0}, {"end_percent": 0.0}, {"start_percent": 1.0}])
def test_off_is_exactly_off(sd15, window):
    graph = prompt()
    graph["steered"]["inputs"].update(window)
    assert torch.equal(latents(sd15, graph), latents(sd15, prompt(steered=False)))


def test_a_camera_can_act_in_a_part_of_the_sampling(sd15):
    def part(start, end):
        graph = prompt(steps=4)
        graph["steered"]["inputs"].update(start_percent=start, end_percent=end)
        return latents(sd15, graph)

    whole, first, last = part(0.0, 1.0), part(0.0, 0.5), part(0.5, 1.0)
    assert not close(first, whole, 1e-3)
    assert not close(last, whole, 1e-3)
    assert torch.equal(part(0.0, 0.999), whole)  # the last step is at 0.999 of the timesteps


def chained(*cameras, last_strength=1.0):
    """A sweep of focal length and exposure; its "camera" and its "exposure" are applied in this order."""
    graph = prompt()
    graph["exposure sweep"] = sweep("shutter_speed", 0.1, 1.0)
    graph["sweep"]["inputs"]["vary_with"] = ["exposure sweep", 0]
    graph["exposure"] = node("DifferentialCameraEncode", **{**graph["camera"]["inputs"], "camera_adapter": SHUTTER})
    apply = graph.pop("steered")["inputs"]
    last = "lift"
    for place, camera in enumerate(cameras):
        strength = last_strength if place == len(cameras) - 1 else 1.0
        inputs = {**apply, "model": [last, 0], "camera": [camera, 0], "strength": strength}
        last = f"steered {place}"
        graph[last] = node("GenPhotoApplyCamera", **inputs)
    graph["sample"]["inputs"]["model"] = [last, 0]
    return graph


def test_cameras_act_together_in_any_order(sd15):
    both = latents(sd15, chained("camera", "exposure"))
    assert close(latents(sd15, chained("exposure", "camera")), both)
    one = latents(sd15, chained("camera"))
    assert not close(both, one, 1e-2)
    assert torch.equal(latents(sd15, chained("camera", "exposure", last_strength=0.0)), one)


def test_a_camera_twice_is_a_camera_of_double_strength(sd15):
    double = latents(sd15, chained("camera", last_strength=2.0))
    assert close(latents(sd15, chained("camera", "camera")), double)


def test_branches_of_a_graph_do_not_see_each_other(sd15):
    def with_branches():
        graph = prompt()
        graph["other sweep"] = sweep(first=70.0, last=24.0)
        graph["other camera"] = node(
            "DifferentialCameraEncode", **{**graph["camera"]["inputs"], "sweep": ["other sweep", 0]}
        )
        graph["other lift"] = node("GenPhotoLiftModel", **graph["lift"]["inputs"])
        branches = {
            "a": ("lift", "camera"),
            "b": ("lift", "other camera"),
            "c": ("other lift", "camera"),
            "d": ("lift", None),
        }
        for name, (lift, camera) in branches.items():
            source = lift
            if camera:
                source = f"steered {name}"
                inputs = {**graph["steered"]["inputs"], "model": [lift, 0], "camera": [camera, 0]}
                graph[source] = node("GenPhotoApplyCamera", **inputs)
            graph[name] = node("KSampler", **{**graph["sample"]["inputs"], "model": [source, 0]})
            graph[f"keep {name}"] = node("TestKeep", samples=[name, 0])
        graph["base"] = node("KSampler", **{**graph["sample"]["inputs"], "model": ["model", 0]})
        graph["keep base"] = node("TestKeep", samples=["base", 0])
        return graph

    model_before = OBJECTS["MODEL", "sd15"]
    untouched = {k: v.clone() for k, v in model_before.model.state_dict().items()}
    plain = prompt()
    plain["sample"]["inputs"]["model"] = ["model", 0]
    before = latents(sd15, plain)
    done = run(sd15, with_branches())
    a, b, c, d, base, sample = (done.outputs[n][0]["samples"] for n in ("a", "b", "c", "d", "base", "sample"))
    assert torch.equal(a, sample)
    assert torch.equal(a, c)
    assert not close(a, b, 1e-2)
    assert torch.equal(a, latents(sd15, prompt()))
    assert torch.equal(d, latents(sd15, prompt(steered=False)))
    assert torch.equal(base, before)
    assert torch.equal(latents(sd15, plain), before)
    after = model_before.model.state_dict()
    assert after.keys() == untouched.keys()
    assert all(torch.equal(after[key], value) for key, value in untouched.items())
    assert model_before.model_options == {"transformer_options": {}}
    assert not model_before.wrappers
    assert not model_before.additional_models


def test_a_lora_may_come_before_or_after(sd15):
    name = put_lora(sd15)
    before, after = prompt(), prompt()
    before["lora"] = node("LoraLoaderModelOnly", model=["model", 0], lora_name=name, strength_model=1.0)
    before["lift"]["inputs"]["model"] = ["lora", 0]
    after["lora"] = node("LoraLoaderModelOnly", model=["steered", 0], lora_name=name, strength_model=1.0)
    after["sample"]["inputs"]["model"] = ["lora", 0]
    patched = latents(sd15, before)
    assert torch.equal(patched, latents(sd15, after))
    assert not close(patched, latents(sd15, prompt()), 1e-3)


def test_a_controlnet_runs_beside_it(sd15):
    import comfy.cldm.cldm
    import comfy.controlnet

    config = {k: v for k, v in model().model.model_config.unet_config.items() if k != "out_channels"}
    network = random_(comfy.cldm.cldm.ControlNet(**config, hint_channels=3), 9).requires_grad_(False)
    OBJECTS["CONTROL_NET", "tiny"] = comfy.controlnet.ControlNet(network, load_device=torch.device("cpu"))
    graph = prompt()
    graph["hint"] = node("EmptyImage", width=96, height=64, batch_size=1, color=0x4080C0)
    graph["control net"] = node("TestControlNet", name="tiny")
    graph["control"] = node(
        "ControlNetApplyAdvanced",
        positive=["positive", 0],
        negative=["negative", 0],
        control_net=["control net", 0],
        image=["hint", 0],
        strength=1.0,
        start_percent=0.0,
        end_percent=1.0,
    )
    graph["sample"]["inputs"].update(positive=["control", 0], negative=["control", 1])
    controlled = latents(sd15, graph)
    assert torch.isfinite(controlled).all()
    assert not close(controlled, latents(sd15, prompt()), 1e-2)


def windowed(frames, **inputs):
    """Context windows of 4 frames, 2 in common."""
    graph = prompt(latents=frames)
    graph["sweep"]["inputs"]["frames"] = frames
    graph["windows"] = node(
        "ContextWindowsManual",
        model=["steered", 0],
        **{
            "context_length": 4,
            "context_overlap": 2,
            "context_schedule": "standard_static",
            "context_stride": 1,
            "closed_loop": False,
            "fuse_method": "pyramid",
            "dim": 0,
            "freenoise": False,
            "cond_retain_index_list": "",
            "split_conds_to_windows": False,
            "latent_retain_index_list": "",
            "causal_window_fix": True,
            **inputs,
        },
    )
    graph["sample"]["inputs"]["model"] = ["windows", 0]
    return graph


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [(False, [(0, 1, 2, 3), (2, 3, 4, 5), (4, 5, 6, 7)]), (True, [(0, 1, 2, 3), (1, 2, 3, 4, 5), (3, 4, 5, 6, 7)])],
)
def test_context_windows_show_their_own_frames(sd15, monkeypatch, anchor, expected):
    lift = sd15.module("genphoto.model.lift").Lift
    forward, shown = lift.forward, []
    monkeypatch.setattr(
        lift,
        "forward",
        lambda self, site, x, frames, cameras: shown.append(tuple(frames)) or forward(self, site, x, frames, cameras),
    )
    assert latents(sd15, windowed(8, causal_window_fix=anchor)).shape == (8, 4, 8, 12)
    assert list(dict.fromkeys(shown)) == expected


def test_one_context_window_is_none(sd15):
    assert torch.equal(latents(sd15, windowed(FRAMES, context_length=16)), latents(sd15, prompt()))


def test_the_noise_schedule_is_the_one_of_the_motion_modules(sd15):
    """FORMATS section 6: linear betas; ddim_uniform at 25 steps is the timesteps 961, 921, ... 1; full start noise."""
    import comfy.samplers

    done = run(sd15, prompt())
    sampling = done.outputs["lift"][0].get_model_object("model_sampling")
    assert sampling.sigma_max.item() == pytest.approx(25.146, abs=1e-3)
    sigmas = comfy.samplers.calculate_sigmas(sampling, "ddim_uniform", 25)
    assert torch.equal(sigmas, torch.cat([sampling.sigmas[torch.arange(961, 0, -40)], torch.zeros(1)]))
    assert sigmas[0].item() == pytest.approx(20.0623, abs=1e-4)
    assert sigmas[-2].item() == pytest.approx(0.0413928, abs=1e-6)
    noise, empty = torch.randn(2, 4, 3, 3), torch.zeros(2, 4, 3, 3)
    assert torch.allclose(sampling.noise_scaling(sigmas[0], noise, empty), noise * (1 + sigmas[0] ** 2) ** 0.5)
    assert torch.allclose(sampling.noise_scaling(sigmas[0], noise, empty + 1), noise * sigmas[0] + 1)


def test_a_model_keeps_what_it_predicts(sd15):
    import comfy.model_sampling

    OBJECTS["MODEL", "v"] = model(prediction="V_PREDICTION")
    graph = prompt()
    graph["model"]["inputs"]["name"] = "v"
    done = run(sd15, graph)
    sampling = done.outputs["lift"][0].get_model_object("model_sampling")
    assert isinstance(sampling, comfy.model_sampling.V_PREDICTION)
    assert sampling.sigma_max.item() == pytest.approx(25.146, abs=1e-3)


def test_the_motion_modules_sit_where_the_released_ones_did(sd15):
    """FORMATS section 3."""
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

    from genphoto.model.config import PUBLISHED

    config = {
        **model((1, 2, 4, 4)).model.model_config.unet_config,
        "model_channels": 320,
        "context_dim": 768,
        "device": "meta",
    }
    unet = UNetModel(**config)
    sites = sd15.module("nodes.unet_sites")
    assert sites.mismatch(unet, PUBLISHED.backbone) is None
    found = sites.sites_of(unet)
    assert list(found) == [site for site, _ in PUBLISHED.backbone.sites]
    inside = {
        id(layer): ("in" if blocks is unet.input_blocks else "out", index, place)
        for blocks in (unet.input_blocks, unet.output_blocks)
        for index, block in enumerate(blocks)
        for place, layer in enumerate(block)
    }
    places = [inside[id(layer)] for layer, _ in found.values()]
    assert [p[:2] for p in places] == [("in", i) for i in (1, 2, 4, 5, 7, 8, 10, 11)] + [("out", i) for i in range(12)]
    assert [p[2] for p in places] == [1] * 6 + [0] * 2 + [0] * 3 + [1] * 9
