"""The types that travel between our nodes."""

from comfy_api.latest import io

# genphoto.camera.sweep.CameraSweep: one complete camera state per frame.
Sweep = io.Custom("GENPHOTO_SWEEP")
# nodes.camera_condition.CameraCondition: a sweep as the features of one camera adapter, with its merges.
Camera = io.Custom("GENPHOTO_CAMERA")

STRENGTH = io.Float.Input(
    "strength",
    default=1.0,
    min=0.0,
    max=2.0,
    step=0.05,
    tooltip="How strongly the camera steers: 1 as trained, 0 exactly off.",
)
