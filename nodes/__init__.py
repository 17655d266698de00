"""The ComfyUI nodes: thin, and the only place that imports comfy."""

from comfy_api.latest import ComfyExtension, io

from .camera_sweep_spec import CameraSweepSpec
from .physics_simulate import PhysicsSimulate


class GenPhotoExtension(ComfyExtension):
    """What ComfyUI asks for the pack's nodes."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [CameraSweepSpec, PhysicsSimulate]
