"""Missing captions and depth, written by real transformers models of a few thousand random weights."""

import os
import re
import socket

import numpy as np
import pytest
import skimage.data
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers

from genphoto.cli import main
from genphoto.data.photos.annotate import annotate, find_gaps, load_captioner, load_depth_estimator
from genphoto.data.photos.folder import PhotoFolder
from genphoto.files.photos import read_photo

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[DEC]", "a", "red", "ball", "on", "grass"]
SPECIAL = {"pad_token_id": 0, "eos_token_id": 3, "bos_token_id": 4}
TRANSFORMER = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
SQUARE = {"height": 32, "width": 32}
VISION = TRANSFORMER | {"num_hidden_layers": 1, "image_size": 32, "patch_size": 16}


def blip():
    text = TRANSFORMER | SPECIAL | {"vocab_size": len(WORDS), "encoder_hidden_size": 16, "num_hidden_layers": 1}
    config = transformers.BlipConfig(
        text_config=text | {"sep_token_id": 3, "max_position_embeddings": 64}, vision_config=VISION
    )
    return transformers.BlipForConditionalGeneration(config), transformers.BlipImageProcessor(size=SQUARE)


def git():
    config = transformers.GitConfig(
        vision_config=VISION, vocab_size=len(WORDS), num_hidden_layers=1, max_position_embeddings=64, **TRANSFORMER
    )
    config.update(SPECIAL)
    return transformers.GitForCausalLM(config), transformers.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size=SQUARE
    )


def vit_gpt2():
    decoder = transformers.GPT2Config(vocab_size=len(WORDS), n_embd=16, n_layer=1, n_head=2, n_positions=64, **SPECIAL)
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        transformers.ViTConfig(**VISION), decoder
    )
    model = transformers.VisionEncoderDecoderModel(config)
    model.generation_config.update(decoder_start_token_id=4, eos_token_id=3, pad_token_id=0)
    return model, transformers.ViTImageProcessor(size=SQUARE)


HEAD = {"neck_hidden_sizes": [8] * 4, "fusion_hidden_size": 8}
DINOV2 = TRANSFORMER | {"num_hidden_layers": 4, "image_size": 28, "patch_size": 14, "reshape_hidden_states": False}


def dinov2():
    return transformers.Dinov2Config(**DINOV2, out_features=["stage1", "stage2", "stage3", "stage4"])


def depth_anything(kind):
    config = transformers.DepthAnythingConfig(
        backbone_config=dinov2(),
        patch_size=14,
        reassemble_hidden_size=16,
        head_hidden_size=8,
        depth_estimation_type=kind,
        max_depth=20,
        **HEAD,
    )
    return transformers.DepthAnythingForDepthEstimation(config), transformers.DPTImageProcessor(
        size={"height": 28, "width": 28}, keep_aspect_ratio=True, ensure_multiple_of=14
    )


def dpt(**backbone):
    plain = TRANSFORMER | {"num_hidden_layers": 4, "image_size": 32, "patch_size": 16}
    config = transformers.DPTConfig(
        **(backbone or plain | {"backbone_out_indices": [0, 1, 2, 3]}), is_hybrid=False, **HEAD
    )
    return transformers.DPTForDepthEstimation(config), transformers.DPTImageProcessor(size=SQUARE)


def glpn():
    config = transformers.GLPNConfig(
        depths=[1] * 4, hidden_sizes=[8] * 4, num_attention_heads=[1] * 4, decoder_hidden_size=8
    )
    return transformers.GLPNForDepthEstimation(config), transformers.GLPNImageProcessor()


MODELS = {
    "blip": blip,
    "git": git,
    "vit-gpt2": vit_gpt2,
    "relative": lambda: depth_anything("relative"),
    "metric": lambda: depth_anything("metric"),
    "dpt": dpt,
    "dpt-dinov2": lambda: dpt(backbone_config=dinov2()),
    "glpn": glpn,
}
CAPTIONERS = ("blip", "git", "vit-gpt2")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Folders of tiny models, as save_pretrained writes them."""
    root = tmp_path_factory.mktemp("models")
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    special = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "bos_token"), WORDS, strict=False))
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, **special)
    for name, build in MODELS.items():
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model, image_processor = build()
            if name not in CAPTIONERS:
                for weight in model.parameters():  # the usual 0.02 leaves depth constant to float32
                    if weight.ndim == 4:
                        torch.nn.init.kaiming_normal_(weight)
        model.save_pretrained(root / name)
        image_processor.save_pretrained(root / name)
        if name in CAPTIONERS:
            tokenizer.save_pretrained(root / name)
    return root


@pytest.fixture
def folder(tmp_path):
    """a and b good; c has its caption, d its depth; e damaged, f empty."""
    path = tmp_path / "photos"
    path.mkdir()
    astronaut = skimage.data.astronaut()
    for number, letter in enumerate("abcde"):
        Image.fromarray(astronaut[64 * number : 64 * number + 70, 100:160]).save(path / f"{letter}.png")
    (path / "c.txt").write_text("my own words")
    np.save(path / "d_metric.npy", np.full((70, 60), 3, np.float32))
    (path / "e.png").write_bytes((path / "e.png").read_bytes()[:2000])
    (path / "f.jpg").touch()
    return path


def contents(folder) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_the_command_writes_what_is_missing_and_reports_bad_pictures(tiny, folder, capsys, caplog):
    before = contents(folder)
    command = ["annotate", folder, "--captioner", tiny / "blip", "--depth", tiny / "relative", "--device", "cpu"]
    assert main([str(word) for word in command]) == 0
    after = contents(folder)
    assert sorted(after.keys() - before.keys()) == [
        *("a.txt", "a_disparity.npy", "b.txt", "b_disparity.npy", "c_disparity.npy", "d.txt")
    ]
    assert {name: after[name] for name in before} == before
    out, _ = capsys.readouterr()
    assert f"Written to {folder}: captions 3, depth files 3." in out
    assert "Skipped, for the reasons above: e.png, f.jpg." in out
    said = [record.getMessage() for record in caplog.records if "is skipped" in record.getMessage()]
    assert [re.search("damaged|0 bytes", line)[0] for line in said] == ["damaged", "0 bytes"]

    photos = PhotoFolder(folder, with_depth=True, near_m=1, far_m=50)
    assert photos.names == ("a.png", "b.png", "c.png", "d.png")
    assert photos[2].caption == "my own words"
    assert photos[3].focus_m == pytest.approx(3)
    for i in (0, 1, 3):
        assert set(photos[i].caption.split()) <= set(WORDS[5:])
    for i in range(3):
        assert photos[i].photo.disparity.aminmax() == (torch.tensor(1 / 50), torch.tensor(1.0))

    assert main([str(word) for word in command]) == 0
    assert contents(folder) == after


def test_an_interrupted_run_goes_on_where_it_stopped(tiny, folder):
    estimator = load_depth_estimator(str(tiny / "metric"))

    def stop(name):
        raise KeyboardInterrupt

    def gaps():
        return find_gaps(folder, captions=False, depths=True)

    with pytest.raises(KeyboardInterrupt):
        annotate(gaps(), None, estimator, stop)
    assert [gap.files.path.name for gap in gaps()] == ["b.png", "c.png", "e.png", "f.jpg"]
    done = annotate(gaps(), None, estimator)
    assert (done.captions, done.depths, done.skipped) == (0, 2, ("e.png", "f.jpg"))


def test_models_are_not_needed_where_nothing_is_missing(folder, capsys):
    for letter in "abdef":
        (folder / f"{letter}.txt").write_text("words")
    assert main(["annotate", str(folder), "--captioner", "nobody/nothing"]) == 0
    assert f"Nothing is missing in {folder}." in capsys.readouterr().out


@pytest.mark.parametrize("name", CAPTIONERS)
def test_a_captioner_says_the_same_words_every_time(tiny, folder, name):
    image = read_photo(folder / "a.png")
    caption = load_captioner(str(tiny / name))(image)
    assert caption
    assert set(caption.split()) <= set(WORDS[5:])  # no special tokens
    assert load_captioner(str(tiny / name))(image) == caption


@pytest.mark.parametrize(
    ("name", "kind"), [("relative", "disparity"), ("metric", "metric"), ("dpt", "disparity"), ("glpn", "metric")]
)
def test_depth_is_read_back_as_it_was_estimated(tiny, folder, name, kind):
    estimator = load_depth_estimator(str(tiny / name))
    assert estimator.kind == kind
    depth = estimator(read_photo(folder / "a.png"))
    assert depth.shape == (70, 60)
    assert depth.max() > depth.min()
    annotate(find_gaps(folder, captions=False, depths=True), None, estimator)
    assert np.array_equal(np.load(folder / f"a_{kind}.npy"), depth.numpy())
    (folder / "a.txt").write_text("words")
    disparity = PhotoFolder(folder, with_depth=True)[0].photo.disparity
    nearest = depth == (depth.min() if kind == "metric" else depth.max())
    assert bool((disparity[nearest] == disparity.max()).all())
    if kind == "metric":
        torch.testing.assert_close(1 / disparity, depth)


def test_resizing_adds_no_distance_that_the_model_did_not_estimate(tiny, folder):
    """Bicubic interpolation overshoots: a negative distance would be read as infinity."""
    estimator = load_depth_estimator(str(tiny / "metric"))
    raw = []
    estimator.model.register_forward_hook(lambda module, args, out: raw.append(out.predicted_depth))
    depth = estimator(read_photo(folder / "a.png"))
    assert raw[0].min() <= depth.min()
    assert depth.max() <= raw[0].max()


def test_a_depth_model_that_does_not_say_its_kind_must_be_told(tiny):
    with pytest.raises(ValueError, match=r"does not say what its values mean\. Say --depth-kind metric"):
        load_depth_estimator(str(tiny / "dpt-dinov2"))
    assert load_depth_estimator(str(tiny / "dpt-dinov2"), kind="metric").kind == "metric"


def test_useless_depth_and_empty_captions_are_not_written(tiny, folder, caplog):
    estimator = load_depth_estimator(str(tiny / "relative"))
    for weight in estimator.model.head.parameters():
        torch.nn.init.zeros_(weight)
    captioner = load_captioner(str(tiny / "blip"))
    captioner.model.text_decoder.cls.predictions.bias.data[SPECIAL["eos_token_id"]] = 100
    before = contents(folder)
    gaps = find_gaps(folder, captions=True, depths=True)
    assert annotate(gaps, captioner, estimator).skipped == ("a.png", "b.png", "c.png", "d.png", "e.png", "f.jpg")
    assert contents(folder) == before
    assert "a.png is skipped: the captioner has no words for it." in caplog.text
    assert "a.png is skipped: The depth map is constant" in caplog.text


def test_a_full_disk_stops_the_command_and_leaves_no_part_of_a_file(tiny, folder, capsys, monkeypatch):
    def full(*args):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "replace", full)
    before = contents(folder)
    assert main(["annotate", str(folder), "--captioner", str(tiny / "blip"), "--device", "cpu"]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert contents(folder) == before


@pytest.mark.parametrize("option", ["--captioner", "--depth"])
def test_a_missing_model_is_named_with_its_download_and_the_network_is_not_asked(
    folder, capsys, monkeypatch, tmp_path, option
):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    before = contents(folder)
    assert main(["annotate", str(folder), option, "nobody/no-such-model"]) == 2
    said = capsys.readouterr().err
    assert "Nothing is downloaded unasked. Run once: hf download nobody/no-such-model" in said
    assert said.count("\n") == 1
    assert main(["annotate", str(folder), option, "./models/blip"]) == 2
    assert f"{option} ./models/blip: there is no such folder" in capsys.readouterr().err
    assert contents(folder) == before


def copied(source, target):
    target.mkdir()
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def test_a_model_in_the_cache_is_found_by_its_id(tiny, tmp_path, monkeypatch):
    repository = tmp_path / "models--somebody--blip"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0123abcd")
    (repository / "snapshots").mkdir()
    snapshot = copied(tiny / "blip", repository / "snapshots" / "0123abcd")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert load_captioner("somebody/blip").model.config.model_type == "blip"
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"cannot be read: .*Run again: hf download somebody/blip"):
        load_captioner("somebody/blip")


def test_a_damaged_or_unfit_model_is_one_error_that_names_it(tiny, tmp_path):
    cut = copied(tiny / "blip", tmp_path / "cut")
    weights = cut / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    with pytest.raises(ValueError, match=r"--captioner .*cut cannot be read: .* Copy it again"):
        load_captioner(str(cut))
    weights.unlink()
    with pytest.raises(ValueError, match=r"--captioner .*cut cannot be read: .*model\.safetensors"):
        load_captioner(str(cut))
    weights.write_bytes((tiny / "git" / "model.safetensors").read_bytes())
    with pytest.raises(ValueError, match=r"cannot be read: the weights lack \d+ parameters: text_decoder"):
        load_captioner(str(cut))
    (cut / "config.json").unlink()
    with pytest.raises(ValueError, match=r"--captioner .*cut cannot be read"):
        load_captioner(str(cut))
    with pytest.raises(ValueError, match=r"is a depth_anything model\. Known here: blip, git, vision-encoder-decoder"):
        load_captioner(str(tiny / "relative"))
    with pytest.raises(ValueError, match=r"is a blip model\. Known here: depth_anything, depth_pro"):
        load_depth_estimator(str(tiny / "blip"))


def test_the_command_needs_a_model_and_a_folder_with_photographs(tmp_path, capsys):
    for words, message in {
        (str(tmp_path),): "give --captioner, --depth or both",
        (str(tmp_path), "--captioner", "a/b", "--depth-kind", "metric"): "--depth-kind describes a depth estimator",
        (str(tmp_path), "--captioner", "a/b"): "holds no photograph",
        (str(tmp_path / "nowhere"), "--captioner", "a/b"): "is not a folder",
    }.items():
        assert main(["annotate", *words]) == 2
        assert message in capsys.readouterr().err


def test_a_caption_file_that_is_not_text_is_kept_and_an_empty_one_is_filled(tiny, folder, caplog):
    (folder / "a.txt").write_bytes(b"B\xe4r")
    (folder / "b.txt").write_text("\n")
    gaps = find_gaps(folder, captions=True, depths=False)
    assert [gap.files.path.name for gap in gaps] == ["b.png", "d.png", "e.png", "f.jpg"]
    assert "a.png keeps its caption file: its caption is not UTF-8 text." in caplog.text
    annotate(gaps, load_captioner(str(tiny / "blip")))
    assert (folder / "b.txt").read_text().strip()
