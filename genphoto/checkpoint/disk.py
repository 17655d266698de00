"""Model files on disk: dictionaries of tensors, whatever they mean."""

from __future__ import annotations

import os
import pickle
import re
import struct
import zipfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..files.whole_file import whole_file

AGAIN = "Download it again and compare its size with the one on the download page."
# What the readers of torch.save's formats raise where bytes are missing or wrong.
DAMAGED = (
    RuntimeError,
    EOFError,
    OSError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    struct.error,
)
LONGEST_HEADER = 100_000_000  # bytes; the limit of safetensors itself
UNUSED = "optimizer_state_dict"  # training state: twice the size of the weights


def load(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """(state, metadata) of a model file on the CPU: .safetensors, or what `torch.save` wrote, told by their content.

    Weights stay on disk until they are used, where the format allows it. Nothing in a file is executed.

    Raises:
        ValueError: if the file cannot be read, is incomplete, or holds anything but weights.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(512)
        size = path.stat().st_size
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}. Check the path.") from None
    if not start:
        raise ValueError(f"{path.name} is empty (0 bytes). {AGAIN}")
    if start.startswith((b"PK", b"\x80")):
        return _load_pickle(path, size, zipped=start.startswith(b"PK")), {}
    if _is_safetensors(start):
        return _load_safetensors(path, size)
    if start.startswith(b"version https://git-lfs"):
        raise ValueError(f"{path.name} is a Git LFS pointer, not the weights. Run git lfs pull, or download the file.")
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise ValueError(f"{path.name} is a web page, not a model file: the download was a link to a page. {AGAIN}")
    if start.startswith(b"GGUF"):
        raise ValueError(f"{path.name} is a GGUF file of quantized weights. Use the original file, in .safetensors.")
    text = all(byte >= 32 or byte in b"\t\r\n" for byte in start)
    if text and path.name.endswith(".index.json"):
        raise ValueError(
            f"{path.name} lists the parts of a model in several files and holds no weights itself. Use a model in one "
            "file: load it in its own program and save it with a larger max_shard_size."
        )
    raise ValueError(
        f"{path.name} is {'a text file' if text else 'of an unknown format'}, not a model file. "
        "Model files are .safetensors, or .ckpt, .pt, .pth and .bin written by PyTorch."
    )


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The metadata of a .safetensors file; those of any other are empty. Nothing else is read.

    Raises:
        ValueError: if a .safetensors file is incomplete.
    """
    path = Path(path)
    with path.open("rb") as file:
        if not _is_safetensors(file.read(9)):
            return {}
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path.name} is incomplete or damaged ({_cause(error)}). {AGAIN}") from None


def save(path: str | os.PathLike[str], weights: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a .safetensors file, all of it or nothing: an older file of that name survives every failure.

    Raises:
        ValueError: if the file cannot be written.
    """
    path = Path(path)
    try:
        with whole_file(path) as unfinished:
            with unfinished.open("xb") as file:
                mode = os.fstat(file.fileno()).st_mode
            save_file({k: v.detach().cpu().contiguous() for k, v in weights.items()}, unfinished, dict(metadata))
            unfinished.chmod(mode)  # safetensors may have made it readable for its owner only
            with unfinished.open("rb+") as file:
                os.fsync(file.fileno())
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path} cannot be written: {_cause(error)}. Nothing was changed.") from error


def _load_pickle(path: Path, size: int, zipped: bool) -> dict[str, Any]:
    if zipped and not zipfile.is_zipfile(path):
        raise ValueError(f"{path.name} ends too early, at {size:,} bytes. {AGAIN}")
    try:
        with _numbers_of_numpy():
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except (pickle.UnpicklingError, *DAMAGED) as error:
        if "TorchScript" in str(error):
            raise ValueError(
                f"{path.name} is a TorchScript program, not weights alone. It was not opened: use the original "
                "release, or a .safetensors file."
            ) from None
        # PyTorch's advice is weights_only=False, which would execute the file: it is left out.
        if refused := re.search(r"GLOBAL (?:instruction )?([\w.]+)|[Uu]nsupported class", str(error)):
            raise ValueError(
                f"{path.name} holds Python objects beside weights ({refused[1] or 'a class'}). It was not opened: "
                "that can run programs. Use the original release, or a .safetensors file."
            ) from None
        raise ValueError(
            f"{path.name} of {size:,} bytes is incomplete, or not written by torch.save ({_cause(error)}). {AGAIN}"
        ) from None
    if not isinstance(state, dict):
        raise ValueError(f"{path.name} holds a {type(state).__name__}, not a dictionary of weights.")
    state.pop(UNUSED, None)
    return state


def _is_safetensors(start: bytes) -> bool:
    """Whether a file begins with the length of a header, and the header: text has a brace there by chance."""
    return start[8:9] == b"{" and int.from_bytes(start[:8], "little") < LONGEST_HEADER


def _scalar(*_: Any) -> None:
    """In the place of NumPy's function that makes a scalar of a type and bytes: nobody reads it."""


STAND_INS = [
    type("scalar", (), {"__module__": module, "__new__": _scalar})
    for module in ("numpy.core.multiarray", "numpy._core.multiarray")  # of NumPy 1 and 2
]
NUMERIC = [type(np.dtype(code)) for code in "?bhilqBHILQefdgFDGSU"]  # no Python objects, no structures


def _numbers_of_numpy() -> AbstractContextManager[Any]:
    """While it lasts, PyTorch reads past the scalars of NumPy that training scripts leave; PyTorch 2.4 refuses them.

    What a host has allowed already stays allowed afterwards.
    """
    if not hasattr(torch.serialization, "safe_globals"):
        return nullcontext()
    allowed = torch.serialization.get_safe_globals()
    return torch.serialization.safe_globals([x for x in (np.dtype, *NUMERIC, *STAND_INS) if x not in allowed])


def _load_safetensors(path: Path, size: int) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path.name} of {size:,} bytes is incomplete or damaged ({_cause(error)}). {AGAIN}") from None


def _cause(error: Exception) -> str:
    """A few words of an error; PyTorch's own pages of advice are left out."""
    if isinstance(error, pickle.UnpicklingError):
        return "no weights can be read in it"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.splitlines()[0][:120].rstrip(". ")
