"""Runs this folder's tests in the interpreter of a ComfyUI, where ours cannot run it."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from tools.checkout import Checkout, NotFound, find

REPORTS = "GENPHOTO_COMFY_REPORTS"  # set for the inner pytest only: the file that its reports go to


def find_or_reason(pack: Path) -> Checkout | str:
    """The same for pytest, or why there is none; an error if someone named the ComfyUI to use."""
    try:
        return find(pack)
    except NotFound as reason:
        if "COMFYUI_PATH" in os.environ or "COMFYUI_PYTHON" in os.environ:
            raise pytest.UsageError(str(reason)) from reason
        return str(reason)


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
