"""Finds a ComfyUI and an interpreter that can run it, and runs this folder's tests there when ours cannot."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

REPORTS = "GENPHOTO_COMFY_REPORTS"  # set for the inner pytest only: the file that its reports go to
NEEDED = ("aiohttp", "alembic", "comfy_aimdo", "comfy_kitchen", "torchsde", "pytest")
INTERPRETERS = (".venv/bin/python", "venv/bin/python", ".venv/Scripts/python.exe", "venv/Scripts/python.exe")
HOW = (
    "Set COMFYUI_PATH to a ComfyUI checkout and, if its interpreter is not in a venv in or beside it, "
    "COMFYUI_PYTHON to an interpreter with ComfyUI's requirements and pytest."
)


class NotFound(Exception):
    """No ComfyUI that can run here; the message says what was looked for."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A ComfyUI source tree and the interpreter that runs it."""

    path: Path
    python: Path

    @property
    def is_ours(self) -> bool:
        return self.python == Path(sys.executable)


def find(pack: Path) -> Checkout:
    """The ComfyUI to test `pack` in: COMFYUI_PATH, else the one it is installed in, else comfy-cli's workspace."""
    if "COMFYUI_PATH" in os.environ:
        places = [Path(os.environ["COMFYUI_PATH"]).expanduser()]
    else:
        installed_in = [pack.parent.parent] if pack.parent.name == "custom_nodes" else []
        places = [*installed_in, Path.home() / "comfy" / "ComfyUI"]
    path = next((place for place in places if (place / "comfyui_version.py").is_file()), None)
    if path is None:
        raise NotFound(f"no ComfyUI checkout at {' or '.join(map(str, places))}. {HOW}")
    return Checkout(path, _interpreter(path))


def find_or_reason(pack: Path) -> Checkout | str:
    """The same for pytest, or why there is none; an error if someone named the ComfyUI to use."""
    try:
        return find(pack)
    except NotFound as reason:
        if "COMFYUI_PATH" in os.environ or "COMFYUI_PYTHON" in os.environ:
            raise pytest.UsageError(str(reason)) from reason
        return str(reason)


def _interpreter(path: Path) -> Path:
    if "COMFYUI_PYTHON" in os.environ:
        pythons = [Path(os.environ["COMFYUI_PYTHON"]).expanduser()]
    else:
        found = [root / name for root in (path, path.parent) for name in INTERPRETERS]
        portable = path.parent / "python_embeded" / "python.exe"
        pythons = [Path(sys.executable), *(python for python in [*found, portable] if python.is_file())]
    reasons = []
    for python in pythons:
        missing = _missing(python)
        if not missing:
            return python
        reasons.append(f"{python} lacks {missing}")
    raise NotFound(f"nothing can run the ComfyUI at {path}: {'; '.join(reasons)}. {HOW}")


def _missing(python: Path) -> str:
    ask = "import importlib.util as u, sys; print(*(n for n in sys.argv[1:] if u.find_spec(n) is None), sep=', ')"
    try:
        answer = subprocess.run([python, "-c", ask, *NEEDED], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"everything ({error})"
    return answer.stdout.strip()


def run_tests(checkout: Checkout, node_ids: list[str], root: Path) -> tuple[dict[str, list[dict]], str]:
    """Runs the tests in ComfyUI's interpreter: their serialised reports by node id, and all that pytest printed."""
    with tempfile.TemporaryDirectory() as folder:
        reports = Path(folder) / "reports.jsonl"
        reports.touch()
        done = subprocess.run(
            [checkout.python, "-m", "pytest", "-p", "no:cacheprovider", *node_ids],
            cwd=root,
            env={**os.environ, "COMFYUI_PATH": str(checkout.path), REPORTS: str(reports)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        by_test: dict[str, list[dict]] = {}
        for line in reports.read_text(encoding="utf-8").splitlines():
            report = json.loads(line)
            if isinstance(report["longrepr"], list):
                report["longrepr"] = tuple(report["longrepr"])  # a skip's place and reason; JSON has no tuples
            by_test.setdefault(report["nodeid"], []).append(report)
    return by_test, done.stdout
