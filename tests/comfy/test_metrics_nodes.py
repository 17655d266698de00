"""GenPhotoSweepMetrics and GenPhotoBaselinePrompts in a running ComfyUI, on real photographs."""

import json
import math
import sys

import pytest
import torch
import torch.nn.functional as F

from . import tiny_sd15
from .test_physics_nodes import graph, photo, real_photo  # noqa: F401  photo is a fixture

METRICS = {"prompt": "", "cross_talk": False, "depth_kind": "disparity, white is near", "near_m": 1.0, "far_m": 1000.0}
OUTPUTS = ("plot", "error", "slope", "consistency", "following", "report")


@pytest.fixture(scope="module")
def clip_vision(comfy):
    """The picture half of a CLIP, random, 64 wide."""
    from comfy.clip_vision import ClipVisionModel

    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2, "num_hidden_layers": 2}
    config = {"image_size": 56, "patch_size": 14, "num_channels": 3, "projection_dim": 64, "hidden_act": "quick_gelu"}
    made = ClipVisionModel({**sizes, **config, "model_type": "clip_vision_model"})
    tiny_sd15.random_(made.model, 5)
    return made


@pytest.fixture(scope="module")
def clip(comfy):
    return tiny_sd15.clip()


@pytest.fixture
def measured(comfy):
    """(frames (F,H,W,C), values, inputs of the node) -> its outputs by name."""
    from genphoto.camera.sweep import CameraSweep

    def run(frames, values=(24, 35, 50), setting="focal_length", **inputs):
        sweep = CameraSweep({setting: values})
        return dict(
            zip(
                OUTPUTS,
                comfy.call("GenPhotoSweepMetrics", images=frames, sweep=sweep, **{**METRICS, **inputs}),
                strict=True,
            )
        )

    return run


def zoomed(values=(24, 35, 50), name="coffee"):
    from genphoto.camera.imaging import simulate
    from genphoto.camera.photo import Photo
    from genphoto.camera.sweep import CameraSweep

    sweep = CameraSweep({"focal_length": values})
    return torch.stack([*simulate(Photo(real_photo(name).movedim(-1, 0), camera=sweep.base), sweep)]).movedim(1, -1)


def metrics_graph(**inputs):
    prompt = graph("shutter_speed", depth=False)
    prompt["metrics"] = {
        "class_type": "GenPhotoSweepMetrics",
        "inputs": {**METRICS, "images": ["physics", 0], "sweep": ["physics", 1], **inputs},
    }
    prompt["plot"] = {"class_type": "PreviewImage", "inputs": {"images": ["metrics", 0]}}
    prompt["text"] = {"class_type": "PreviewAny", "inputs": {"source": ["metrics", 5]}}
    return prompt


def test_measures_a_sweep_in_a_graph_and_draws_it(comfy, photo):  # noqa: F811
    done = comfy.run(metrics_graph(reference=["physics", 0], cross_talk=True))
    assert done.success, done.error
    found = dict(zip(OUTPUTS, done.outputs["metrics"], strict=True))
    assert found["error"] < 0.05  # stops
    assert found["slope"] == pytest.approx(1, abs=0.05)
    assert found["consistency"] > 0.5
    assert math.isnan(found["following"])
    report = json.loads(found["report"])
    assert set(report["measurements"]) == {"zoom", "blur", "exposure", "color_temperature", "tint"}
    assert report["consistency_excess"] == 0
    assert report["published"]["shutter_speed"]["correlation"] == pytest.approx(1)
    assert found["plot"].shape[0] == 1
    assert found["plot"].shape[2:] == (960, 3)
    assert 0 <= found["plot"].min() < 0.3 < found["plot"].max() <= 1
    assert len(done.ui["plot"]["images"]) == 1
    moved = [m.value / m.max for m in done.progress if m.node == "metrics"]
    assert moved == sorted(moved)
    assert len(moved) > 3


def test_cancel_stops_measuring(comfy, photo):  # noqa: F811
    def press(moved):
        if moved.node == "metrics":
            comfy.interrupt()

    done = comfy.run(metrics_graph(cross_talk=True), on_progress=press)
    assert done.interrupted
    assert "plot" not in done.executed


def test_a_depth_map_turns_blur_into_pixels(comfy, photo):  # noqa: F811
    prompt = graph("bokeh", sweep_inputs={"values": "2 12 24"}, physics_inputs={"noise": False})
    prompt["metrics"] = metrics_graph()["metrics"]
    prompt["metrics"]["inputs"]["depth"] = ["depth", 0]
    prompt["show"] = {"class_type": "PreviewImage", "inputs": {"images": ["metrics", 0]}}
    done = comfy.run(prompt)
    assert done.success, done.error
    assert json.loads(done.outputs["metrics"][5])["measurements"]["blur"]["unit"] == "px"
    # K 12 and 24 are at most 24 px at 200 px width.
    assert done.outputs["metrics"][1] < 1.5


def test_what_cannot_be_measured_is_not_a_number(measured):
    right, other = zoomed()[:, :128, :192], zoomed(name="astronaut")[:, :128, :192]
    frames = torch.stack([right[0], other[1], right[2]])
    found = measured(frames)
    report = json.loads(found["report"])
    assert report["measurements"]["zoom"]["measured"][1] is None
    assert any("cannot be measured in frame 2" in finding for finding in report["findings"])
    everything_else = measured(torch.stack([frames[0], frames[1], frames[1]]))
    assert math.isnan(everything_else["error"])


def test_following_compares_text_and_pictures_of_one_clip(measured, clip, clip_vision):
    found = measured(zoomed(), clip=clip, clip_vision=clip_vision, prompt="a cup of coffee")
    likeness = json.loads(found["report"])["following"]["per_frame"]
    assert len(likeness) == 3
    assert -1 <= min(likeness) <= max(likeness) <= 1
    assert found["following"] == pytest.approx(sum(likeness) / 3)
    network = clip.cond_stage_model.clip_l
    _, _, _, pooled = network.transformer(None, **_one_text(clip, "a cup of coffee"))
    seen = clip_vision.encode_image(zoomed())["image_embeds"]
    text = network.transformer.text_projection(pooled)
    assert likeness == pytest.approx(F.cosine_similarity(seen, text).tolist(), abs=1e-5)
    other = measured(zoomed(), clip=clip, clip_vision=clip_vision, prompt="a dog")
    assert other["following"] != found["following"]


def _one_text(clip, text):
    """Inputs of ComfyUI's CLIPTextModel for a text."""
    tokens = [[token for token, _ in clip.tokenize(text)["l"][0]]]
    embeds, _, count, _ = clip.cond_stage_model.clip_l.process_tokens(tokens, "cpu")
    return {"embeds": embeds, "num_tokens": count}


@pytest.mark.parametrize("left_by_comfyui", ["zeros", "identity", "stale memory"])
def test_a_text_encoder_without_projection_is_refused(measured, clip_vision, left_by_comfyui):
    """As those of SD 1.5 checkpoints and of clip_l.safetensors, which ComfyUI fills up."""
    bare = tiny_sd15.clip()
    weight = bare.cond_stage_model.clip_l.transformer.text_projection.weight
    garbage = torch.arange(64 * 64, dtype=torch.int32).view(torch.float32).view(64, 64)  # denormal numbers
    content = {"zeros": torch.zeros(64, 64), "identity": torch.eye(64), "stale memory": garbage}
    weight.data.copy_(content[left_by_comfyui])
    with pytest.raises(ValueError, match="no text projection"):
        measured(zoomed(), clip=bare, clip_vision=clip_vision, prompt="a cup")


def test_halves_that_do_not_belong_together_are_refused(measured, clip, clip_vision):
    with pytest.raises(ValueError, match="not of one CLIP: the text becomes 32 numbers, a picture 64"):
        measured(zoomed(), clip=tiny_sd15.clip(32), clip_vision=clip_vision, prompt="a cup")
    with pytest.raises(ValueError, match="connect clip and clip_vision"):
        measured(zoomed(), clip=clip, prompt="a cup")
    with pytest.raises(ValueError, match="prompt is empty"):
        measured(zoomed(), clip=clip, clip_vision=clip_vision, prompt=" ")


@pytest.mark.parametrize(
    ("frames", "said"),
    [
        (lambda f: f[:1], "1 frame: frames are measured against each other"),
        (lambda f: f[:2], "2 frames do not fit a sweep of 3 values"),
        (lambda f: f * torch.tensor([1.0, 0, 1])[:, None, None, None], "2 are black"),
        (lambda f: f[:, :40], "too small"),
    ],
)
def test_bad_batches_are_refused_in_words(measured, frames, said):
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        measured(frames(zoomed()))


def test_alpha_and_gray_are_taken(measured):
    frames = zoomed()
    found = measured(torch.cat([frames, torch.ones_like(frames[..., :1])], -1))
    assert found["error"] < 1
    assert measured(frames.mean(-1, keepdim=True))["error"] < 1


@pytest.fixture
def objects(comfy):
    """TestClip gives a small CLIP."""
    import nodes

    tiny_sd15.OBJECTS["CLIP", "baseline"] = tiny_sd15.clip()
    nodes.NODE_CLASS_MAPPINGS["TestBaselineClip"] = tiny_sd15._giver("CLIP")
    nodes.NODE_CLASS_MAPPINGS.setdefault("TestKeep", tiny_sd15.TestKeep)


def test_baseline_prompts_run_a_text_encoder_once_per_frame(comfy, objects):
    prompt = {
        "sweep": graph("focal_length", depth=False, sweep_inputs={"values": "24 35 50"})["sweep"],
        "prompts": {
            "class_type": "GenPhotoBaselinePrompts",
            "inputs": {"scene": "A quiet mountain trail.", "sweep": ["sweep", 0]},
        },
        "clip": {"class_type": "TestBaselineClip", "inputs": {"name": "baseline"}},
        "encode": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["clip", 0], "text": ["prompts", 0]}},
        "many": {"class_type": "PreviewAny", "inputs": {"source": ["prompts", 0]}},
        "keep": {"class_type": "PreviewAny", "inputs": {"source": ["encode", 0]}},
    }
    done = comfy.run(prompt)
    assert done.success, done.error
    said, count = done.outputs["prompts"]
    assert said == [f"A quiet mountain trail; with {mm}mm lens." for mm in (24, 35, 50)]
    assert count == 3
    assert len(done.outputs["encode"][0]) == 3


def test_an_empty_scene_is_refused(comfy):
    from genphoto.camera.sweep import CameraSweep

    with pytest.raises(ValueError, match="scene is empty"):
        comfy.call("GenPhotoBaselinePrompts", scene=" ", sweep=CameraSweep({"bokeh": [2, 4]}))


def test_a_zoom_with_reference_needs_no_opencv(measured, monkeypatch):
    """ComfyUI does not bring it: the paper's zoom score is then missing, with the reason, and nothing else is."""
    monkeypatch.setitem(sys.modules, "cv2", None)
    found = measured(zoomed(), reference=zoomed())
    assert found["error"] < 0.5
    score = json.loads(found["report"])["published"]["focal_length"]
    assert score["correlation"] is None
    assert "OpenCV" in score["reason"]


def test_metrics_of_a_batch_without_frames_are_refused(comfy):
    from genphoto.camera.sweep import CameraSweep

    options = {"prompt": "", "cross_talk": False, "depth_kind": "disparity, white is near", "near_m": 1.0, "far_m": 9.0}
    with pytest.raises(ValueError, match=r"images holds no frames\. Connect"):
        comfy.call(
            "GenPhotoSweepMetrics", images=torch.ones(0, 64, 64, 3), sweep=CameraSweep({"bokeh": [2]}), **options
        )
