"""GenPhotoLiftModel: an image MODEL becomes a model of camera sweeps."""

from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from .lift_host import lift_model
from .model_files import MOTION_MODULES, load_lift


class GenPhotoLiftModel(io.ComfyNode):
    """An image MODEL becomes a model of camera sweeps."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GenPhotoLiftModel",
            display_name="Lift Model",
            category="Generative Photography",
            description="Adds motion modules to the MODEL that they were made for, Stable Diffusion 1.5 or 'Embedded "
            "Model', so that the images of a batch become the frames of one scene, and sets the noise that they were "
            "trained on. Any sampler can run it.",
            search_aliases=["animatediff", "motion module", "camera", "temporal", "sweep", "SD 1.5"],
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="A Stable Diffusion 1.5 MODEL, or that of 'Embedded Model'. For SD 1.5 there is the image "
                    "LoRA of Generative Photography (RealEstate10K_LoRA.ckpt), an ordinary one: load it with "
                    "'Load LoRA' (LoraLoaderModelOnly), strength 1, before or after this node.",
                ),
                io.Combo.Input(
                    "motion_module",
                    options=MOTION_MODULES.names(),
                    tooltip="Motion modules: AnimateDiff v3 for SD 1.5, genphoto_tiny_motion for 'Embedded Model'. "
                    f"{MOTION_MODULES.advice()}",
                ),
            ],
            outputs=[
                io.Model.Output("model", tooltip="The lifted MODEL: a batch of F latents is one scene in F frames.")
            ],
        )

    @classmethod
    def validate_inputs(cls, motion_module: str) -> bool | str:
        return MOTION_MODULES.problem(motion_module) or True

    @classmethod
    def fingerprint_inputs(cls, motion_module: str, **_) -> object:
        return MOTION_MODULES.fingerprint(motion_module)

    @classmethod
    def execute(cls, model: ModelPatcher, motion_module: str) -> io.NodeOutput:
        lift = load_lift(MOTION_MODULES.path(motion_module), model.model.get_dtype_inference())
        return io.NodeOutput(lift_model(model, lift))
