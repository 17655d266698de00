"""The widgets of CameraSweepSpec that say which camera took the photograph, at their defaults."""

BASE_CAMERA = {
    "values": "",
    "f_number": 64.0,
    "focus_distance_m": 2.0,
    "exposure_time_s": 0.5,
    "iso": 100.0,
    "color_temperature_k": 6504.0,
    "sensor": "full-frame",
    "blades": 0,
}
