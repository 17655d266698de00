"""The types that travel between our nodes."""

from comfy_api.latest import io

# genphoto.camera.sweep.CameraSweep: one complete camera state per frame.
Sweep = io.Custom("GENPHOTO_SWEEP")
