"""DifferentialCameraEncode: a camera sweep becomes what steers a lifted MODEL."""

from comfy.sd import CLIP
from comfy_api.latest import io

from ..genphoto.camera.sweep import CameraSweep
from .camera_condition import encode
from .model_files import CAMERA_ADAPTERS, load_camera
from .sockets import CAMERA_WORDS, Camera, Sweep


class DifferentialCameraEncode(io.ComfyNode):
    """A camera sweep becomes what steers a lifted MODEL."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DifferentialCameraEncode",
            display_name="Differential Camera Encode",
            category="Generative Photography",
            description="Encodes a sweep by what changes from frame to frame: the text encoder's differences between "
            "the camera settings, and a coarse picture of their effect.",
            search_aliases=[*CAMERA_WORDS, "adapter"],
            inputs=[
                io.Clip.Input(
                    "clip",
                    tooltip="The CLIP of the checkpoint that is lifted: Stable Diffusion 1.5, or 'Embedded Model'. "
                    "LoRAs on it and 'CLIP Set Last Layer' have no effect here.",
                ),
                Sweep.Input("sweep", tooltip="The camera states, one frame each, at least 2."),
                io.Combo.Input(
                    "camera_adapter",
                    options=CAMERA_ADAPTERS.names(),
                    tooltip="The adapter that steers the setting of this sweep. A released .ckpt does not say which "
                    "one that is: choose the one of the same name. Those of 'Embedded Model' are called genphoto_tiny. "
                    f"{CAMERA_ADAPTERS.advice()}",
                ),
            ],
            outputs=[Camera.Output("camera", tooltip="For 'Apply Camera' or 'Lifted T2V Sampler'.")],
        )

    @classmethod
    def validate_inputs(cls, camera_adapter: str) -> bool | str:
        return CAMERA_ADAPTERS.problem(camera_adapter) or True

    @classmethod
    def fingerprint_inputs(cls, camera_adapter: str, **_) -> object:
        return CAMERA_ADAPTERS.fingerprint(camera_adapter)

    @classmethod
    def execute(cls, clip: CLIP, sweep: CameraSweep, camera_adapter: str) -> io.NodeOutput:
        return io.NodeOutput(encode(clip, sweep, *load_camera(CAMERA_ADAPTERS.path(camera_adapter))))
