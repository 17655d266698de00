"""The embedded model inside ComfyUI. Its weights are replaced at times: nothing here depends on what they are."""

import json

import pytest
import torch

from genphoto.embedded import load_tiny_model
from genphoto.model.config import TINY
from genphoto.model.noise import sweep_noise

from ..golden import embedded
from .base_camera import BASE_CAMERA
from .tiny_sd15 import MOTION, SAMPLING, ZOOM, attempt, latents, miniature, node, run  # noqa: F401

TINY_SAMPLING = SAMPLING | {"cfg": 2.5, "scheduler": "simple"}
PICTURES = {"width": 192, "height": 128}
SWEEPS = {
    "focal_length": (24.0, 70.0),
    "bokeh": (1.0, 28.0),
    "shutter_speed": (0.1, 1.0),
    "color_temperature": (2000.0, 9000.0),
}
SCENE = "a red ball in front of a blue box on a wooden floor by a plain wall"


def sweep(setting, frames):
    first, last = SWEEPS[setting]
    chosen = {"setting": setting, "setting.first": first, "setting.last": last, "setting.focal_length_mm": 24.0}
    return node("CameraSweepSpec", frames=frames, spacing="linear", **BASE_CAMERA, **chosen)


def graph(setting="focal_length", frames=5, **sampling):
    """The graph: embedded, lift, sweep, camera, positive, negative, sample, decode, show."""
    return {
        "embedded": node("GenPhotoEmbeddedModel"),
        "lift": node("GenPhotoLiftModel", model=["embedded", 0], motion_module="genphoto_tiny_motion.safetensors"),
        "sweep": sweep(setting, frames),
        "camera": node(
            "DifferentialCameraEncode",
            clip=["embedded", 1],
            sweep=["sweep", 0],
            camera_adapter=f"genphoto_tiny_{setting}.safetensors",
        ),
        "positive": node("CLIPTextEncode", clip=["embedded", 1], text=SCENE),
        "negative": node("CLIPTextEncode", clip=["embedded", 1], text=""),
        "sample": node(
            "LiftedT2VSampler",
            model=["lift", 0],
            camera=["camera", 0],
            positive=["positive", 0],
            negative=["negative", 0],
            strength=1.0,
            **PICTURES,
            **TINY_SAMPLING | sampling,
        ),
        "decode": node("VAEDecode", samples=["sample", 0], vae=["embedded", 2]),
        "show": node("PreviewImage", images=["decode", 0]),
    }


def stock(source, frames, **sampling):
    """A KSampler on 16-channel latents that start from the empty latents of Stable Diffusion."""
    made = graph(frames=frames)
    made["empty"] = node("EmptyLatentImage", **PICTURES, batch_size=frames)
    made["sample"] = node(
        "KSampler",
        model=[source, 0],
        positive=["positive", 0],
        negative=["negative", 0],
        latent_image=["empty", 0],
        **TINY_SAMPLING | sampling,
    )
    return made


@pytest.mark.parametrize("frames", [2, 16])
@pytest.mark.parametrize("setting", SWEEPS)
def test_a_sweep_of_every_setting(sd15, setting, frames):
    done = run(sd15, graph(setting, frames))
    assert done.outputs["sample"][0]["samples"].shape == (frames, 16, 16, 24)
    pictures = done.outputs["decode"][0]
    assert pictures.shape == (frames, 128, 192, 3)
    assert torch.isfinite(pictures).all()
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    assert [moved.value for moved in done.progress if moved.node == "sample"] == [1, 2]


def test_previews_have_the_colors_of_the_picture(sd15, monkeypatch):
    """The preview is affine in the latents: as close as that can be to what the decoder makes of even pictures."""
    import latent_preview
    from comfy.cli_args import LatentPreviewMethod

    monkeypatch.setattr(latent_preview, "default_preview_method", LatentPreviewMethod.Latent2RGB)
    done = run(sd15, graph(frames=2))
    previews = [picture for at, picture in done.previews if at == "sample"]
    assert [picture.size for picture in previews] == [(24, 16)] * 2
    model, _, vae = done.outputs["embedded"]
    previewer = latent_preview.get_previewer(model.load_device, model.model.latent_format)
    latent = torch.zeros(1, 16, 4, 4)
    shown = torch.tensor(previewer.decode_latent_to_preview(latent).getpixel((1, 1))) / 255
    decoded = vae.decode(latent)[0, 16, 16]
    assert (shown - decoded).abs().max() < 0.1


def test_loading_warns_of_nothing(sd15, caplog):
    with caplog.at_level("WARNING"):
        sd15.call("GenPhotoEmbeddedModel")
    assert caplog.text == ""


def test_cancel_stops_within_a_step(sd15):
    stopped = attempt(sd15, graph(frames=2, steps=8), on_progress=lambda moved: sd15.interrupt())
    assert stopped.interrupted
    assert "sample" not in stopped.outputs


def test_the_stock_sampler_without_lift_makes_images(sd15):
    made = latents(sd15, stock("embedded", 2))
    assert made.shape == (2, 16, 16, 24)
    alone = stock("embedded", 2)
    alone["first"] = node("LatentFromBatch", samples=["empty", 0], batch_index=0, length=1)
    alone["sample"]["inputs"]["latent_image"] = ["first", 0]
    assert (latents(sd15, alone) - made[:1]).norm() < 1e-4 * made[:1].norm()


def test_the_stock_sampler_starts_sweeps_from_shared_noise(sd15, monkeypatch):
    import comfy.samplers

    def steered():
        made = stock("steered", 4)
        made["steered"] = node(
            "GenPhotoApplyCamera",
            model=["lift", 0],
            camera=["camera", 0],
            strength=1.0,
            start_percent=0.0,
            end_percent=1.0,
        )
        return made

    starts = []
    outer_sample = comfy.samplers.CFGGuider.outer_sample

    def watched(self, noise, *args, **kwargs):
        starts.append(noise.clone())
        return outer_sample(self, noise, *args, **kwargs)

    monkeypatch.setattr(comfy.samplers.CFGGuider, "outer_sample", watched)
    whole = latents(sd15, steered())
    custom = steered()
    custom["sampler"] = node("KSamplerSelect", sampler_name="ddim")
    custom["sigmas"] = node("BasicScheduler", model=["steered", 0], scheduler="simple", steps=2, denoise=1.0)
    kept = ("model", "positive", "negative", "latent_image", "cfg")
    custom["sample"] = node(
        "SamplerCustom",
        **{name: custom["sample"]["inputs"][name] for name in kept},
        add_noise=True,
        noise_seed=SAMPLING["seed"],
        sampler=["sampler", 0],
        sigmas=["sigmas", 0],
    )
    assert torch.equal(latents(sd15, custom), whole)
    noise = torch.randn(4, 16, 16, 24, generator=torch.Generator().manual_seed(SAMPLING["seed"]))
    larger = torch.tensor([[24, 24 + 46 / 3, 24 + 92 / 3, 70]], dtype=torch.float64) / 24
    shared = sweep_noise(noise, larger, TINY.own_noise)
    assert len(starts) == 2
    assert all(torch.allclose(start, shared, atol=1e-6) for start in starts)


def test_the_lifted_sampler_is_the_stock_sampler(sd15):
    done = run(sd15, graph(frames=2))
    made = stock("steered", 2)
    made["steered"] = node(
        "GenPhotoApplyCamera", model=["lift", 0], camera=["camera", 0], strength=1.0, start_percent=0.0, end_percent=1.0
    )
    assert torch.equal(latents(sd15, made), done.outputs["sample"][0]["samples"])


def test_the_vae_is_the_autoencoder(sd15):
    (_, _, vae) = sd15.call("GenPhotoEmbeddedModel")
    autoencoder = load_tiny_model().build_autoencoder()
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(2, 133, 192, 3, generator=generator)
    with torch.inference_mode():
        wanted = autoencoder.encode(pictures[:, 2:130].movedim(-1, 1) * 2 - 1)
        assert (vae.encode(pictures) - wanted).abs().max() < 1e-5
        wanted = (autoencoder.decode(wanted).movedim(1, -1) / 2 + 0.5).clamp(0, 1)
        assert (vae.decode(vae.encode(pictures)) - wanted).abs().max() < 1e-5
        tiled = vae.decode_tiled(torch.zeros(1, 16, 24, 24), tile_x=16, tile_y=16, overlap=4)
    assert tiled.shape == (1, 192, 192, 3)


def text_encoder(file):
    """The text encoder with transformers' own classes."""
    from transformers import CLIPTextConfig, CLIPTextModel

    model = CLIPTextModel(CLIPTextConfig.from_dict(file.text)).eval()
    getattr(model, "text_model", model).load_state_dict(file.weights["text"])
    return model


def test_texts_are_encoded_as_by_transformers(sd15):
    (_, clip, _) = sd15.call("GenPhotoEmbeddedModel")
    file = load_tiny_model()
    model = text_encoder(file)
    encode = sd15.module("nodes.camera_condition").hidden_states
    texts = [SCENE, "", "<focal length: 24.0>", "<exposure: 0.33333334>"]
    with torch.inference_mode():
        wanted = model(file.tokenizer(texts)).last_hidden_state
        assert (encode(clip, texts) - wanted).abs().max() < 1e-5
        assert torch.isfinite(clip.encode_from_tokens(clip.tokenize(SCENE), return_pooled=True)[1]).all()


def test_weights_of_words(sd15):
    (_, clip, _) = sd15.call("GenPhotoEmbeddedModel")
    (tokens,) = clip.tokenize("a (red:1.5) ball")["l"]
    plain = clip.tokenize("a red ball")["l"][0]
    assert len(tokens) == 32
    assert [token for token, _ in tokens] == [token for token, _ in plain]
    assert [weight for _, weight in tokens] == [1.0, 1.0, 1.5, *[1.0] * 29]
    with torch.inference_mode():
        encoded = [clip.encode(text)[0, 2] for text in ("a (red:1.5) ball", "a red ball", "")]
    assert torch.allclose(encoded[0] - encoded[2], 1.5 * (encoded[1] - encoded[2]), atol=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a (zebra:1.2) beside a giraffe", "does not know 'zebra', 'giraffe'. It knows: a, an, and, ball,"),
        ("(red ball) " * 16, "has 32 words, digits and marks; the tiny model reads at most 30"),
        ("a red ball, embedding:easynegative", "does not know 'embedding', 'easynegative'"),
    ],
)
def test_prompts_that_it_cannot_read(sd15, text, message):
    made = graph()
    made["positive"]["inputs"]["text"] = text
    done = attempt(sd15, made)
    assert done.report["node_id"] == "positive"
    assert done.report["exception_type"] == "ValueError"
    assert message in done.error


def test_parts_of_different_models(sd15):
    wrong_motion, wrong_model, wrong_clip, wrong_camera = graph(), graph(), graph(), graph()
    wrong_motion["lift"]["inputs"]["motion_module"] = MOTION
    wrong_model["sd15"] = node("TestModel", name="sd15")
    wrong_model["lift"]["inputs"]["model"] = ["sd15", 0]
    wrong_clip["sd15"] = node("TestClip", name="sd15")
    wrong_clip["camera"]["inputs"]["clip"] = ["sd15", 0]
    wrong_camera["sd15"] = node("TestClip", name="sd15")
    wrong_camera["camera"]["inputs"].update(clip=["sd15", 0], camera_adapter=ZOOM)
    expected = {
        "this is EmbeddedModel (BaseModel): its UNet has 6 places of width 64, 128 and the motion": wrong_motion,
        "this is SD15 (BaseModel): its UNet has 10 places of width 32, 64 and the motion module 6": wrong_model,
        "needs the CLIP that it was made for (128 wide), but this one is SD1ClipModel (64 wide)": wrong_clip,
        "The camera adapter was made for a UNet of widths (32, 64), this one has (64, 128)": wrong_camera,
    }
    for message, made in expected.items():
        assert message in attempt(sd15, made).error
    assert "take 'Embedded Model' for genphoto_tiny_motion" in attempt(sd15, wrong_model).error


def test_the_lists_offer_the_embedded_files_last(sd15):
    for name, input_name, own in (
        ("GenPhotoLiftModel", "motion_module", MOTION),
        ("DifferentialCameraEncode", "camera_adapter", ZOOM),
    ):
        offered = sd15.info(name)["input"]["required"][input_name][1]["options"]
        shipped = [option for option in offered if option.startswith("genphoto_tiny_")]
        assert own in offered
        assert len(shipped) in (1, 4)
        assert offered[-len(shipped) :] == shipped


def test_another_gpu_gets_a_model_of_its_own(sd15):
    (model, _, _) = sd15.call("GenPhotoEmbeddedModel")
    copy = model.deepclone_multigpu()
    mine, other = model.model.diffusion_model, copy.model.diffusion_model
    assert mine is not other
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in mine.state_dict().items())


@pytest.fixture(scope="module")
def golden(sd15, tmp_path_factory):
    """MODEL, CLIP and VAE of the golden files, whose motion module and adapter lie in ComfyUI's folders."""
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
    from comfy.utils import unet_to_diffusers

    host = sd15.module("nodes.tiny_host")
    config = host.unet_config(embedded.UNET)
    state = UNetModel(**config).state_dict()
    unet = {key: state[name] for key, name in unet_to_diffusers(config).items() if name in state}
    folder = tmp_path_factory.mktemp("golden")
    embedded.write(unet, folder, sd15.model_folder("animatediff_models"), sd15.model_folder("genphoto"))
    return host.load_embedded(folder / embedded.MODEL)


@pytest.mark.parametrize("sampler", ["LiftedT2VSampler", "KSampler"])
def test_frames_are_those_of_the_command_line(sd15, golden, sampler):
    import nodes

    model, clip, vae = golden
    values = " ".join(map(str, embedded.FOCAL_LENGTHS))
    chosen = {"setting": "focal_length", "first": 24.0, "last": 70.0, "focal_length_mm": 24.0}
    swept = sd15.call(
        "CameraSweepSpec", frames=3, spacing="linear", **{**BASE_CAMERA, "values": values}, setting=chosen
    )[0]
    (lifted,) = sd15.call("GenPhotoLiftModel", model=model, motion_module=embedded.MOTION)
    (camera,) = sd15.call("DifferentialCameraEncode", clip=clip, sweep=swept, camera_adapter=embedded.CAMERA)
    with torch.inference_mode():
        (positive,), (negative,) = (
            nodes.CLIPTextEncode().encode(clip, text) for text in (embedded.SCENE, embedded.NEGATIVE)
        )
        height, width = embedded.ARCHITECTURE.image_size
        inputs = {
            "positive": positive,
            "negative": negative,
            "cfg": embedded.GUIDANCE_SCALE,
            "sampler_name": "ddim",
            "scheduler": "simple",
            "denoise": 1.0,
            **embedded.SAMPLING,
        }
        if sampler == "KSampler":
            (steered,) = sd15.call(
                "GenPhotoApplyCamera", model=lifted, camera=camera, strength=1.0, start_percent=0.0, end_percent=1.0
            )
            (empty,) = nodes.EmptyLatentImage().generate(width, height, len(embedded.FOCAL_LENGTHS))
            (latent,) = nodes.KSampler().sample(steered, latent_image=empty, **inputs)
        else:
            (latent,) = sd15.call(
                sampler, model=lifted, camera=camera, strength=1.0, width=width, height=height, **inputs
            )
        (frames,) = nodes.VAEDecode().decode(vae, latent)
    truth = embedded.golden()
    assert (embedded.grid(frames.movedim(-1, 1)) - truth).norm() < 1e-4 * truth.norm()


# The workflow


def api_format(workflow):
    """A workflow of the editor as a prompt: widgets by their names, links by their ends."""
    links = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    return {
        str(entry["id"]): node(
            entry["type"],
            **{k: v for k, v in entry.get("widgets_values_named", {}).items() if k != "control_after_generate"},
            **{i["name"]: links[i["link"]] for i in entry["inputs"] if i.get("link") is not None},
        )
        for entry in at_work(workflow)
    }


def at_work(workflow):
    """Its nodes without notes and without those that are switched off."""
    return [entry for entry in workflow["nodes"] if entry["type"] != "MarkdownNote" and entry["mode"] == 0]


def test_the_first_workflow_runs(sd15):
    workflow = json.loads((sd15.pack / "workflows" / "First camera sweep.json").read_text(encoding="utf-8"))
    for entry in at_work(workflow):
        named = entry.get("widgets_values_named", {})
        assert list(named.values()) == entry.get("widgets_values", [])
        widgets = [i["name"] for i in entry["inputs"] if "widget" in i]
        assert widgets == [name for name in named if name != "control_after_generate"]
        order = [name for group in sd15.node(entry["type"]).INPUT_TYPES().values() for name in group]
        assert [name for name in widgets if "." not in name] == [name for name in order if name in widgets]
    prompt = api_format(workflow)
    (sampler,) = (at for at, made in prompt.items() if made["class_type"] == "LiftedT2VSampler")
    assert prompt[sampler]["inputs"]["steps"] == 25
    prompt[sampler]["inputs"]["steps"] = 2
    done = run(sd15, prompt)
    (shown,) = (made for made in done.ui.values() if "images" in made)
    assert len(shown["images"]) == 5


def said(done, node_id="sample"):
    assert done.success, done.error
    return " ".join(text for at, text in done.texts if at == node_id)


def test_settings_that_make_a_mosaic_are_named_on_the_node(sd15):
    """What a graph built by hand has: the defaults of the nodes, which are those of Stable Diffusion 1.5."""
    made = graph(frames=2)
    made["sample"]["inputs"] |= {"width": 384, "height": 256, "cfg": 8.0, "scheduler": "ddim_uniform", "steps": 10}
    text = said(run(sd15, made))
    assert "384 x 256 pixels (made for 192 x 128)" in text
    assert "cfg 8 (made for 2.5)" in text
    assert "made for 'simple'" in text
    assert said(run(sd15, graph(frames=2))) == ""


def test_values_that_no_adapter_reaches_are_named_on_the_node(sd15):
    made = graph(frames=3)
    made["sweep"]["inputs"]["setting.last"] = 200.0
    text = said(run(sd15, made), "camera")
    assert "Focal length of frame 2, 3 is outside 24 mm to 70 mm" in text
    assert said(run(sd15, graph(frames=2)), "camera") == ""


def start_noise(sd15, monkeypatch, made):
    """The noise with which a graph starts to sample."""
    import comfy.samplers

    starts = []
    outer_sample = comfy.samplers.CFGGuider.outer_sample

    def watched(self, noise, *args, **kwargs):
        starts.append(noise.clone())
        return outer_sample(self, noise, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(comfy.samplers.CFGGuider, "outer_sample", watched)
        assert run(sd15, made).success
    return starts[0]


def steered_stock(setting, frames, seed_behavior=None, start=0.0):
    made = stock("steered", frames)
    made |= {name: part for name, part in graph(setting, frames).items() if name in ("sweep", "camera")}
    made["steered"] = node(
        "GenPhotoApplyCamera",
        model=["lift", 0],
        camera=["camera", 0],
        strength=1.0,
        start_percent=start,
        end_percent=1.0,
    )
    if seed_behavior:
        made["seeds"] = node("LatentBatchSeedBehavior", samples=["empty", 0], seed_behavior=seed_behavior)
        made["sample"]["inputs"]["latent_image"] = ["seeds", 0]
    return made


@pytest.mark.parametrize("setting", ["shutter_speed", "focal_length"])
def test_noise_of_a_fixed_batch_seed_is_as_strong_in_every_frame(sd15, monkeypatch, setting):
    noise = start_noise(sd15, monkeypatch, steered_stock(setting, 4, "fixed"))
    assert noise.flatten(1).std(1).tolist() == pytest.approx([1.0] * 4, abs=0.05)
    assert (noise[1:] - noise[:-1]).flatten(1).abs().mean(1).min() > 0.1


def test_a_camera_that_starts_late_does_not_shape_the_noise(sd15, monkeypatch):
    late = start_noise(sd15, monkeypatch, steered_stock("focal_length", 3, start=0.5))
    early = start_noise(sd15, monkeypatch, steered_stock("focal_length", 3))
    own = torch.randn(3, 16, 16, 24, generator=torch.Generator().manual_seed(SAMPLING["seed"]))
    assert torch.allclose(late, sweep_noise(own, torch.ones(1, 3), TINY.own_noise), atol=1e-6)
    assert (early - late)[1:].abs().mean() > 0.1


def test_another_schedule_after_the_lift_is_named_on_the_node(sd15):
    made = graph(frames=2)
    made["schedule"] = node("ModelSamplingDiscrete", model=["lift", 0], sampling="v_prediction", zsnr=True)
    made["sample"]["inputs"]["model"] = ["schedule", 0]
    assert "trained on linear betas" in said(run(sd15, made))


def test_a_latent_without_frames_is_refused(sd15):
    import nodes

    (model, _, _) = sd15.call("GenPhotoEmbeddedModel")
    (lifted,) = sd15.call("GenPhotoLiftModel", model=model, motion_module="genphoto_tiny_motion.safetensors")
    words = [[torch.zeros(1, 30, 128), {}]]
    with pytest.raises(ValueError, match="holds no frames"):
        nodes.common_ksampler(
            lifted, 1, 2, 1.0, "euler", "simple", words, words, {"samples": torch.zeros(0, 16, 16, 24)}
        )


def test_room_is_made_before_the_camera_encoder_works(sd15, monkeypatch):
    """Its activations at the embedding's size are some ten times as large as its input."""
    import comfy.model_management

    asked, load = [], comfy.model_management.load_models_gpu

    def watched(models, *args, memory_required=0, **kwargs):
        asked.append(memory_required)
        return load(models, *args, memory_required=memory_required, **kwargs)

    monkeypatch.setattr(comfy.model_management, "load_models_gpu", watched)
    (_, clip, _) = sd15.call("GenPhotoEmbeddedModel")
    spec = {"setting": "focal_length", "first": 24.0, "last": 70.0, "focal_length_mm": 24.0}
    camera, _, _ = sd15.call("CameraSweepSpec", frames=5, spacing="linear", setting=spec, **BASE_CAMERA)
    asked.clear()
    sd15.call(
        "DifferentialCameraEncode", clip=clip, sweep=camera, camera_adapter="genphoto_tiny_focal_length.safetensors"
    )
    height, width = (side // TINY.embedding_downscale for side in TINY.image_size)
    assert max(asked) >= 10 * 5 * 6 * height * width * 4
