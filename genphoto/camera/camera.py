"""Camera: the complete state of a camera at the moment of exposure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from .aperture import Aperture
from .checks import require_in_range
from .colorimetry import MAX_KELVIN, MAX_TINT_DUV, MIN_KELVIN
from .sensor import Sensor, sensor_named

# What the formulas can take, per numeric field: unit, lowest, highest.
LIMITS = {
    "focal_length_mm": ("mm", 1.0, 5000.0),
    "f_number": ("(f-number)", 0.01, 5000.0),
    "focus_distance_m": ("m", 0.02, 10000.0),
    "exposure_time_s": ("s", 1e-9, 3600.0),
    "iso": ("ISO", 25.0, 1e7),
    "color_temperature_k": ("K", MIN_KELVIN, MAX_KELVIN),
    "tint_duv": ("Duv", -MAX_TINT_DUV, MAX_TINT_DUV),
    "vignetting_ev": ("EV", 0.0, 8.0),
}
SHARP_F_NUMBER = 64.0  # a photograph taken at this or a higher f-number counts as sharp from front to back
PARTS = {"sensor": Sensor, "aperture": Aperture}


@dataclass(frozen=True, slots=True)
class Camera:
    """A complete camera state, in photographer's units.

    The defaults describe the camera that took a photograph of which nothing is known: a 24 mm lens at f/64, which
    stands for "sharp from front to back", half a second at ISO 100 in daylight (D65).

    Args:
        focal_length_mm: focal length [mm], real (not 35 mm equivalent).
        f_number: N of f/N.
        focus_distance_m: distance from the lens to the plane in focus [m].
        exposure_time_s: [s].
        iso: exposure index, from the sensor's base ISO up: it amplifies, it does not collect light.
        color_temperature_k: correlated color temperature of the light [K].
        tint_duv: distance of the light from the Planckian locus [Duv], + is greener.
        vignetting_ev: light that the lens loses in the corners of the frame [EV].
        sensor: format and electronics; a `Sensor` or the name of a preset.
        aperture: shape of the iris.
    """

    focal_length_mm: float = 24.0
    f_number: float = SHARP_F_NUMBER
    focus_distance_m: float = 2.0
    exposure_time_s: float = 0.5
    iso: float = 100.0
    color_temperature_k: float = 6504.0
    tint_duv: float = 0.0
    vignetting_ev: float = 0.0
    sensor: Sensor = field(default_factory=lambda: sensor_named("full-frame"))
    aperture: Aperture = field(default_factory=Aperture)

    def __post_init__(self) -> None:
        for name, (unit, low, high) in LIMITS.items():
            object.__setattr__(self, name, require_in_range(f"Camera.{name}", getattr(self, name), unit, low, high))
        if isinstance(self.sensor, str):
            object.__setattr__(self, "sensor", sensor_named(self.sensor))
        for name, kind in PARTS.items():
            if not isinstance(getattr(self, name), kind):
                raise ValueError(f"Camera.{name} = {getattr(self, name)!r} is no {kind.__name__}.")
        if self.iso < self.sensor.base_iso:
            raise ValueError(
                f"Camera.iso = {self.iso:g} is below the base ISO {self.sensor.base_iso:g} of the sensor "
                f"{self.sensor.name}: its full well cannot hold more light. Raise the ISO."
            )
        if self.focus_distance_m * 1000 <= self.focal_length_mm:
            raise ValueError(
                f"Camera.focus_distance_m = {self.focus_distance_m:g} m is not beyond the focal length of "
                f"{self.focal_length_mm:g} mm: a thin lens cannot focus there. Raise the focus distance."
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and dictionaries, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Camera:
        """The inverse of `to_dict`; missing fields take their defaults, unknown ones are an error."""
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(state) - known):
            raise ValueError(f"Unknown camera field(s) {unknown}. Known: {sorted(known)}.")
        try:
            parts = {name: kind(**state[name]) for name, kind in PARTS.items() if isinstance(state.get(name), dict)}
        except (TypeError, OverflowError) as error:
            raise ValueError(f"A camera's sensor or aperture is incomplete or has unknown fields: {error}.") from None
        return cls(**{**state, **parts})
