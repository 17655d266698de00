"""A training's configuration as a small TOML file, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from ..files.texts import read_text
from .config import DataConfig, ModelConfig, StageConfig, TrainConfig

RECIPES = Path(__file__).parent / "recipes"


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
        text = read_text(path)
    except OSError as error:
        known = ", ".join(sorted(r.stem for r in RECIPES.glob("*.toml")))
        raise ValueError(f"{path} cannot be read: {error.strerror}. Give a file, or a recipe: {known}.") from None
    try:
        return config_from(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not valid TOML: {error}.") from None
    except RecursionError:
        raise ValueError(f"{path} is not valid TOML: nested too deep.") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def config_from(values: Mapping[str, Any]) -> TrainConfig:
    """The configuration that nested plain values describe."""
    values = dict(values)
    stages = values.pop("stages", ())
    if not isinstance(stages, list | tuple) or not all(isinstance(stage, Mapping) for stage in stages):
        raise ValueError(
            f"stages = {stages!r} is not a list of tables. Write [[stages]], in double brackets, above each."
        )
    parts = {
        "model": _filled(ModelConfig, values.pop("model", {}), "model"),
        "data": _filled(DataConfig, values.pop("data", {}), "data"),
        "stages": tuple(
            _filled(StageConfig, stage, f"stage {stage.get('name', number)}") for number, stage in enumerate(stages, 1)
        ),
    }
    return _filled(TrainConfig, {**values, **parts}, "configuration")


def _filled(kind: type, values: Any, where: str) -> Any:
    if not isinstance(values, Mapping):
        raise ValueError(f"{where} = {values!r} is not a table. Write [{where}] and its keys below.")
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
    if str(hint).startswith("tuple"):
        if not isinstance(value, list | tuple):
            raise ValueError(f"{where} = {value!r} is not a list.")
        return tuple(_typed(item, get_args(hint)[0], f"{where}[{index}]") for index, item in enumerate(value))
    wanted = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}.get(hint)
    if wanted and type(value) is not hint:
        raise ValueError(f"{where} = {value!r} is not {wanted}.")
    return value
