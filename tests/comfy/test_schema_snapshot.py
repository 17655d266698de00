"""What a saved workflow relies on, held by a snapshot."""

import difflib
import inspect
import json
import os
from pathlib import Path

SNAPSHOT = Path(__file__).with_name("schema.json")
WRITE = "GENPHOTO_WRITE_SCHEMA"
HOW = (
    "A saved workflow keeps widgets and outputs by their position and options by their key. Appending at the end is "
    "safe; any other change breaks workflows: it needs a node replacement and a new major version. If it is meant:\n"
    f"{WRITE}=1 python -m pytest tests/comfy/test_schema_snapshot.py"
)
NAMED = {"CameraSweepSpec", "DifferentialCameraEncode", "LiftedT2VSampler", "PhysicsSimulate"}  # without our prefix
OF_THE_HOST = {"motion_module", "camera_adapter", "sampler_name", "scheduler"}  # their options are files, or ComfyUI's
KEPT = ("default", "min", "max", "multiline", "control_after_generate", "forceInput")


def test_saved_workflows_keep_their_meaning(comfy):
    nodes = {name: _relied_on(comfy.info(name), comfy.schema(name).outputs) for name in comfy.pack_ids}
    now = json.dumps(nodes, indent=1) + "\n"
    if WRITE in os.environ:
        SNAPSHOT.write_text(now, encoding="utf-8")
    before = SNAPSHOT.read_text(encoding="utf-8")
    diff = [*difflib.unified_diff(before.splitlines(), now.splitlines(), SNAPSHOT.name, "the nodes", lineterm="")]
    assert not diff, "\n".join([HOW, *diff])


def test_the_snapshot_lists_no_files():
    assert ".safetensors" not in SNAPSHOT.read_text(encoding="utf-8")


def test_ids_are_ours_and_plain_to_a_static_scan(comfy):
    """ComfyUI-Manager finds the nodes of a pack by reading its source."""
    from comfy_api.latest import io

    for name in comfy.pack_ids:
        node = comfy.node(name)
        assert name in NAMED or name.startswith("GenPhoto")
        assert node.__name__ == name
        assert io.ComfyNode in node.__bases__
        assert f'node_id="{name}"' in inspect.getsource(node)


def _relied_on(info, outputs):
    """A line for each widget, socket and output, in their order."""
    inputs = [", ".join([f"{path}: {kind}", *_values(path, options)]) for path, kind, options in _inputs(info["input"])]
    return [*inputs, *(f"-> {output.id}: {output.io_type}" for output in outputs)]


def _values(path, options):
    if path in OF_THE_HOST:
        return []
    keys = [option["key"] if isinstance(option, dict) else option for option in options.get("options", ())]
    return [f"{key} {options[key]!r}" for key in KEPT if key in options] + ([f"options {keys}"] if keys else [])


def _inputs(groups, path=""):
    """(path, type, options) of the inputs as the frontend orders them; those of a DynamicCombo's options below it."""
    for group in ("required", "optional"):
        for name, (kind, options) in groups.get(group, {}).items():
            yield path + name, kind + " (optional)" * (group == "optional"), options
            for option in options.get("options", ()):
                if isinstance(option, dict):
                    yield from _inputs(option["inputs"], f"{path}{name}={option['key']}.")
