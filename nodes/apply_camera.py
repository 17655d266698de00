"""GenPhotoApplyCamera: a lifted MODEL that any sampler can run, steered by a camera."""

from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from .camera_condition import CameraCondition
from .lift_host import apply_camera
from .sockets import STRENGTH, Camera


class GenPhotoApplyCamera(io.ComfyNode):
    """A lifted MODEL that any sampler can run, steered by a camera."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GenPhotoApplyCamera",
            display_name="Apply Camera",
            category="Generative Photography",
            description="Steers a lifted MODEL by a camera, for any sampler: give it an empty latent with one image "
            "per frame of the sweep. Several cameras, one after another, act together.",
            search_aliases=["camera", "adapter", "steer", "strength", "camera control"],
            inputs=[
                io.Model.Input("model", tooltip="A MODEL from 'Lift Model'."),
                Camera.Input("camera", tooltip="From 'Differential Camera Encode'."),
                STRENGTH,
                *(
                    io.Float.Input(
                        name,
                        default=default,
                        min=0.0,
                        max=1.0,
                        step=0.001,
                        tooltip=f"Share of the sampling at which the camera {what}: 0 is the first step, 1 the last.",
                        advanced=True,
                    )
                    for name, default, what in (("start_percent", 0.0, "sets in"), ("end_percent", 1.0, "lets go"))
                ),
            ],
            outputs=[
                io.Model.Output("model", tooltip="The steered MODEL: give it as many latents as the sweep has frames.")
            ],
        )

    @classmethod
    def execute(
        cls, model: ModelPatcher, camera: CameraCondition, strength: float, start_percent: float, end_percent: float
    ) -> io.NodeOutput:
        return io.NodeOutput(apply_camera(model, camera, strength, start_percent, end_percent))
