"""What a node tells of its last run, on the node, in LiteGraph and in Vue nodes."""

import pytest
from playwright.sync_api import expect

from ..comfy.base_camera import BASE_CAMERA
from .graphs import node
from .test_viewer import DONE, RENDERERS

LENS = {"setting": "focal_length", "setting.first": 24.0, "setting.last": 70.0, "setting.focal_length_mm": 24.0}
GRAPH = {
    "1": node("GenPhotoEmbeddedModel"),
    "2": node("CameraSweepSpec", frames=2, spacing="linear", **LENS, **BASE_CAMERA),
    "3": node(
        "DifferentialCameraEncode",
        clip=["1", 1],
        sweep=["2", 0],
        camera_adapter="genphoto_tiny_focal_length.safetensors",
    ),
    "4": node("PreviewAny", source=["3", 0]),
}
SWEEP = """values => {
    const node = app.graph.nodes.find(({ type }) => type === "CameraSweepSpec");
    node.widgets.find(({ name }) => name === "values").value = values;
}"""
SHOW = """() => {
    const node = app.graph.nodes.find(({ type }) => type === "DifferentialCameraEncode");
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [450 - node.pos[0], 250 - node.pos[1]];
    app.canvas.setDirty(true, true);
}"""


@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_warning_stands_on_the_node_until_it_runs_without(frontend, renderer):
    frontend.set("Comfy.VueNodes.Enabled", RENDERERS[renderer])
    frontend.load(GRAPH)
    frontend.page.evaluate(SHOW)
    beyond = {"litegraph": 200, "vue": 210}[renderer]  # not in ComfyUI's cache
    frontend.page.evaluate(SWEEP, f"24 {beyond}")
    words = f"frame 2 (asked: {beyond} mm) will look about like 70 mm"
    told = frontend.page.locator(".genphoto-warning", has_text=words)
    toast = frontend.page.locator(".p-toast-message", has_text=words)
    assert frontend.run() == DONE
    expect(told).to_be_visible()
    expect(toast).to_be_visible()
    frontend.shot(f"warning-{renderer}")
    frontend.page.evaluate(SWEEP, "24 70")
    assert frontend.run() == DONE
    expect(told).to_have_count(0)
    frontend.page.evaluate(SWEEP, f"24 {beyond}")
    assert frontend.run() == DONE
    expect(told).to_be_visible()
