"""What Save Sweep is sent for its filename_prefix: filled in as for core's SaveImage."""

import re
from datetime import datetime

import pytest

from .graphs import node, sweep

PREFIX = "%date:yyyy-MM-dd%/%CameraSweepSpec.values%_%Two pictures.width%_%height%_%nobody.here%"
FILLED = re.compile(r"(\d{4})-\d\d-\d\d/2 4_48_%height%_%nobody\.here%")  # what is left, the server fills in or keeps
SENT = """async () => {
    const { output } = await app.graphToPrompt();
    return Object.values(output)
        .filter(node => node.class_type.includes("Save"))
        .map(node => node.inputs.filename_prefix);
}"""
KEPT = "() => app.canvas.graph.nodes.filter(n => n.type.includes('Save')).map(n => n.widgets[0].value)"
SAVED = "() => Object.values(app.nodeOutputs).flatMap(({ images }) => images ?? []).map(image => image.subfolder)"
SAVE = {"format": "png", "quality": 95, "origin": "simulated from a photograph", "contact_sheet": False}
GRAPH = {
    "1": node("EmptyImage", width=48, height=32, batch_size=2, color=0x806040) | {"_meta": {"title": "Two pictures"}},
    "2": sweep("2 4"),
    "3": node(
        "GenPhotoSaveSweep", images=["1", 0], sweep=["2", 0], filename_prefix=PREFIX, animation=False, fps=2.0, **SAVE
    ),
    "4": node("SaveImage", images=["1", 0], filename_prefix=PREFIX),
}


@pytest.mark.parametrize("vue", [False, True], ids=["litegraph", "vue"])
def test_dates_and_widgets_are_filled_in_as_core_does_it(frontend, vue):
    frontend.set("Comfy.VueNodes.Enabled", vue)
    frontend.load(GRAPH)
    ours, core = frontend.page.evaluate(SENT)
    assert ours == core
    assert int(FILLED.fullmatch(ours)[1]) - datetime.now().year in (-1, 0)
    assert frontend.page.evaluate(KEPT) == [PREFIX, PREFIX]
    assert frontend.run() == "execution_success"
    assert {folder[:4] for folder in frontend.page.evaluate(SAVED)} == {ours[:4]}


def test_they_are_filled_in_within_a_subgraph(frontend):
    frontend.set("Comfy.VueNodes.Enabled", False)
    frontend.load(GRAPH)
    frontend.into_subgraph("GenPhotoSaveSweep")
    assert all(FILLED.fullmatch(prefix) for prefix in frontend.page.evaluate(SENT))
