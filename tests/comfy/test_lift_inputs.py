"""What the nodes of the lift take, and how they say what they do not take."""

import logging

import pytest
import torch

from genphoto.checkpoint.flat_sizes import FlatSizes
from genphoto.checkpoint.layout import make_encoder, make_merges

from .tiny_sd15 import (  # noqa: F401
    BLUR,
    FRAMES,
    MOTION,
    OBJECTS,
    SHUTTER,
    attempt,
    clip,
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


def refusal(comfy, graph, at):
    """The message with which a node refuses."""
    done = attempt(comfy, graph)
    assert not done.success
    if done.report:
        assert done.report["node_id"] == at
        assert done.report["exception_type"] == "ValueError"
    return done.error


def test_latents_that_are_no_whole_sweeps(sd15):
    assert refusal(sd15, prompt(latents=7), "sample") == (
        "7 latents do not make whole sweeps of 5 frames: set the batch size of the empty latent to 5, or a multiple."
    )


def test_a_sweep_of_one_frame(sd15):
    graph = prompt()
    graph["sweep"]["inputs"]["frames"] = 1
    assert "needs at least 2 frames, this sweep has 1" in refusal(sd15, graph, "camera")


def test_the_adapter_of_another_setting(sd15):
    graph = prompt()
    graph["camera"]["inputs"]["camera_adapter"] = SHUTTER
    assert "This camera adapter steers shutter_speed, but the sweep varies focal_length" in refusal(
        sd15, graph, "camera"
    )


def test_a_camera_on_a_model_that_is_not_lifted(sd15):
    graph = prompt()
    graph["steered"]["inputs"]["model"] = ["model", 0]
    assert "Add the node 'Lift Model' (GenPhotoLiftModel)" in refusal(sd15, graph, "steered")


def test_a_model_that_is_lifted_twice(sd15):
    graph = prompt()
    graph["again"] = node("GenPhotoLiftModel", model=["lift", 0], motion_module=MOTION)
    graph["steered"]["inputs"]["model"] = ["again", 0]
    assert "lifted already" in refusal(sd15, graph, "again")


def test_cameras_of_different_length(sd15):
    graph = prompt()
    graph["long sweep"] = sweep(frames=6)
    graph["long"] = node("DifferentialCameraEncode", **{**graph["camera"]["inputs"], "sweep": ["long sweep", 0]})
    inputs = {**graph["steered"]["inputs"], "model": ["steered", 0], "camera": ["long", 0]}
    graph["both"] = node("GenPhotoApplyCamera", **inputs)
    graph["sample"]["inputs"]["model"] = ["both", 0]
    assert "this one has 6 and the one applied before 5" in refusal(sd15, graph, "both")


def test_area_conditioning(sd15):
    graph = prompt()
    graph["left"] = node(
        "ConditioningSetArea", conditioning=["positive", 0], width=64, height=64, x=0, y=0, strength=1.0
    )
    graph["sample"]["inputs"]["positive"] = ["left", 0]
    assert "a part of 8 x 8 of a latent of 12 x 8 is sampled by itself: by area" in refusal(sd15, graph, "sample")
    graph["sample"]["inputs"]["model"] = ["lift", 0]
    assert torch.isfinite(latents(sd15, graph)).all()


def test_masks_in_place_of_areas(sd15):
    graph = prompt()
    graph["mask"] = node("SolidMask", value=0.5, width=96, height=64)
    graph["masked"] = node(
        "ConditioningSetMask", conditioning=["positive", 0], mask=["mask", 0], strength=1.0, set_cond_area="default"
    )
    graph["sample"]["inputs"]["positive"] = ["masked", 0]
    assert torch.isfinite(latents(sd15, graph)).all()


def test_context_windows_over_several_sweeps(sd15):
    import comfy.context_windows as windows

    graph = prompt(latents=2 * FRAMES)
    sampler = {k: v for k, v in graph["sample"]["inputs"].items()}
    graph["windows"] = node(
        "ContextWindowsManual",
        model=["steered", 0],
        context_length=4,
        context_overlap=2,
        context_schedule=windows.ContextSchedules.STATIC_STANDARD,
        context_stride=1,
        closed_loop=False,
        fuse_method=windows.ContextFuseMethods.PYRAMID,
        dim=0,
        freenoise=False,
        cond_retain_index_list="",
        split_conds_to_windows=False,
        latent_retain_index_list="",
        causal_window_fix=True,
    )
    graph["sample"]["inputs"] = {**sampler, "model": ["windows", 0]}
    assert "set the batch size of the empty latent to 5" in refusal(sd15, graph, "sample")


def not_a_unet():
    import comfy.model_base
    import comfy.model_patcher
    import comfy.supported_models

    class Transformer(torch.nn.Linear):
        def __init__(self, **_):
            super().__init__(4, 4)
            self.dtype = torch.float32

    config = comfy.supported_models.Flux({"in_channels": 16})
    network = comfy.model_base.BaseModel(config, unet_model=Transformer)
    return comfy.model_patcher.CoreModelPatcher(network, torch.device("cpu"), torch.device("cpu"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: model((1, 2, 4), config="SDXL"),
            "this is SDXL (BaseModel): its UNet has 15 places of width 32, 64, 128",
        ),
        (lambda: model(context=96, config="SD20"), "this is SD20 (BaseModel): its text is 96 wide"),
        (not_a_unet, "this is Flux (BaseModel): it is not a UNet"),
    ],
)
def test_models_that_are_not_sd15(sd15, make, message):
    OBJECTS["MODEL", "other"] = make()
    graph = prompt()
    graph["model"]["inputs"]["name"] = "other"
    said = refusal(sd15, graph, "lift")
    assert message in said
    assert said.startswith("Motion modules need the MODEL that they were made for")


def test_a_unet_that_another_node_replaced_is_refused(sd15):
    """An engine in its place has none of the places of the motion modules."""

    class Engine(torch.nn.Module):
        def __init__(self, unet):
            super().__init__()
            self.run, self.dtype = unet.forward, unet.dtype

        def forward(self, *args, **kwargs):
            return self.run(*args, **kwargs)

    lifted = sd15.call("GenPhotoLiftModel", model=OBJECTS["MODEL", "sd15"], motion_module=MOTION)[0]
    replaced = lifted.clone()
    replaced.add_object_patch("diffusion_model", Engine(lifted.model.diffusion_model))
    OBJECTS["MODEL", "engine"] = replaced
    graph = prompt(steered=False)
    graph["model"]["inputs"]["name"] = "engine"
    graph["sample"]["inputs"]["model"] = ["model", 0]
    assert "another node replaces it" in attempt(sd15, graph).error


def test_a_model_with_a_schedule_of_its_own(sd15):
    graph = prompt()
    graph["edm"] = node(
        "ModelSamplingContinuousEDM", model=["model", 0], sampling="eps", sigma_max=100.0, sigma_min=0.01
    )
    graph["lift"]["inputs"]["model"] = ["edm", 0]
    assert "put it after GenPhotoLiftModel" in refusal(sd15, graph, "lift")
    graph["lift"]["inputs"]["model"] = ["model", 0]
    graph["edm"]["inputs"]["model"] = ["steered", 0]
    graph["sample"]["inputs"].update(model=["edm", 0], scheduler="simple")
    assert torch.isfinite(latents(sd15, graph)).all()


@pytest.mark.parametrize(
    ("class_type", "inputs", "replaces"),
    [
        ("ModelSamplingDiscrete", {"sampling": "eps", "zsnr": False}, True),
        ("ModelSamplingDiscrete", {"sampling": "v_prediction", "zsnr": True}, True),
        ("ModelSamplingDiscrete", {"sampling": "lcm", "zsnr": False}, True),
        ("ModelSamplingContinuousEDM", {"sampling": "eps", "sigma_max": 100.0, "sigma_min": 0.01}, True),
        ("ModelSamplingContinuousV", {"sampling": "v_prediction", "sigma_max": 100.0, "sigma_min": 0.03}, True),
        ("ModelSamplingSD3", {"shift": 3.0}, True),
        ("RescaleCFG", {"multiplier": 0.7}, False),
        ("FreeU_V2", {"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2}, False),
        ("PerturbedAttentionGuidance", {"scale": 3.0}, False),
        ("HyperTile", {"tile_size": 64, "swap_size": 2, "max_depth": 0, "scale_depth": False}, False),
        ("TomePatchModel", {"ratio": 0.3}, False),
        (
            "PatchModelAddDownscale",
            {
                "block_number": 2,
                "downscale_factor": 2.0,
                "start_percent": 0.0,
                "end_percent": 0.9,
                "downscale_after_skip": True,
                "downscale_method": "bicubic",
                "upscale_method": "bicubic",
            },
            False,
        ),
    ],
)
def test_a_node_that_replaces_the_schedule_of_the_lift_is_told(sd15, class_type, inputs, replaces):
    graph = prompt()
    graph["after"] = node(class_type, model=["steered", 0], **inputs)
    graph["sample"]["inputs"].update(model=["after", 0], scheduler="simple")
    done = run(sd15, graph)
    assert torch.isfinite(done.outputs["sample"][0]["samples"]).all()
    said = done.texts.get("sample", "")
    assert ("after 'Lift Model' replaced the noise schedule" in said) == replaces
    graph["after"]["inputs"]["model"] = ["model", 0]
    graph["lift"]["inputs"]["model"], graph["sample"]["inputs"]["model"] = ["after", 0], ["steered", 0]
    before = attempt(sd15, graph)
    assert before.texts == {}
    assert before.success or "put it after GenPhotoLiftModel" in before.error


@pytest.mark.parametrize(("width", "height", "far"), [(192, 128, False), (200, 128, True), (48, 24, True)])
def test_frames_far_from_the_trained_size_are_told(sd15, width, height, far):
    graph = prompt(steps=1)
    graph["empty"]["inputs"].update(width=width, height=height)
    said = run(sd15, graph).texts.get("sample", "")
    assert (f"Frames of {width} x {height} pixels are far from the 96 x 64" in said) == far


def test_frames_that_are_no_numbers_are_told(sd15, monkeypatch):
    lift = sd15.module("genphoto.model.lift").Lift
    forward = lift.forward

    def fails(self, site, *args):
        hidden = forward(self, site, *args)
        if site == "up.1.2":
            hidden[3] = torch.nan
        return hidden

    monkeypatch.setattr(lift, "forward", fails)
    graph = prompt(cfg=1.0, steps=1)
    said = run(sd15, graph).texts["sample"]
    assert "Frame 4 of 5 came out as NaN, which is shown black. Lower cfg" in said


@pytest.mark.parametrize(
    ("at", "name", "gone", "advice"),
    [
        ("lift", "motion_module", "x.ckpt", "(AnimateDiff v3, https://huggingface.co/guoyww/animatediff) into"),
        (
            "camera",
            "camera_adapter",
            "x.ckpt",
            "or checkpoint-color_temperature.ckpt (Generative ",
        ),
        ("camera", "camera_adapter", "checkpoint-focal_length.ckpt", "Put checkpoint-focal_length.ckpt (Generative "),
    ],
)
def test_files_that_are_not_there(sd15, at, name, gone, advice):
    graph = prompt()
    graph[at]["inputs"][name] = gone
    said = refusal(sd15, graph, at)
    folder = sd15.model_folder({"lift": "animatediff_models", "camera": "genphoto"}[at])
    assert f"{gone} is not in {folder}" in said
    assert advice in said


def test_files_in_the_wrong_place(sd15):
    (sd15.model_folder("animatediff_models") / "wrong.safetensors").write_bytes(
        (sd15.model_folder("genphoto") / BLUR).read_bytes()
    )
    graph = prompt()
    graph["lift"]["inputs"]["motion_module"] = "wrong.safetensors"
    assert "wrong.safetensors is a camera adapter; a motion module was expected here" in refusal(sd15, graph, "lift")


def test_a_replaced_file_is_read_again(sd15):
    path = sd15.model_folder("genphoto") / "changing.safetensors"
    path.write_bytes((sd15.model_folder("genphoto") / BLUR).read_bytes())
    graph = prompt()
    graph["sweep"] = sweep("bokeh", 1.0, 30.0)
    graph["camera"]["inputs"]["camera_adapter"] = path.name
    first = attempt(sd15, graph)
    assert first.success, first.error
    again = attempt(sd15, graph, after=first)
    assert again.executed == []
    path.touch()
    assert "camera" in attempt(sd15, graph, after=again).executed


def test_the_lists_offer_what_is_there(sd15):
    offered = sd15.info("GenPhotoLiftModel")["input"]["required"]["motion_module"][1]["options"]
    assert MOTION in offered


def test_registering_the_folders_again_changes_nothing(sd15):
    import folder_paths

    files = sd15.module("nodes.model_files")
    before = folder_paths.get_folder_paths("animatediff_models")
    files.MOTION_MODULES.register()
    assert folder_paths.get_folder_paths("animatediff_models") == before
    assert ".ckpt" in folder_paths.folder_names_and_paths["animatediff_models"][1]


# The CLIP


def features(comfy, graph):
    return run(comfy, graph).outputs["camera"][0].features


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def changed_clip(change):
    """The camera is encoded by a changed CLIP."""
    graph = prompt()
    graph["changed"] = change
    graph["camera"]["inputs"]["clip"] = graph["positive"]["inputs"]["clip"] = ["changed", 0]
    return graph


def test_what_is_done_to_the_clip_does_not_reach_the_camera(sd15):
    name = put_lora(sd15)
    bare = run(sd15, prompt())
    changes = {
        "lora": node(
            "LoraLoader", model=["model", 0], clip=["clip", 0], lora_name=name, strength_model=0.0, strength_clip=1.0
        ),
        "bypass": node(
            "LoraLoaderBypass",
            model=["model", 0],
            clip=["clip", 0],
            lora_name=name,
            strength_model=0.0,
            strength_clip=1.0,
        ),
        "skip": node("CLIPSetLastLayer", clip=["clip", 0], stop_at_clip_layer=-2),
    }
    for kind, change in changes.items():
        graph = changed_clip(change)
        output = 0 if kind == "skip" else 1
        graph["camera"]["inputs"]["clip"] = graph["positive"]["inputs"]["clip"] = ["changed", output]
        graph["negative"]["inputs"] = {"clip": ["changed", output], "text": "after the camera"}
        graph["sample"]["inputs"]["model"] = ["steered", 0]
        done = run(sd15, graph)
        assert same(done.outputs["camera"][0].features, bare.outputs["camera"][0].features), kind
        assert not torch.equal(done.outputs["positive"][0][0][0], bare.outputs["positive"][0][0][0]), kind
    assert torch.equal(run(sd15, prompt()).outputs["positive"][0][0][0], bare.outputs["positive"][0][0][0])


def test_a_clip_of_another_model(sd15):
    OBJECTS["CLIP", "wide"] = clip(96)
    graph = prompt()
    graph["wide"] = node("TestClip", name="wide")
    graph["camera"]["inputs"]["clip"] = ["wide", 0]
    assert "needs the CLIP that it was made for, but this SD1ClipModel is 96 wide, not 64. Connect" in refusal(
        sd15, graph, "camera"
    )


def released(encoder, merges):
    """The layout of the released camera adapters (FORMATS section 2)."""
    processor = "temporal_transformer.transformer_blocks.0.attention_blocks.0.processor."
    renamed = {}
    for key, value in merges.items():
        way, level, index, rest = key.split(".", 3)
        renamed[f"{way}_blocks.{level}.motion_modules.{index}.{processor}{rest}"] = value
    return {
        "epoch": 1,
        "global_step": 2,
        "camera_encoder_state_dict": encoder,
        "attention_processor_state_dict": renamed,
    }


def test_a_released_adapter_is_taken_for_the_setting_of_the_sweep(sd15, caplog):
    sizes = FlatSizes((32, 64)).architecture()  # pictures of 256 x 384 and text of width 768: files do not tell
    encoder, merges = (random_(make(sizes), 6).state_dict() for make in (make_encoder, make_merges))
    torch.save(released(encoder, merges), sd15.model_folder("genphoto") / "checkpoint-shutter_speed.ckpt")
    OBJECTS["CLIP", "768"] = clip(768)
    graph = prompt()
    graph["sweep"] = sweep("shutter_speed", 0.1, 1.0)
    graph["wide"] = node("TestClip", name="768")
    graph["camera"]["inputs"].update(clip=["wide", 0], camera_adapter="checkpoint-shutter_speed.ckpt")
    with caplog.at_level(logging.INFO):
        done = run(sd15, graph)
    assert [setting.name for setting in done.outputs["camera"][0].question.settings] == ["shutter_speed"]
    assert "does not say which setting it steers; taken for one of shutter speed" in caplog.text.lower()
