"""GenPhotoEmbeddedModel: a small image model that comes with this pack."""

from comfy_api.latest import io

from .tiny_host import load_embedded


class GenPhotoEmbeddedModel(io.ComfyNode):
    """A small image model that comes with this pack."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GenPhotoEmbeddedModel",
            display_name="Embedded Model",
            category="Generative Photography",
            description="A small image model that comes with this pack: toy scenes of 192 x 128 pixels in seconds, "
            "without a graphics card or a download. It knows some forty words and names them where a prompt has "
            "another: 'a red ball in front of a blue box on a wooden floor by a plain wall'. Its motion module and "
            "camera adapters are called genphoto_tiny; sample it with a guidance scale (cfg) of 2.5 and the scheduler "
            "'simple'.",
            search_aliases=["tiny", "checkpoint", "loader", "example", "demo", "try", "no download"],
            inputs=[],
            outputs=[
                io.Model.Output(
                    "model", tooltip="For 'Lift Model' with genphoto_tiny_motion.safetensors, or any sampler."
                ),
                io.Clip.Output("clip", tooltip="Text encoder of the small model: prompts of up to 30 words."),
                io.Vae.Output("vae", tooltip="Autoencoder of the small model: latents of 16 channels."),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(*load_embedded())
