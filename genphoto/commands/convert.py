"""`python -m genphoto convert`: a motion module or camera adapter as .safetensors that says what it is."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..camera.settings import SETTINGS, setting_named
from ..checkpoint import (
    CAMERA_ADAPTER,
    MOTION_MODULE,
    CameraFile,
    MotionFile,
    camera_adapter,
    cast,
    load,
    motion_module,
    recognize,
    save_camera_adapter,
    save_motion_module,
)
from ..model.config import Architecture
from .arguments import file_path

DTYPES = {"keep": None, "fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
RELEASED = [setting.name for setting in SETTINGS if setting.published]

LICENSE = """The released weights are under CC BY-NC-ND 4.0: convert for your own disk, do not share the result.

examples:
  python -m genphoto convert v3_sd15_mm.ckpt motion.safetensors --dtype fp16
  python -m genphoto convert checkpoint-bokehK.ckpt bokeh.safetensors --setting bokeh"""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `convert` to the commands."""
    command = commands.add_parser(
        "convert",
        help="write a motion module or camera adapter as .safetensors",
        description="Takes the weights out of a released or trained file and adds what they are. IN stays as it is.",
        epilog=LICENSE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=convert_file)
    command.add_argument("source", type=file_path, metavar="IN", help=".ckpt, .pt, .pth, .bin or .safetensors")
    command.add_argument("out", type=file_path, metavar="OUT.safetensors", help="the file to write")
    command.add_argument(
        "--setting",
        metavar="NAME",
        help=f"what a camera adapter steers, where its file does not say it: {', '.join(RELEASED)}",
    )
    command.add_argument("--dtype", choices=DTYPES, default="keep", help="type of the weights (default keep)")
    command.add_argument("--overwrite", action="store_true", help="replace OUT (default: refuse)")


def convert_file(args: argparse.Namespace) -> None:
    """Read, recognize, write."""
    source, out = args.source, args.out
    if out.suffix != ".safetensors":
        raise ValueError(f"{out} is not a name for a .safetensors file. Write OUT.safetensors.")
    if out.exists() and not args.overwrite:
        raise ValueError(f"{out} exists already. Choose another name, or say --overwrite.")
    if out.exists() and source.exists() and out.samefile(source):
        raise ValueError(f"{out} is the file to convert. Choose another name.")
    state, metadata = load(source)
    dtype = DTYPES[args.dtype]
    if (kind := recognize(state)) == MOTION_MODULE:
        file = motion_module(state, metadata, source.name)
        if args.setting:
            raise ValueError(f"{source.name} is {kind}, which serves every camera setting. Leave out --setting.")
        _report(source, kind, file.architecture, file.weights)
        save_motion_module(out, file if dtype is None else MotionFile(file.architecture, cast(file.weights, dtype)))
    elif kind == CAMERA_ADAPTER:
        file = _with_setting(camera_adapter(state, metadata, source.name), args.setting, source.name)
        _report(
            source,
            f"{kind} for {file.steering.name} ({file.steering.variant})",
            file.architecture,
            file.encoder | file.merges,
        )
        if dtype is not None:
            file = replace(file, encoder=cast(file.encoder, dtype), merges=cast(file.merges, dtype))
        save_camera_adapter(out, file)
    else:
        raise ValueError(f"{source.name} is {kind}. Nothing to convert: this takes motion modules and camera adapters.")
    print(f"Written: {out}, {_size(out)}")


def _with_setting(file: CameraFile, setting: str | None, name: str) -> CameraFile:
    steering = file.steering
    if not steering.settings and setting is None:
        raise ValueError(
            f"{name} does not say which camera setting it steers. Say it by --setting: {', '.join(RELEASED)}."
        )
    if setting and steering.settings and steering.name != setting:
        raise ValueError(f"{name} says that it steers {steering.name}, not {setting}. Leave out --setting.")
    settings = steering.settings or (setting_named(setting),)
    return replace(file, steering=replace(steering, settings=settings))


def _report(source: Path, kind: str, architecture: Architecture, weights: Mapping[str, Tensor]) -> None:
    levels = " ".join(map(str, architecture.backbone.widths))
    types = ", ".join(sorted({str(tensor.dtype).removeprefix("torch.") for tensor in weights.values()}))
    millions = sum(tensor.numel() for tensor in weights.values()) / 1e6
    print(f"{source.name} is {kind}, levels {levels}.")
    print(f"Read: {source}, {_size(source)}, {millions:.1f} M parameters in {types}")


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:,.1f} MB"
