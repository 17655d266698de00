"""The settings of a camera, one file each. A new setting is a new file and its name in SETTINGS.

A sweep applies several settings in this order: a lens first, then its iris, then the time that the iris implies.
"""

import copyreg
from collections.abc import Callable, Iterable
from pickle import PicklingError

from ..setting import CameraSetting
from .aperture import APERTURE
from .bokeh import BOKEH
from .color_temperature import COLOR_TEMPERATURE
from .focal_length import FOCAL_LENGTH
from .shutter_speed import SHUTTER_SPEED
from .tint import TINT
from .vignetting import VIGNETTING

SETTINGS: tuple[CameraSetting, ...] = (
    FOCAL_LENGTH,
    BOKEH,
    APERTURE,
    SHUTTER_SPEED,
    COLOR_TEMPERATURE,
    TINT,
    VIGNETTING,
)


def setting_named(name: str) -> CameraSetting:
    """The setting of that name, or a ValueError that lists the names."""
    for setting in SETTINGS:
        if setting.name == name:
            return setting
    raise ValueError(f"Unknown camera setting {name!r}. Settings: {', '.join(s.name for s in SETTINGS)}.")


def joint_name(settings: Iterable[CameraSetting]) -> str:
    """Settings that vary together in one word: "focal_length", "focal_length+bokeh"."""
    return "+".join(setting.name for setting in settings)


def settings_named(name: str) -> tuple[CameraSetting, ...]:
    """The inverse of `joint_name`, or a ValueError that lists the names."""
    return tuple(setting_named(each) for each in name.split("+"))


def _by_name(setting: CameraSetting) -> tuple[Callable[[str], CameraSetting], tuple[str]]:
    """How a setting is pickled, for processes that start anew: its functions have no names of their own."""
    if all(setting is not known for known in SETTINGS):
        raise PicklingError(f"The camera setting {setting.name!r} is not one of SETTINGS: no process would find it.")
    return setting_named, (setting.name,)


copyreg.pickle(CameraSetting, _by_name)
