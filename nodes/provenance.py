"""Where pictures come from: the camera adapters that made them, found in the graph that is running."""

from collections.abc import Iterator, Mapping
from typing import Any

from comfy_execution.graph_utils import is_link
from comfy_execution.utils import get_executing_context

from ..genphoto.camera.sweep import CameraSweep
from ..genphoto.checkpoint import declared_steering
from ..genphoto.model.steering import with_reach
from .model_files import CAMERA_ADAPTERS

ENCODER, PHYSICS = "DifferentialCameraEncode", "PhysicsSimulate"


def with_reach_of_makers(sweep: CameraSweep, prompt: Mapping[str, Any] | None) -> CameraSweep:
    """The sweep, knowing what the adapters reach by which the `images` of the running node were made.

    Unchanged where they were not made by any. The sweep that a node takes comes from 'Camera Sweep', which cannot know
    them.
    """
    running = get_executing_context()
    if running is None or running.node_id not in (prompt or {}):
        return sweep
    ranges = {}
    for adapter in adapters_of_images(prompt, running.node_id):
        ranges |= declared_steering(CAMERA_ADAPTERS.path(adapter)).settled(sweep).reach
    return with_reach(sweep, ranges) if ranges else sweep


def adapters_of_images(prompt: Mapping[str, Any], node_id: str) -> Iterator[str]:
    """Names of the adapter files in all that leads to the images of a node, up to what physics renders anew."""
    seen, ahead = set(), [prompt[node_id]["inputs"].get("images")]
    while ahead:
        link = ahead.pop()
        if not is_link(link) or link[0] in seen or link[0] not in prompt:
            continue
        seen.add(link[0])
        node = prompt[link[0]]
        if node["class_type"] == ENCODER and isinstance(node["inputs"]["camera_adapter"], str):
            yield node["inputs"]["camera_adapter"]
        if node["class_type"] != PHYSICS:
            ahead += node["inputs"].values()
