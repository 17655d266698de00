"""Finds a ComfyUI and an interpreter that can run it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

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
