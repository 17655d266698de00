"""`python -m genphoto train`: the tiny model from nothing, or a camera adapter on Stable Diffusion 1.5."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace

from ..optional_packages import set_aside_broken_torchvision
from .arguments import file_path, number

REPOSITORY = "https://github.com/genphoto/comfyui-genphoto"
EXAMPLES = """examples:
  python -m genphoto train tiny-cpu --out runs/tiny
  accelerate launch -m genphoto train sd15-physical --out runs/sd15
  python -m genphoto train my.toml --out runs/mine"""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `train` to the commands."""
    command = commands.add_parser(
        "train",
        help="train the tiny model or a camera adapter",
        description="Trains what a TOML file or a recipe of genphoto/training/recipes says. The same command goes on "
        "where it stopped. For several GPUs or machines: accelerate launch -m genphoto train ...",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=train_model)
    command.add_argument("config", metavar="CONFIG", help="a TOML file, or the name of a recipe")
    command.add_argument(
        "--out", type=file_path, required=True, metavar="DIR", help="checkpoints, curves, pictures, result"
    )
    command.add_argument("--stage", metavar="NAME", help="the last stage to train (default: all)")
    command.add_argument(
        "--steps", type=number(1, 10**9, whole=True), metavar="N", help="at most N steps per stage, to try a recipe"
    )
    command.add_argument(
        "--minutes",
        type=number(0.01, 1e6, "minutes"),
        metavar="M",
        help="stop after M minutes; the same command goes on",
    )
    command.add_argument("--cpu", action="store_true", help="even where there is a GPU")


def train_model(args: argparse.Namespace) -> None:
    """Train, and name the written files."""
    set_aside_broken_torchvision()
    try:
        from ..training.config_file import load_config

        config = load_config(args.config)
        from ..training.run import train
    except ImportError as error:  # of a package, or of genphoto.training, which the registry's package lacks
        raise ValueError(
            f"train needs a clone of {REPOSITORY} and more packages ({error}). Run there: pip install -e '.[train]'."
        ) from None
    if args.steps is not None:
        stages = [replace(stage, steps=min(stage.steps, args.steps)) for stage in config.stages]
        config = replace(config, stages=tuple(stages))
    minutes = math.inf if args.minutes is None else args.minutes
    written = train(config, args.out, cpu=args.cpu, only=args.stage, minutes=minutes, on_save=_tell)
    if written:  # by the main process
        print("Written:", *(f"  {path}" for path in written), sep="\n")
    elif args.minutes is not None:
        print(f"Stopped after {minutes:g} minutes with a checkpoint. The same command goes on there.")


def _tell(line: str) -> None:
    from tqdm import tqdm

    with tqdm.external_write_mode():  # a progress bar may stand on the line
        print(line, flush=True)
