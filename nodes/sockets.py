"""The types that travel between our nodes, and what several of them say."""

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

CAMERA_WORDS = [  # by which the search for nodes finds those that hold a camera
    "camera", "focal length", "zoom", "lens", "aperture", "f-stop", "bokeh", "depth of field", "dof", "shutter speed",
    "exposure", "exposure bracketing", "HDR", "color temperature", "kelvin", "white balance", "tint",
]  # fmt: skip
