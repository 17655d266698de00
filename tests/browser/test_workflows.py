"""Every shipped workflow in the real frontend; those that need no download run to their end."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

WORKFLOWS = sorted((Path(__file__).parents[2] / "workflows").glob("*.json"))


def graphs(workflow):
    """The workflow and its subgraphs."""
    return [workflow, *workflow.get("definitions", {}).get("subgraphs", [])]


def links(graph):
    """(from node, from slot, to node, to slot) of every link."""
    ends = ("origin_id", "origin_slot", "target_id", "target_slot")
    pairs = (link[1:5] if isinstance(link, list) else [link[end] for end in ends] for link in graph["links"])
    return {tuple(map(str, pair)) for pair in pairs}


def downloads(workflow):
    """Names of the model files that the workflow asks for."""
    nodes = [node for graph in graphs(workflow) for node in graph["nodes"]]
    return {model["name"] for node in nodes for model in node.get("properties", {}).get("models", [])}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_opens_whole_and_runs_where_nothing_has_to_be_downloaded(frontend, path):
    workflow = json.loads(path.read_text(encoding="utf-8"))
    frontend.set("Comfy.VueNodes.Enabled", False)
    frontend.load(workflow, path.name.removesuffix(".json"))
    types = sorted({node["type"] for graph in graphs(workflow) for node in graph["nodes"]})
    assert frontend.page.evaluate("types => types.filter(t => !(t in LiteGraph.registered_node_types))", types) == []
    assert list(map(links, graphs(frontend.serialized()))) == list(map(links, graphs(workflow)))
    if path.name.endswith(".app.json"):
        expect(frontend.page.get_by_test_id("linear-widgets")).to_be_visible()

    outcome = frontend.run()
    wanted = downloads(workflow)
    if wanted:
        refused = frontend.refusals()
        assert refused, outcome
        assert [reason for reason in refused if not any(name in reason for name in wanted)] == []
    else:
        assert outcome == "execution_success"
    if not path.name.endswith(".app.json"):
        frontend.command("Comfy.Canvas.FitView")
    frontend.shot(f"workflow-{path.stem}")
