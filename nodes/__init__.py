"""The ComfyUI nodes: thin, and the only place that imports comfy."""

from comfy_api.latest import ComfyExtension, io

from .apply_camera import GenPhotoApplyCamera
from .baseline_prompts import GenPhotoBaselinePrompts
from .camera_sweep_spec import CameraSweepSpec
from .differential_camera_encode import DifferentialCameraEncode
from .embedded_model import GenPhotoEmbeddedModel
from .lift_model import GenPhotoLiftModel
from .lifted_t2v_sampler import LiftedT2VSampler
from .model_files import CAMERA_ADAPTERS, MOTION_MODULES
from .physics_simulate import PhysicsSimulate
from .save_sweep import GenPhotoSaveSweep
from .sweep_metrics import GenPhotoSweepMetrics
from .sweep_viewer import GenPhotoSweepViewer


class GenPhotoExtension(ComfyExtension):
    """What ComfyUI asks for the pack's nodes."""

    async def on_load(self) -> None:
        for folder in (MOTION_MODULES, CAMERA_ADAPTERS):
            folder.register()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            CameraSweepSpec,
            PhysicsSimulate,
            GenPhotoEmbeddedModel,
            GenPhotoLiftModel,
            DifferentialCameraEncode,
            GenPhotoApplyCamera,
            LiftedT2VSampler,
            GenPhotoSweepMetrics,
            GenPhotoSweepViewer,
            GenPhotoSaveSweep,
            GenPhotoBaselinePrompts,
        ]
