"""ComfyUI in this process: its real loader, validation, executor and nodes; a recorder where its web server would be.

`Comfy.call` runs one node; `Comfy.run` runs a whole API-format prompt the way the queue does.
"""

import asyncio
import copy
import importlib
import logging
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image


@dataclass(frozen=True, slots=True)
class Progress:
    """One movement of a node's progress bar."""

    node: str
    value: float
    max: float


@dataclass(frozen=True, slots=True)
class Result:
    """What a prompt did, as the user and the frontend would see it."""

    success: bool
    interrupted: bool
    error: str | None  # the text under Exception Message, or the sentences of a failed validation
    report: dict[str, Any]  # the whole execution_error message: node_id, exception_type, traceback, current_inputs
    ui: dict[str, dict[str, Any]]  # by node id
    outputs: dict[str, tuple]  # by node id, one value per output; a list where the output is a list
    executed: list[str]  # the nodes that ran, in order; one taken from the cache is not among them
    progress: list[Progress]
    previews: list[tuple[str, Image.Image]]  # (node id, picture) of the live previews
    texts: dict[str, str]  # warnings that the viewer's script writes on nodes, by their ids
    executor: Any = field(repr=False)


class Recorder:
    """Stands in for server.PromptServer: keeps what ComfyUI would send to the browser."""

    client_id = "tests"

    def __init__(self, node_replace_manager):
        self.last_node_id = self.last_prompt_id = None
        self.sockets_metadata = {self.client_id: {"feature_flags": {"supports_preview_metadata": True}}}
        self.node_replace_manager = node_replace_manager
        self.begin(None)

    def begin(self, on_progress: Callable[[Progress], None] | None):
        self.executed: list[str] = []
        self.progress: list[Progress] = []
        self.previews: list[tuple[str, Image.Image]] = []
        self.texts: dict[str, str] = {}
        self._on_progress = on_progress

    def send_sync(self, event, data, sid=None):
        if event == "executing" and data["node"] is not None:
            self.executed.append(data["node"])
        elif event == "progress_state":
            self._moved(data["nodes"].values())
        elif event == "genphoto.warning":
            self.texts[data["node"]] = data["text"]
        elif not isinstance(event, str):  # a BinaryEventTypes number: ((format, picture, size), metadata)
            (_, picture, _), metadata = data
            self.previews.append((metadata["node_id"], picture))

    def send_progress_text(self, text, node_id, sid=None):
        pass

    def _moved(self, states):
        latest = {moved.node: moved for moved in self.progress}
        for state in states:
            moved = Progress(state["node_id"], state["value"], state["max"])
            if state["state"] == "running" and moved.value > 0 and latest.get(moved.node) != moved:
                self.progress.append(moved)
                if self._on_progress is not None:
                    self._on_progress(moved)


class Comfy:
    """A started ComfyUI. Its folders (input, output, temp, models) lie below `base`, never in the checkout."""

    def __init__(self, base: Path, recorder: Recorder, pack: Path, pack_ids: list[str]):
        self.base = base
        self.recorder = recorder
        self.pack = pack
        self.pack_ids = pack_ids  # the ids of this pack's nodes

    def node(self, node_id: str) -> type:
        """The class that ComfyUI knows under this id, ours or core's."""
        import nodes

        return nodes.NODE_CLASS_MAPPINGS[node_id]

    def schema(self, node_id: str):
        """The io.Schema of a V3 node."""
        return self.node(node_id).GET_SCHEMA()

    def info(self, node_id: str) -> dict[str, Any]:
        """A V3 node as /object_info describes it to the frontend: plain data, for snapshots."""
        return self.node(node_id).GET_NODE_INFO_V1()

    def call(self, node_id: str, /, **inputs) -> tuple:
        """The outputs of one V3 node without a graph: no validation, no defaults, a DynamicCombo as its nested dict."""
        import torch

        node = self.node(node_id).PREPARE_CLASS_CLONE(None)
        with torch.inference_mode():
            return node.EXECUTE_NORMALIZED(**inputs).args

    def run(
        self,
        prompt: dict[str, dict],
        *,
        after: Result | None = None,
        workflow: dict | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Result:
        """Validates and executes an API-format prompt; `after` keeps the cache of an earlier run.

        `workflow` is what the frontend sends along for the files that are saved.
        `on_progress` is called within the run, so that a test can interrupt it: `lambda moved: comfy.interrupt()`.
        """
        import execution

        import nodes

        prompt, prompt_id = copy.deepcopy(prompt), str(uuid.uuid4())
        executor = after.executor if after else _new_executor(execution, self.recorder)
        self.recorder.begin(on_progress)
        self.recorder.node_replace_manager.apply_replacements(prompt)
        valid, error, output_ids, node_errors = asyncio.run(execution.validate_prompt(prompt_id, prompt, None))
        if not valid or node_errors:
            return self._result(executor, error=_validation_text(error, node_errors))
        try:
            sent = {"client_id": Recorder.client_id, "extra_pnginfo": {"workflow": workflow} if workflow else None}
            executor.execute(prompt, prompt_id, sent, output_ids)
        finally:
            nodes.interrupt_processing(False)
        messages = dict(executor.status_messages)
        report = messages.get("execution_error", {})
        return self._result(
            executor,
            success=executor.success,
            interrupted="execution_interrupted" in messages,
            error=report["exception_message"].strip() if report else None,
            report=report,
            ui=executor.history_result["outputs"],
            outputs=asyncio.run(_cached_outputs(executor, prompt)),
        )

    def interrupt(self):
        """Presses Cancel: the running prompt stops at its next look at the flag."""
        import nodes

        nodes.interrupt_processing(True)

    def module(self, name: str) -> ModuleType:
        """A module of the pack as ComfyUI imported it ("nodes.comfy_host"), which is not the one tests import."""
        return importlib.import_module(f"{str(self.pack).replace('.', '_x_')}.{name}")

    def put_image(self, name: str, image) -> str:
        """Saves (H,W,C), (1,H,W,C) or (H,W) values in [0,1] as an 8-bit file for LoadImage, and returns its name."""
        pixels = np.asarray(image, dtype=np.float32)
        pixels = pixels[0] if pixels.ndim == 4 else pixels
        Image.fromarray(np.rint(pixels.clip(0, 1) * 255).astype(np.uint8)).save(self.base / "input" / name)
        return name

    def model_folder(self, key: str) -> Path:
        """The folder in which ComfyUI looks for this kind of model file ("checkpoints", "loras", ...)."""
        import folder_paths

        folder = Path(folder_paths.get_folder_paths(key)[0])
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _result(self, executor, **fields) -> Result:
        seen = self.recorder
        unset = {"success": False, "interrupted": False, "error": None, "report": {}, "ui": {}, "outputs": {}}
        heard = {name: getattr(seen, name) for name in ("executed", "progress", "previews", "texts")}
        return Result(**(unset | heard | fields), executor=executor)


def start(checkout: Path, pack: Path, base: Path) -> Comfy:
    """Starts ComfyUI on the CPU in this process, once, and has it load the pack from `pack`."""
    _put_first(checkout, instead_of=pack)
    for folder in ("custom_nodes", "input", "output", "temp", "user"):
        (base / folder).mkdir()
    # The order matters: folder_paths and model_management read args when they are imported.
    from comfy.cli_args import args

    args.cpu = True
    args.base_directory = str(base)
    args.disable_api_nodes = True
    import server
    from app.node_replace_manager import NodeReplaceManager

    import nodes

    recorder = Recorder(NodeReplaceManager())
    server.PromptServer.instance = recorder
    _hook_progress()
    asyncio.run(nodes.init_extra_nodes(init_custom_nodes=False, init_api_nodes=False))
    return Comfy(base, recorder, pack, _load_pack(pack))


def _put_first(checkout: Path, instead_of: Path):
    """Lets `import nodes` and `import tests` find ComfyUI's: the pack's own folders must not be on the path."""
    import genphoto  # noqa: F401  once imported, the library's submodules need no path

    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != instead_of.resolve()]
    sys.path.insert(0, str(checkout))


def _hook_progress():
    """What main.hijack_progress does, without throttling, so that a test sees every step."""
    import comfy.model_management
    import comfy.utils
    from comfy_execution.progress import get_progress_state
    from comfy_execution.utils import get_executing_context

    def hook(value, total, preview, prompt_id=None, node_id=None):
        comfy.model_management.throw_exception_if_processing_interrupted()
        context = get_executing_context()
        if context is not None:
            get_progress_state().update_progress(node_id or context.node_id, value, total, preview)

    comfy.utils.PROGRESS_THROTTLE_MIN_INTERVAL = comfy.utils.PROGRESS_THROTTLE_MIN_PERCENT = 0
    comfy.utils.set_progress_bar_global_hook(hook)


def _load_pack(pack: Path) -> list[str]:
    """Loads the pack through ComfyUI's loader, which logs what went wrong and returns False; we raise it."""
    import nodes

    logged: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: logged.append(record.getMessage())
    logging.getLogger().addHandler(handler)
    before = set(nodes.NODE_CLASS_MAPPINGS)
    try:
        loaded = asyncio.run(nodes.load_custom_node(str(pack), ignore=before))
    finally:
        logging.getLogger().removeHandler(handler)
    if not loaded:
        raise RuntimeError(f"ComfyUI could not load {pack}:\n" + "\n".join(logged))
    return sorted(set(nodes.NODE_CLASS_MAPPINGS) - before)


def _new_executor(execution, recorder: Recorder):
    return execution.PromptExecutor(recorder, cache_type=False, cache_args={"lru": 0, "ram": 0, "ram_inactive": 0})


async def _cached_outputs(executor, prompt: dict[str, dict]) -> dict[str, tuple]:
    entries = {node_id: await executor.caches.outputs.get(node_id) for node_id in prompt}
    return {
        node_id: tuple(values[0] if len(values) == 1 else values for values in entry.outputs)
        for node_id, entry in entries.items()
        if entry is not None
    }


def _validation_text(error: dict | None, node_errors: dict[str, dict]) -> str:
    lines = [
        f"{found['class_type']} {node_id}: {reason['message']}: {reason['details']}"
        for node_id, found in node_errors.items()
        for reason in found["errors"]
    ]
    return "\n".join(lines) or f"{error['message']}: {error['details']}"
