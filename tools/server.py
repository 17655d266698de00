"""A ComfyUI of its own, as a user starts it, with this pack and with all its folders elsewhere."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from .checkout import Checkout

STARTS_WITHIN = 600  # [s], on a busy machine; 20 on a quiet one
SETTINGS = {  # of someone who has used ComfyUI before: no template browser, no tour; text at every zoom
    "Comfy.TutorialCompleted": True,
    "Comfy.OnboardingCoachmarks.Seen": ["appMode"],
    "Comfy.Minimap.Visible": False,
    "Comfy.Graph.CanvasInfo": False,
    "LiteGraph.Canvas.MinFontSizeForLOD": 0,
}


@contextmanager
def running(checkout: Checkout, pack: Path, base: Path) -> Iterator[str]:
    """The address of a started ComfyUI; it ends with the context."""
    _furnish(checkout, pack, base)
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url, log = f"http://127.0.0.1:{port}", base / "server.log"
    options = ["--cpu", "--disable-api-nodes", "--listen", "127.0.0.1", "--port", str(port)]
    folders = ["--base-directory", str(base), "--database-url", f"sqlite:///{base / 'user' / 'comfyui.db'}"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [checkout.python, "main.py", *options, *folders],
            cwd=checkout.path,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait(process, url, log)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=60)


def _furnish(checkout: Checkout, pack: Path, base: Path) -> None:
    for folder in ("custom_nodes", "output", "temp", "user/default", "models"):
        (base / folder).mkdir(parents=True)
    shutil.copytree(checkout.path / "input", base / "input")
    for name in ("sample.jpg", "sample_depth.png"):
        shutil.copy(pack / "docs" / name, base / "input")
    (base / "custom_nodes" / "genphoto").symlink_to(pack, target_is_directory=True)
    (base / "user" / "default" / "comfy.settings.json").write_text(json.dumps(SETTINGS), encoding="utf-8")


def _wait(process: subprocess.Popen, url: str, log: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while process.poll() is None and time.monotonic() < until:
        try:
            urllib.request.urlopen(f"{url}/system_stats", timeout=5).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    printed = log.read_text(encoding="utf-8", errors="replace")
    raise RuntimeError(f"ComfyUI did not start ({process.poll()}); it printed:\n{printed[-6000:]}")
