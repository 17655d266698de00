"""GenPhotoBaselinePrompts: the camera said in words, one prompt per frame, for models that know no cameras."""

from comfy_api.latest import io

from ..genphoto.camera.sweep import CameraSweep
from ..genphoto.metrics.baselines import baseline_prompts
from .sockets import Sweep


class GenPhotoBaselinePrompts(io.ComfyNode):
    """The camera said in words, one prompt per frame, for models that know no cameras."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GenPhotoBaselinePrompts",
            display_name="Baseline Prompts",
            category="Generative Photography",
            description="The prompts of the paper's baselines: the scene, then the camera setting in words. Connect "
            "them to the text encoder of any model (SD3, FLUX, ...): ComfyUI runs everything behind it once per "
            "prompt, with the same seed. Then 'Rebatch Images' with batch_size = frame_count makes one batch, for "
            "'Sweep Metrics'.",
            search_aliases=["compare", "benchmark", "prompt list", "SD3", "FLUX", "SDXL"],
            inputs=[
                io.String.Input(
                    "scene", default="", multiline=True, tooltip="What the picture shows, without the camera."
                ),
                Sweep.Input("sweep", tooltip="The camera states, one frame each."),
            ],
            outputs=[
                io.String.Output(
                    "prompts",
                    is_output_list=True,
                    tooltip='A list with one prompt per frame, such as "a quiet mountain trail; with 24mm lens.". '
                    "A list and no batch, because every text encoder takes texts: nodes behind it run once for each.",
                ),
                io.Int.Output("frame_count", tooltip="Number of frames, for batch_size of 'Rebatch Images'."),
            ],
        )

    @classmethod
    def execute(cls, scene: str, sweep: CameraSweep) -> io.NodeOutput:
        return io.NodeOutput(list(baseline_prompts(scene, sweep)), len(sweep))
