"""The captions and depth files that a folder of photographs lacks, by transformers models that are on disk."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ...camera.photo import disparity_from_depth, disparity_from_relative
from ...files.contact_sheet import to_picture
from ...files.photos import DEPTH_KINDS, read_photo
from ...files.whole_file import whole_file
from .folder import MissingCaption, PhotoFiles, list_photos

if TYPE_CHECKING:
    from transformers import PreTrainedModel

log = logging.getLogger(__name__)

# Models that describe a picture without being asked a question.
CAPTIONERS = ("blip", "git", "vision-encoder-decoder")
DEPTH_KIND_OF = {"depth_pro": "metric", "dpt": "disparity", "glpn": "metric", "zoedepth": "metric"}
NEED_TORCHVISION = ("depth_pro", "zoedepth")  # their image processors, unlike the others
CAPTION_TOKENS = 40
UNUSED_WEIGHTS = "neck.fusion_stage.layers.0.residual_layer1."  # DPT never runs them; Intel/dpt-large lacks them


@dataclass(frozen=True, slots=True)
class Gap:
    """What a photograph lacks."""

    files: PhotoFiles
    caption: bool
    depth: bool


@dataclass(frozen=True, slots=True)
class Annotated:
    """What was written, and the names of the pictures that were skipped: at least one of their files is missing."""

    captions: int
    depths: int
    skipped: tuple[str, ...]


def find_gaps(folder: str | Path, *, captions: bool, depths: bool) -> list[Gap]:
    """The photographs in a folder that lack what is wanted; captions that cannot be read are reported and kept."""
    gaps = []
    for files in list_photos(folder):
        caption = False
        if captions:
            try:
                files.caption()
            except MissingCaption:
                caption = True
            except ValueError as error:
                log.warning("%s keeps its caption file: %s.", files.path, error)
        depth = depths and files.depth is None
        if caption or depth:
            gaps.append(Gap(files, caption, depth))
    return gaps


def annotate(
    gaps: Sequence[Gap],
    captioner: Callable[[Tensor], str] | None = None,
    depth_estimator: DepthEstimator | None = None,
    on_photo: Callable[[str], None] = lambda name: None,
) -> Annotated:
    """Write name.txt and name_<kind>.npy (float32) beside the photographs that lack them, each whole or not at all.

    Pictures that cannot be read, and those of which a model makes nothing usable, are reported and skipped.

    Args:
        gaps: of `find_gaps`.
        captioner: photograph (3,H,W) -> caption; needed where a caption is missing.
        depth_estimator: needed where depth is missing.
        on_photo: called with the name of every finished photograph; may raise to stop.
    """
    captions = depths = 0
    skipped = []
    for gap in gaps:
        path = gap.files.path
        with _reported(path, skipped):
            image = read_photo(path)
            if gap.caption:
                with _reported(path, skipped):
                    _write_caption(path.with_suffix(".txt"), captioner(image))
                    captions += 1
            if gap.depth:
                _write_depth(path.with_name(f"{path.stem}_{depth_estimator.kind}.npy"), depth_estimator(image))
                depths += 1
        on_photo(path.name)
    return Annotated(captions, depths, tuple(dict.fromkeys(skipped)))


@contextmanager
def _reported(path: Path, skipped: list[str]) -> Iterator[None]:
    """What is wrong with a picture is logged, and the picture counted; the next one goes on."""
    try:
        yield
    except ValueError as error:
        log.warning("%s is skipped: %s", path, error)
        skipped.append(path.name)


class Captioner:
    """A transformers model that describes pictures."""

    def __init__(self, model: PreTrainedModel, image_processor: Callable, tokenizer: Callable) -> None:
        self.model, self.image_processor, self.tokenizer = model, image_processor, tokenizer

    @torch.inference_mode()
    def __call__(self, image: Tensor) -> str:
        """What a photograph (3,H,W), [0,1] sRGB, shows: the likeliest words, the same in every run."""
        pixels = self.image_processor(images=to_picture(image), return_tensors="pt")["pixel_values"]
        tokens = self.model.generate(
            pixel_values=pixels.to(self.model.device), max_new_tokens=CAPTION_TOKENS, do_sample=False
        )
        return " ".join(self.tokenizer.decode(tokens[0], skip_special_tokens=True).split())


class DepthEstimator:
    """A transformers model that estimates depth, of the `kind` that `read_depth` knows."""

    def __init__(self, model: PreTrainedModel, image_processor: Callable, kind: str) -> None:
        self.model, self.image_processor, self.kind = model, image_processor, kind

    @torch.inference_mode()
    def __call__(self, image: Tensor) -> Tensor:
        """Depth (H,W), float32 on the CPU, of a photograph (3,H,W), [0,1] sRGB.

        Raises:
            ValueError: the depth is the same everywhere, or not a number.
        """
        size = tuple(image.shape[1:])
        pixels = self.image_processor(images=to_picture(image), return_tensors="pt")["pixel_values"]
        estimate = self.model(pixel_values=pixels.to(self.model.device))
        # By position: these are `source_sizes` of ZoeDepth and `target_sizes` of all others.
        depth = self.image_processor.post_process_depth_estimation(estimate, [size])[0]["predicted_depth"].float()
        if self.model.config.model_type != "depth_pro":  # its raw values are inverse, and it limits them itself
            # Bicubic resizing overshoots at edges: in front of a far background down to negative, "infinite" distances.
            depth = depth.clamp(*estimate.predicted_depth.float().aminmax())
        depth = depth.cpu()
        (disparity_from_depth if self.kind == "metric" else disparity_from_relative)(depth)
        return depth


def load_captioner(source: str, device: str = "cpu") -> Captioner:
    """A captioner from a folder or, by its id, from Hugging Face's cache.

    Raises:
        ValueError: it is not on disk (nothing is downloaded), incomplete, or of a kind that is not known.
    """
    from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

    folder = _model_folder("--captioner", source)
    _config("--captioner", source, folder, CAPTIONERS)
    with _readable("--captioner", source):
        image_processor = AutoImageProcessor.from_pretrained(folder, **_LOCAL)
        tokenizer = AutoTokenizer.from_pretrained(folder, **_LOCAL)
        model = _model(AutoModelForImageTextToText, folder)
    return Captioner(model.to(device), image_processor, tokenizer)


def load_depth_estimator(source: str, device: str = "cpu", kind: str | None = None) -> DepthEstimator:
    """A depth estimator from a folder or, by its id, from Hugging Face's cache.

    Args:
        kind: what its values mean; None where the model's configuration says it.

    Raises:
        ValueError: it is not on disk (nothing is downloaded), incomplete, or of a kind that is not known.
    """
    from transformers import AutoImageProcessor, AutoModelForDepthEstimation

    folder = _model_folder("--depth", source)
    config = _config("--depth", source, folder, ("depth_anything", *DEPTH_KIND_OF))
    if config.model_type in NEED_TORCHVISION and not find_spec("torchvision"):
        raise ValueError(f"--depth {source}: {config.model_type} models need torchvision. Run: pip install torchvision")
    kind = kind or _depth_kind(config)
    if kind not in DEPTH_KINDS:
        raise ValueError(
            f"--depth {source}: the model's configuration does not say what its values mean. "
            "Say --depth-kind metric (meters), or disparity (larger is nearer)."
        )
    with _readable("--depth", source):
        image_processor = AutoImageProcessor.from_pretrained(folder, **_LOCAL)
        model = _model(AutoModelForDepthEstimation, folder)
    return DepthEstimator(model.to(device), image_processor, kind)


_LOCAL = {"local_files_only": True, "trust_remote_code": False}


def _model_folder(option: str, source: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    if (folder := Path(source).expanduser()).is_dir():
        return folder
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", source):
        raise ValueError(
            f"{option} {source}: there is no such folder. Give the folder of a transformers model, or its Hugging Face "
            "id, such as owner/name."
        )
    try:
        return Path(snapshot_download(source, local_files_only=True))
    except LocalEntryNotFoundError:
        raise ValueError(
            f"{option} {source}: there is no such folder, and no such model in Hugging Face's cache. "
            f"Nothing is downloaded unasked. Run once: hf download {source}"
        ) from None


def _config(option: str, source: str, folder: Path, known: Sequence[str]) -> object:
    from transformers import AutoConfig

    with _readable(option, source):
        config = AutoConfig.from_pretrained(folder, **_LOCAL)
    if config.model_type not in known:
        raise ValueError(f"{option} {source} is a {config.model_type} model. Known here: {', '.join(known)}.")
    return config


def _model(auto: type, folder: Path) -> PreTrainedModel:
    model, info = auto.from_pretrained(folder, dtype=torch.float32, output_loading_info=True, **_LOCAL)
    if missing := sorted(key for key in info["missing_keys"] if not key.startswith(UNUSED_WEIGHTS)):
        raise ValueError(f"the weights lack {len(missing)} parameters: {', '.join(missing[:5])}")
    return model.eval()


@contextmanager
def _readable(option: str, source: str) -> Iterator[None]:
    """Every way in which files on disk are not a model becomes a ValueError that names them."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:  # RuntimeError: PyTorch's own files
        again = "Copy it again." if Path(source).expanduser().is_dir() else f"Run again: hf download {source}"
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise ValueError(f"{option} {source} cannot be read: {reason}. {again}") from None


def _depth_kind(config: object) -> str | None:
    if config.model_type == "depth_anything":
        return "metric" if config.depth_estimation_type == "metric" else "disparity"
    if config.model_type == "dpt" and getattr(config.backbone_config, "model_type", None) == "dinov2":
        return None  # published ones are trained on NYU and KITTI, in meters, other DPTs on disparity
    return DEPTH_KIND_OF[config.model_type]


def _write_caption(path: Path, caption: str) -> None:
    if not caption:
        raise ValueError("the captioner has no words for it.")
    with whole_file(path) as temporary:
        temporary.write_text(caption + "\n", encoding="utf-8")


def _write_depth(path: Path, depth: Tensor) -> None:
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, depth.numpy())
