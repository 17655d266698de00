"""What a training is: a small TOML file, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from ..camera.imaging import VARIANTS
from ..camera.settings import setting_named

RECIPES = Path(__file__).parent / "recipes"
KINDS = ("autoencoder", "image", "sweep")
PARTS = ("autoencoder", "text", "unet", "motion", "camera")
PRECISIONS = ("no", "bf16", "fp16")
PREDICTIONS = ("epsilon", "v_prediction")


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Where photographs come from and what is made of them.

    Args:
        folder: photographs with captions (and depth); empty for procedural scenes.
        scenes: number of procedural scenes.
        settings: the settings that take turns.
        frames: length of the sweeps.
        size: (height, width) of the frames [px].
        variant: which simulation, "physical" or "published".
        seed: of scenes and values.
        cache: folder in which the first epoch is kept for all later ones; empty to simulate anew every time.
        workers: processes that prepare examples; 0 for the training process itself, -1 for one per core.
    """

    folder: str = ""
    scenes: int = 0
    settings: tuple[str, ...] = ("focal_length", "bokeh", "shutter_speed", "color_temperature")
    frames: int = 5
    size: tuple[int, int] = (256, 384)
    variant: str = "physical"
    seed: int = 0
    cache: str = ""
    workers: int = -1


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What is trained.

    Args:
        kind: "tiny", from nothing; "sd15", from files; "sd15-random", of the same size with random weights.
        prediction: what the UNet predicts, "epsilon" or "v_prediction".
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


@dataclass(frozen=True, slots=True)
class StageConfig:
    """One stage of a training: which parts learn from what, for how long.

    Args:
        name: of the stage and of its folder.
        kind: "autoencoder" reconstructs frames, "image" denoises single frames, "sweep" whole sweeps.
        train: the parts that learn, of autoencoder, text, unet, motion, camera; the others are frozen.
        steps: optimizer steps.
        batch_size: sweeps per step (in "image" and "autoencoder": single frames), over all processes.
        learning_rate: highest.
        warmup: steps until the learning rate is reached.
        decay: share of the steps, at the end, in which it falls to a hundredth.
        weight_decay: of AdamW.
        clip_gradient: largest norm of the gradient.
        ema: decay of the moving average that is kept as the result; 0 keeps the last weights.
        precision: "no", "bf16" or "fp16" (mixed).
        gradient_checkpointing: trade time for memory in the UNet.
        drop_text: share of examples without words, for classifier-free guidance.
        drop_camera: share of steps without camera.
        fewest_frames: sweeps are cut to a length between this and the data set's, drawn for every step.
        crop: (height, width) of random crops for the autoencoder; empty for whole frames.
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
    learning_rate: float = 1e-4
    warmup: int = 100
    decay: float = 0.3
    weight_decay: float = 0.01
    clip_gradient: float = 1.0
    ema: float = 0.0
    precision: str = "no"
    gradient_checkpointing: bool = False
    drop_text: float = 0.1
    drop_camera: float = 0.0
    fewest_frames: int = 2
    crop: tuple[int, ...] = ()
    latent_noise: float = 0.1
    center_weight: float = 0.0
    blind: str = ""
    timestep_shift: float = 1.0
    save_every: int = 500
    sample_every: int = 0

    def __post_init__(self) -> None:
        _require(f"stage {self.name}: kind", self.kind, KINDS)
        _require(f"stage {self.name}: precision", self.precision, PRECISIONS)
        _require(f"stage {self.name}: blind", self.blind, ("", "differences", "prior", "camera", "noise"))
        for part in self.train:
            _require(f"stage {self.name}: train", part, PARTS)
        for name in ("steps", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"stage {self.name}: {name} = {getattr(self, name)} must be at least 1.")
        if not self.learning_rate > 0:
            raise ValueError(f"stage {self.name}: learning_rate = {self.learning_rate} must be above 0.")


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """A whole training.

    Args:
        seed: of weights, order, noise and timesteps.
        model, data: what is trained on what.
        stages: in this order; each starts from the result of the one before.
    """

    model: ModelConfig
    data: DataConfig
    stages: tuple[StageConfig, ...]
    seed: int = 0

    def __post_init__(self) -> None:
        _require("model: kind", self.model.kind, ("tiny", "sd15", "sd15-random"))
        _require("model: prediction", self.model.prediction, PREDICTIONS)
        _require("data: variant", self.data.variant, VARIANTS)
        for name in self.data.settings:
            setting_named(name)
        if not self.stages:
            raise ValueError("The configuration has no [[stages]]. Give at least one.")
        if bool(self.data.folder) == bool(self.data.scenes):
            raise ValueError("data: give either folder (photographs) or scenes (a number of procedural ones).")
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError(f"Stages need different names, got {', '.join(names)}.")


def load_config(path: str | Path) -> TrainConfig:
    """The configuration in a TOML file, or of a recipe by its name ("tiny-cpu").

    Raises:
        ValueError: the file cannot be read, has unknown keys, or values out of range; the message names the key.
    """
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10; here, because the command line lists recipes without reading one
        import tomli as tomllib

    path = Path(path)
    recipe = RECIPES / f"{path}.toml"
    if not path.exists() and recipe.exists():
        path = recipe
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        known = ", ".join(sorted(r.stem for r in RECIPES.glob("*.toml")))
        raise ValueError(f"{path} cannot be read: {error.strerror}. Give a file, or a recipe: {known}.") from None
    try:
        return config_from(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not valid TOML: {error}.") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def config_from(values: Mapping[str, Any]) -> TrainConfig:
    """The configuration that nested plain values describe."""
    values = dict(values)
    parts = {
        "model": _filled(ModelConfig, values.pop("model", {}), "model"),
        "data": _filled(DataConfig, values.pop("data", {}), "data"),
        "stages": tuple(
            _filled(StageConfig, stage, f"stage {stage.get('name', number)}")
            for number, stage in enumerate(values.pop("stages", ()), 1)
        ),
    }
    return _filled(TrainConfig, {**values, **parts}, "configuration")


def _filled(kind: type, values: Mapping[str, Any], where: str) -> Any:
    hints = get_type_hints(kind)
    if unknown := sorted(set(values) - set(hints)):
        raise ValueError(f"{where}: unknown {', '.join(unknown)}. Known: {', '.join(hints)}.")
    required = [f.name for f in fields(kind) if f.default is f.default_factory]
    if lacking := [name for name in required if name not in values]:
        raise ValueError(f"{where}: {', '.join(lacking)} is missing.")
    return kind(**{name: _typed(value, hints[name], f"{where}: {name}") for name, value in values.items()})


def _typed(value: Any, hint: Any, where: str) -> Any:
    if hint is float and type(value) is int:
        return float(value)
    if str(hint).startswith("tuple") and isinstance(value, list):
        return tuple(value)
    wanted = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}.get(hint)
    if wanted and type(value) is not hint:
        raise ValueError(f"{where} = {value!r} is not {wanted}.")
    if str(hint).startswith("tuple") and not isinstance(value, tuple):
        raise ValueError(f"{where} = {value!r} is not a list.")
    return value


def _require(where: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{where} = {value!r} is unknown. Use one of: {', '.join(a or '(empty)' for a in allowed)}.")
