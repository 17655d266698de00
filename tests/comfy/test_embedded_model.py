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


def told(comfy, made):
    return run(comfy, made).texts.get("sample", "")


def test_the_defaults_of_a_hand_built_graph_are_told_to_be_wrong(sd15):
    defaults = {"cfg": 8.0, "scheduler": "ddim_uniform"}
    made = graph(frames=2, **defaults)
    made["sample"]["inputs"].update(width=384, height=256)
    wrong = (
        "mosaics or hard colors beyond its training: size 384 x 256 (use 192 x 128); cfg 8 (use 2.5); a "
        "scheduler that leaves out its strongest or weakest noise (use 'simple')."
    )
    assert wrong in told(sd15, made)
    for source in ("embedded", "lift"):
        made = stock(source, 2, **defaults)
        made["empty"]["inputs"].update(width=384, height=256)
        assert wrong in told(sd15, made)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, ""),
        ({"steps": 12}, ""),
        ({"cfg": 5.0}, ""),
        ({"cfg": 5.1}, "cfg 5.1 (use 2.5)"),
        ({"scheduler": "karras"}, ""),
        ({"scheduler": "ddim_uniform"}, "scheduler"),
        ({"scheduler": "linear_quadratic", "steps": 12}, "scheduler"),
        ({"width": 240, "height": 128}, ""),
        ({"width": 192, "height": 168}, "size 192 x 168 (use 192 x 128)"),
        ({"width": 144, "height": 96}, "size 144 x 96"),
    ],
)
def test_only_what_the_embedded_model_was_not_trained_on_is_told(sd15, change, wrong):
    made = graph(frames=2)
    made["sample"]["inputs"].update(change)
    said = told(sd15, made)
    assert wrong in said
    assert bool(said) == bool(wrong)


def test_a_picture_that_is_kept_may_start_at_any_noise(sd15):
    made = stock("embedded", 2, denoise=0.5)
    made["picture"] = node("VAEEncode", pixels=["grey", 0], vae=["embedded", 2])
    made["grey"] = node("EmptyImage", **PICTURES, batch_size=2, color=0x808080)
    made["sample"]["inputs"]["latent_image"] = ["picture", 0]
    assert told(sd15, made) == ""


def test_the_stock_sampler_without_lift_makes_images(sd15):
    made = latents(sd15, stock("embedded", 2))
    assert made.shape == (2, 16, 16, 24)
    alone = stock("embedded", 2)
    alone["first"] = node("LatentFromBatch", samples=["empty", 0], batch_index=0, length=1)
    alone["sample"]["inputs"]["latent_image"] = ["first", 0]
    assert (latents(sd15, alone) - made[:1]).norm() < 1e-4 * made[:1].norm()


def steered(**inputs):
    """A zoom of four frames by the stock sampler."""
    made = stock("steered", 4)
    applied = {"strength": 1.0, "start_percent": 0.0, "end_percent": 1.0} | inputs
    made["steered"] = node("GenPhotoApplyCamera", model=["lift", 0], camera=["camera", 0], **applied)
    return made


@pytest.fixture
def starts(sd15, monkeypatch):
    """The noise of every sampling run, as it reaches the sampler."""
    import comfy.samplers

    seen = []
    outer_sample = comfy.samplers.CFGGuider.outer_sample

    def watched(self, noise, *args, **kwargs):
        seen.append(noise.clone())
        return outer_sample(self, noise, *args, **kwargs)

    monkeypatch.setattr(comfy.samplers.CFGGuider, "outer_sample", watched)
    return seen


def test_the_stock_sampler_starts_sweeps_from_shared_noise(sd15, starts):
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
    shared = sweep_noise(noise, larger, TINY.motion.own_noise)
    assert len(starts) == 2
    assert all(torch.allclose(start, shared, atol=1e-6) for start in starts)


def test_a_camera_that_starts_late_does_not_shape_the_noise(sd15, starts):
    for start in (0.001, 0.3):
        latents(sd15, steered(start_percent=start))
    latents(sd15, steered(strength=0.0))
    late, later, off = starts
    assert torch.equal(late, off)
    assert torch.equal(later, off)


def test_one_noise_for_all_frames_is_drawn_apart(sd15, starts):
    """Shared noise, mixed with itself, had a standard deviation of 1.39 from frame 2 on."""
    one, several, none = steered(), steered(), steered()
    for made, behavior in ((one, "fixed"), (several, "random")):
        made["noise"] = node("LatentBatchSeedBehavior", samples=["empty", 0], seed_behavior=behavior)
        made["sample"]["inputs"]["latent_image"] = ["noise", 0]
    none["sample"] = node(
        "KSamplerAdvanced",
        **{k: v for k, v in none["sample"]["inputs"].items() if k not in ("seed", "denoise")},
        add_noise="disable",
        noise_seed=3,
        start_at_step=0,
        end_at_step=10,
        return_with_leftover_noise="disable",
    )
    texts = [run(sd15, made).texts for made in (one, several, none)]
    assert (starts[0].std((1, 2, 3)) - 1).abs().max() < 0.05
    assert torch.equal(starts[0][0], starts[1][0])
    assert not starts[2].any()
    assert "'Latent Batch Seed Behavior': fixed" in texts[0]["sample"]
    assert texts[1:] == [{}, {}]


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
        "needs the CLIP that it was made for, but this SD1ClipModel is 64 wide, not 128. Connect": wrong_clip,
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
        height, width = embedded.ARCHITECTURE.encoder.image_size
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


def test_a_latent_without_frames_is_refused(sd15):
    import nodes

    (model, _, _) = sd15.call("GenPhotoEmbeddedModel")
    (lifted,) = sd15.call("GenPhotoLiftModel", model=model, motion_module="genphoto_tiny_motion.safetensors")
    words = [[torch.zeros(1, 30, 128), {}]]
    with pytest.raises(ValueError, match="holds no frames"):
        nodes.common_ksampler(
            lifted, 1, 2, 1.0, "euler", "simple", words, words, {"samples": torch.zeros(0, 16, 16, 24)}
        )
