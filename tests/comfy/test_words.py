"""Tooltips, help pages and Chinese words against the nodes that ComfyUI shows."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ZH = ROOT / "locales" / "zh"
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture
def nodes(comfy):
    return {node_id: comfy.info(node_id) for node_id in comfy.pack_ids}


@pytest.fixture(scope="module")
def chinese():
    return json.loads((ZH / "nodeDefs.json").read_text(encoding="utf-8"))


def inputs(info):
    """Widget or socket as the frontend calls it ("setting.first") -> its tooltip."""
    found = {}
    for name, (kind, told) in declared(info["input"]):
        found[name] = told.get("tooltip")
        if kind == "COMFY_DYNAMICCOMBO_V3":
            for option in told["options"]:
                found |= {f"{name}.{child}": more.get("tooltip") for child, (_, more) in declared(option["inputs"])}
    return found


def declared(groups):
    return [pair for group in ("required", "optional") for pair in groups.get(group, {}).items()]


def test_every_node_input_and_output_says_what_it_means(nodes):
    for node_id, info in nodes.items():
        words = {"description": info["description"], **inputs(info)}
        words |= dict(zip(info["output_name"], info["output_tooltips"], strict=True))
        assert not [name for name, text in words.items() if not (text or "").endswith(".")], node_id


def test_every_node_is_found_by_other_words_than_its_name(nodes):
    for node_id, info in nodes.items():
        assert len(set(info["search_aliases"])) == len(info["search_aliases"]) >= 4, node_id


def test_a_help_page_names_every_input_and_output(nodes):
    for node_id, info in nodes.items():
        page = (ROOT / "web" / "docs" / f"{node_id}.md").read_text(encoding="utf-8")
        assert page.startswith(f"# {info['display_name']}\n")
        for name in [*inputs(info), *info["output_name"]]:
            assert f"**{name.split('.')[-1]}**" in page, (node_id, name)


def test_the_chinese_words_are_those_of_the_nodes_inputs_and_outputs(nodes, chinese):
    assert sorted(chinese) == sorted(nodes)
    for node_id, info in nodes.items():
        node = chinese[node_id]
        assert set(node["inputs"]) == {name.replace(".", "_") for name in inputs(info)}, node_id
        assert list(node["outputs"]) == [str(index) for index in range(len(info["output_name"]))], node_id
        slots = [*node["inputs"].values(), *node["outputs"].values()]
        assert all(CHINESE.search(text) for text in (node["display_name"], node["description"])), node_id
        assert all(slot["name"] and CHINESE.search(slot["tooltip"]) for slot in slots), node_id


def test_a_chinese_page_names_every_input_and_output_in_both_languages(nodes, chinese):
    for node_id, info in nodes.items():
        page = (ROOT / "web" / "docs" / node_id / "zh.md").read_text(encoding="utf-8")
        assert page.startswith(f"# {chinese[node_id]['display_name']}\n")
        labels = {name: chinese[node_id]["inputs"][name.replace(".", "_")]["name"] for name in inputs(info)}
        outputs = [output["name"] for output in chinese[node_id]["outputs"].values()]
        for name, label in [*labels.items(), *zip(info["output_name"], outputs, strict=True)]:
            assert f"**{label}**" in page, (node_id, name)
            assert f"`{name.split('.')[-1]}`" in page, (node_id, name)


def test_comfyui_serves_the_chinese_words(comfy, chinese):
    from app.custom_node_manager import CustomNodeManager

    place = comfy.base / "custom_nodes" / ROOT.name
    place.symlink_to(ROOT)
    try:
        served = CustomNodeManager().build_translations()["zh"]
    finally:
        place.unlink()
    assert served["nodeDefs"] == chinese
    assert served["nodeCategories"] == {comfy.info("CameraSweepSpec")["category"]: "生成式摄影"}
