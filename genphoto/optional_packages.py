"""Installed packages that cannot be imported, as one built for another PyTorch: what does not need them goes on."""

from __future__ import annotations

import importlib
import logging
import sys

log = logging.getLogger(__name__)

# What compiled packages raise that fit neither PyTorch nor NumPy nor the system's libraries.
BROKEN = (ImportError, AttributeError, OSError, RuntimeError, TypeError, ValueError)


def set_aside_broken_torchvision() -> None:
    """Make a torchvision that cannot be imported look missing, and say so: call it before diffusers or transformers.

    They import it wherever it is installed, need it for nothing that is used here, and would fail with it.
    """
    if "torchvision" in sys.modules:
        return
    try:
        importlib.import_module("torchvision")
    except ModuleNotFoundError as error:
        if error.name == "torchvision":
            return
        _set_aside("torchvision", error)
    except BROKEN as error:
        _set_aside("torchvision", error)


def _set_aside(name: str, error: BaseException) -> None:
    sys.modules[name] = None  # type: ignore[assignment]  # how Python marks what must not be imported
    log.warning(
        "%s is installed but cannot be imported (%s); goes on without it. Install the %s that fits this PyTorch, "
        "or none.",
        name,
        " ".join(str(error).split()),
        name,
    )
