"""CameraSweepSpec: which camera setting changes from frame to frame."""

import math
from dataclasses import replace
from typing import Any

from comfy_api.latest import io

from ..genphoto.camera.aperture import Aperture
from ..genphoto.camera.camera import LIMITS, Camera
from ..genphoto.camera.sensor import SENSORS
from ..genphoto.camera.setting import CameraSetting
from ..genphoto.camera.settings import SETTINGS
from ..genphoto.camera.sweep import CameraSweep
from .sockets import CAMERA_WORDS, Sweep

ROUND = 1e-6  # the browser rounds a typed value to this; to the step where it is not given
SPACINGS = {"linear": CameraSweep.linear, "stops": CameraSweep.stops}


class CameraSweepSpec(io.ComfyNode):
    """Which camera setting changes from frame to frame, and through which values."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CameraSweepSpec",
            display_name="Camera Sweep",
            category="Generative Photography",
            description="Which camera setting changes from frame to frame, and through which values.",
            search_aliases=CAMERA_WORDS,
            inputs=[
                io.DynamicCombo.Input(
                    "setting",
                    options=[_option(setting) for setting in SETTINGS],
                    tooltip=f"What changes: {', '.join(f'{s.label.lower()} [{s.unit}]' for s in SETTINGS)}.",
                ),
                io.Int.Input(
                    "frames",
                    default=5,
                    min=1,
                    max=1000,
                    tooltip="Number of frames, one per value; at least 2 for a MODEL.",
                ),
                io.Combo.Input(
                    "spacing",
                    options=list(SPACINGS),
                    tooltip="linear: equal steps. stops: equal ratios, as f-numbers and shutter speeds are spaced.",
                ),
                io.String.Input(
                    "values",
                    default="",
                    placeholder="24 35 50  or  1/60, 1/30  or  f/1.4 f/2.8",
                    tooltip="Explicit values, one per frame, separated by spaces or commas. Replaces first, last, "
                    "frames and spacing; leave empty to use those.",
                ),
                Sweep.Input(
                    "vary_with",
                    optional=True,
                    tooltip="Another sweep with as many frames, whose setting varies together with this one. Its base "
                    "camera is not used.",
                ),
                _field("f_number", "f-number of the source photograph; f/64 counts as sharp from front to back."),
                _field("focus_distance_m", "Distance from the lens to the plane in focus [m]."),
                _field("exposure_time_s", "Exposure time of the source photograph [s]."),
                _field("iso", "ISO of the source photograph. Higher: less light was collected, so more noise."),
                _field("color_temperature_k", "Color temperature [K] at which the source photograph is neutral."),
                io.Combo.Input(
                    "sensor",
                    options=[sensor.name for sensor in SENSORS],
                    tooltip="Sensor format: its width sets the angle of view and the depth of field, its electronics "
                    "the noise.",
                    advanced=True,
                ),
                io.Int.Input(
                    "blades",
                    default=0,
                    min=0,
                    max=16,
                    tooltip="Blades of the iris: 0 is round, 6 gives hexagonal highlights.",
                    advanced=True,
                ),
            ],
            outputs=[
                Sweep.Output("sweep", tooltip="One complete camera state per frame."),
                io.Int.Output("frame_count", tooltip="Number of frames."),
                io.String.Output("labels", tooltip="The value of each frame in photographer's units, one per line."),
            ],
        )

    @classmethod
    def execute(
        cls,
        frames: int,
        spacing: str,
        values: str,
        sensor: str,
        blades: int,
        setting: dict[str, Any] | None = None,
        vary_with: CameraSweep | None = None,
        **base_fields: float,
    ) -> io.NodeOutput:
        if setting is None:
            raise ValueError(f"Unknown camera setting. Choose one of {', '.join(s.name for s in SETTINGS)}.")
        name = setting["setting"]
        base = Camera(
            focal_length_mm=setting["focal_length_mm"], sensor=sensor, aperture=Aperture(blades=blades), **base_fields
        )
        if values.strip():
            sweep = CameraSweep({name: values}, base)
        else:
            sweep = SPACINGS[spacing](name, setting["first"], setting["last"], frames, base)
        if vary_with is not None:
            if name in vary_with.values:
                raise ValueError(f"Both sweeps vary {name}. Let the other one vary another setting.")
            sweep = replace(vary_with, values={**vary_with.values, **sweep.values}, base=base)
        return io.NodeOutput(sweep, len(sweep), "\n".join(sweep.labels))


def _option(setting: CameraSetting) -> io.DynamicCombo.Option:
    """First, last and the source's focal length: the same three widgets for every setting."""
    low, high = setting.limits
    first, last = setting.domain
    step = 10.0 ** math.floor(math.log10((last - first) / 1000))
    ends = [
        io.Float.Input(
            name,
            default=default,
            min=low,
            max=high,
            step=step,
            round=ROUND,
            tooltip=f"{setting.label} of the {name} frame [{setting.unit}]. {setting.description}",
        )
        for name, default in zip(("first", "last"), setting.domain, strict=True)
    ]
    source = _field("focal_length_mm", "Focal length at which the source photograph was taken [mm].", setting.base)
    return io.DynamicCombo.Option(setting.name, [*ends, source])


def _field(name: str, tooltip: str, camera: Camera | None = None) -> io.Float.Input:
    """An input for one numeric field of the base camera."""
    _, low, high = LIMITS[name]
    default = getattr(camera or Camera(), name)
    step = 0.001 if name == "exposure_time_s" else 0.1
    return io.Float.Input(
        name, default=default, min=low, max=high, step=step, round=ROUND, tooltip=tooltip, advanced=True
    )
