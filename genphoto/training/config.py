"""What a training is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import product
from math import inf
from typing import Any

from ..camera.imaging import VARIANTS
from ..camera.settings import SETTINGS, settings_named
from ..camera.sweep import CameraSweep
from ..checkpoint import MOTION_MODULE, RELEASES
from ..model.config import PUBLISHED
from ..model.differential import MIN_FRAMES

MODELS = ("tiny", "sd15", "sd15-random")
LEARNING = {  # kind of a stage -> the parts that get a gradient in it
    "autoencoder": ("autoencoder",),
    "image": ("text", "unet"),
    "sweep": ("text", "unet", "motion", "camera"),
}
EXPORTED = ("motion", "camera")  # of a full-size model
PRECISIONS = ("no", "bf16", "fp16")
PREDICTIONS = ("epsilon", "v_prediction")
BLIND = ("", "differences", "prior", "camera", "noise")
RANGES = {
    "scenes": (0, inf),
    "frames": (1, inf),
    "plain": (0, 1),
    "workers": (-1, inf),
    "steps": (1, inf),
    "batch_size": (1, inf),
    "accumulate": (1, inf),
    "learning_rate": (1e-9, 1),
    "matrix_rate": (0, 1),
    "warmup": (0, inf),
    "decay": (0, 1),
    "weight_decay": (0, inf),
    "clip_gradient": (1e-6, inf),
    "ema": (0, 0.99999),  # at 1 the first weights stay
    "drop_text": (0, 1),
    "drop_camera": (0, 1),
    "fewest_frames": (MIN_FRAMES, inf),
    "most_frames": (0, inf),
    "latent_noise": (0, inf),
    "center_weight": (0, inf),
    "timestep_shift": (0.01, 100),  # far above, the last timestep rounds up to one that does not exist
    "save_every": (0, inf),
    "sample_every": (0, inf),
}


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Where photographs come from and what is made of them.

    Args:
        folder: photographs with captions (and depth); empty for procedural scenes.
        scenes: number of procedural scenes.
        settings: the settings that take turns, each with a camera adapter of its own; several in one, as in
            "focal_length+shutter_speed", vary together.
        frames: length of the sweeps.
        plain: share of the base camera's frames in stages that learn from single frames.
        size: (height, width) of the frames [px].
        variant: which simulation, "physical" or "published".
        seed: of scenes and values.
        cache: folder in which the first epoch is kept for all later ones; empty to simulate anew every time.
        workers: processes that prepare examples, over all training processes of a machine; 0 for those themselves, -1
            for one per core.
    """

    folder: str = ""
    scenes: int = 0
    settings: tuple[str, ...] = ("focal_length", "bokeh", "shutter_speed", "color_temperature")
    frames: int = 5
    plain: float = 0.0
    size: tuple[int, int] = (256, 384)
    variant: str = "physical"
    seed: int = 0
    cache: str = ""
    workers: int = -1

    def __post_init__(self) -> None:
        _require_ranges("data", self)
        _require("data: variant", self.variant, VARIANTS)
        known = [s.name for s in SETTINGS if s.published or self.variant != "published"]
        if not self.settings:
            raise ValueError(f"data: settings = [] is empty. Use at least one of: {', '.join(known)}.")
        for joint in self.settings:
            for name in joint.split("+"):
                _require("data: settings", name, known, f"is unknown to variant {self.variant}")
            _require_possible(joint)
        _require_size("data: size", self.size)
        if bool(self.folder) == bool(self.scenes):
            raise ValueError("data: give either folder (photographs) or scenes (a number of procedural ones).")


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What is trained.

    Args:
        kind: "tiny", from nothing; "sd15", from files; "sd15-random", of the same size with random weights.
        prediction: what the UNet predicts, "epsilon" or, in the tiny model, "v_prediction".
        base: for sd15: a diffusers folder or single file.
        unet: for sd15: folder of a UNet in place of the base's.
        motion: for sd15: the motion module.
        lora: for sd15: image LoRA that is merged into the UNet.
    """

    kind: str = "tiny"
    prediction: str = "epsilon"
    base: str = ""
    unet: str = ""
    motion: str = ""
    lora: str = ""

    def __post_init__(self) -> None:
        _require("model: kind", self.kind, MODELS)
        predictions = PREDICTIONS if self.kind == "tiny" else ("epsilon",)  # as Stable Diffusion 1.5 was trained
        _require("model: prediction", self.prediction, predictions, f"is unknown to model kind {self.kind}")
        if self.kind == "sd15" and not (self.base and self.motion):
            raise ValueError(
                "model: kind sd15 needs base (a diffusers folder or single file of SD 1.5) and motion (v3_sd15_mm.ckpt "
                f"from {RELEASES[MOTION_MODULE]}), got base = {self.base!r} and motion = {self.motion!r}."
            )


@dataclass(frozen=True, slots=True)
class StageConfig:
    """One stage of a training: which parts learn from what, for how long.

    Args:
        name: of the stage and of its folder.
        kind: "autoencoder" reconstructs frames, "image" denoises single frames, "sweep" whole sweeps.
        train: the parts that learn, of those that LEARNING names for the kind; the others are frozen.
        steps: optimizer steps.
        batch_size: sweeps per step (in "image" and "autoencoder": single frames), over all processes.
        accumulate: parts of a batch that are computed one after another: takes the memory of one, learns the same.
        learning_rate: highest, of AdamW.
        matrix_rate: highest, of Muon for weights that are matrices or convolutions; 0 leaves them to AdamW.
        warmup: steps until the learning rate is reached.
        decay: share of the steps, at the end, in which it falls to a hundredth.
        weight_decay: of AdamW and of Muon.
        clip_gradient: largest norm of the gradient.
        ema: decay of the moving average that is kept as the result; 0 keeps the last weights.
        gradient_checkpointing: trade time for memory in the UNet.
        drop_text: share of examples without words, for classifier-free guidance.
        drop_camera: share of steps without camera.
        fewest_frames, most_frames: sweeps are cut to a length from this to that, drawn for every step; 0 for the data
            set's.
        crop: (height, width) of random crops for the autoencoder [px]; empty for whole frames.
        latent_noise: standard deviation of the noise that the autoencoder's decoder has to put up with.
        center_weight: how much more the loss counts in the middle of the picture, where the things are; 0 for evenly.
        blind: what is taken away for an experiment: of the camera encoder "differences" or "prior", "camera" for plain
            text prompts in its place, or "noise" that is enlarged with the picture.
        timestep_shift: above 1 draws more of the noisy timesteps, in which the camera decides; 1 draws evenly.
        save_every, sample_every: steps between checkpoints and between pictures; 0 for the end only.
    """

    name: str
    kind: str
    train: tuple[str, ...]
    steps: int
    batch_size: int
    accumulate: int = 1
    learning_rate: float = 1e-4
    matrix_rate: float = 0.0
    warmup: int = 100
    decay: float = 0.3
    weight_decay: float = 0.01
    clip_gradient: float = 1.0
    ema: float = 0.0
    gradient_checkpointing: bool = False
    drop_text: float = 0.1
    drop_camera: float = 0.0
    fewest_frames: int = 2
    most_frames: int = 0
    crop: tuple[int, ...] = ()
    latent_noise: float = 0.1
    center_weight: float = 0.0
    blind: str = ""
    timestep_shift: float = 1.0
    save_every: int = 500
    sample_every: int = 0

    def __post_init__(self) -> None:
        where = f"stage {self.name}"
        _require(f"{where}: kind", self.kind, tuple(LEARNING))
        _require_ranges(where, self)
        learning = LEARNING[self.kind]
        if not self.train:
            raise ValueError(f"{where}: train = [] is empty. Use at least one of: {', '.join(learning)}.")
        for part in self.train:
            _require(f"{where}: train", part, learning, f"learns nothing in a stage of kind {self.kind}")
        _require(f"{where}: blind", self.blind, BLIND)
        for name, kind in (("blind", "sweep"), ("drop_camera", "sweep"), ("crop", "autoencoder")):
            if getattr(self, name) and self.kind != kind:
                raise ValueError(f"{where}: {name} = {getattr(self, name)!r} needs kind {kind}. Leave it out.")
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"{where}: batch_size = {self.batch_size} must be a multiple of accumulate = {self.accumulate}."
            )
        if set(self.train) == {"camera"} and (self.drop_camera or self.blind == "camera"):
            raise ValueError(
                f"{where}: nothing learns while the camera is off, with drop_camera = {self.drop_camera:g}, blind = "
                f"{self.blind!r} and train = ['camera']. Keep the camera on, or train another part too."
            )
        if self.crop:
            _require_size(f"{where}: crop", self.crop)


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """A whole training.

    Args:
        model, data: what is trained on what.
        stages: in this order; each starts from the result of the one before.
        seed: of weights, order, noise and timesteps.
        precision: "no", "bf16" or "fp16" (mixed), of all stages: accelerate takes one per process.
    """

    model: ModelConfig
    data: DataConfig
    stages: tuple[StageConfig, ...]
    seed: int = 0
    precision: str = "no"

    def __post_init__(self) -> None:
        _require("precision", self.precision, PRECISIONS)
        if not self.stages:
            raise ValueError("The configuration has no [[stages]]. Give at least one.")
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError(f"Stages need different names, got {', '.join(names)}.")
        for stage in self.stages:
            self._require_fitting(stage)
            if stage.matrix_rate and self.precision == "fp16":
                raise ValueError(
                    f"stage {stage.name}: matrix_rate = {stage.matrix_rate:g} needs precision bf16 or no, got fp16."
                )

    def _require_fitting(self, stage: StageConfig) -> None:
        where, data = f"stage {stage.name}", self.data
        if self.model.kind != "tiny":
            unfit = f"is not trained for model kind {self.model.kind}"
            _require(f"{where}: kind", stage.kind, ["sweep"], unfit)
            for part in stage.train:
                _require(f"{where}: train", part, EXPORTED, unfit)
        if stage.kind == "sweep" and data.frames < MIN_FRAMES:
            raise ValueError(f"data: frames = {data.frames} must be at least {MIN_FRAMES} for {where} of kind sweep.")
        if any(want > have for want, have in zip(stage.crop, data.size, strict=False)):
            raise ValueError(
                f"{where}: crop = {list(stage.crop)} is larger than data: size = {list(data.size)}. Choose a smaller "
                "crop, or [] for whole frames."
            )


def _require(where: str, value: str, allowed: Sequence[str], fault: str = "is unknown") -> None:
    if value not in allowed:
        raise ValueError(f"{where} = {value!r} {fault}. Use one of: {', '.join(a or '(empty)' for a in allowed)}.")


def _require_possible(joint: str) -> None:
    """Refuse settings of which no camera has all, at an end of each one's domain."""
    settings = settings_named(joint)
    if repeated := [setting.name for setting in settings if settings.count(setting) > 1]:
        raise ValueError(f"data: settings = {joint!r} has {repeated[0]} twice. Name every setting once.")
    ends = list(product(*(setting.domain for setting in settings)))
    try:
        CameraSweep({s.name: values for s, values in zip(settings, zip(*ends, strict=True), strict=True)})
    except ValueError as error:
        raise ValueError(f"data: settings = {joint!r} cannot vary together: {error}") from None


def _require_ranges(where: str, config: Any) -> None:
    for name in (f.name for f in fields(config) if f.name in RANGES):
        (low, high), value = RANGES[name], getattr(config, name)
        if not (low <= value <= high and value < inf):  # also refuses NaN
            allowed = f"at least {low:g}" if high == inf else f"between {low:g} and {high:g}"
            raise ValueError(f"{where}: {name} = {value:g} must be {allowed}.")


def _require_size(where: str, size: tuple[int, ...]) -> None:
    step = PUBLISHED.backbone.downscale
    if len(size) != 2 or any(n < step or n % step for n in size):
        raise ValueError(f"{where} = {list(size)} must be [height, width] in pixels, both multiples of {step}.")
