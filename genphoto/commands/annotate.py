"""`python -m genphoto annotate`: the captions and depth files that a folder of photographs lacks."""

from __future__ import annotations

import argparse

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ..files.photos import DEPTH_KINDS
from ..optional_packages import set_aside_broken_torchvision
from .arguments import chosen_device, file_path

EXAMPLES = """examples:
  hf download Salesforce/blip-image-captioning-base
  hf download depth-anything/Depth-Anything-V2-Small-hf
  python -m genphoto annotate photos --captioner Salesforce/blip-image-captioning-base \\
      --depth depth-anything/Depth-Anything-V2-Small-hf"""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `annotate` to the commands."""
    command = commands.add_parser(
        "annotate",
        help="write the captions and depth that a folder of photographs lacks",
        description="Writes name.txt and name_disparity.npy or name_metric.npy beside photographs that lack them. "
        "What is there is kept; run it again to go on. Models must be on disk: nothing is downloaded.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=annotate_folder)
    command.add_argument("folder", type=file_path, metavar="FOLDER", help="photographs: JPEG, PNG, TIFF or WebP")
    command.add_argument(
        "--captioner", metavar="MODEL", help="folder or Hugging Face id of a BLIP, GIT or ViT-GPT2 model (transformers)"
    )
    command.add_argument(
        "--depth",
        metavar="MODEL",
        help="folder or Hugging Face id of a depth estimator (transformers): Depth Anything, DPT, GLPN, ZoeDepth, "
        "Depth Pro",
    )
    command.add_argument(
        "--depth-kind",
        choices=DEPTH_KINDS,
        help="what the estimator's values mean (default: as its configuration says)",
    )
    command.add_argument("--device", choices=("cpu", "cuda", "mps"), help="default: cuda, else mps, else cpu")


def annotate_folder(args: argparse.Namespace) -> None:
    """Write what is missing in a folder."""
    if not args.captioner and not args.depth:
        raise ValueError("annotate needs a model: give --captioner, --depth or both.")
    if args.depth_kind and not args.depth:
        raise ValueError("--depth-kind describes a depth estimator. Give it by --depth MODEL.")
    device = chosen_device(args.device)
    from ..data.photos.annotate import annotate, find_gaps, load_captioner, load_depth_estimator

    gaps = find_gaps(args.folder, captions=bool(args.captioner), depths=bool(args.depth))
    if not gaps:
        print(f"Nothing is missing in {args.folder}.")
        return
    set_aside_broken_torchvision()
    try:
        import transformers
    except ImportError as error:
        raise ValueError(f"annotate needs transformers ({error}). Run: pip install 'genphoto[generate]'.") from None
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    captioner = depth_estimator = None
    if any(gap.caption for gap in gaps):
        captioner = load_captioner(args.captioner, device)
    if any(gap.depth for gap in gaps):
        depth_estimator = load_depth_estimator(args.depth, device, args.depth_kind)
    with tqdm(total=len(gaps), unit="photo", disable=None, leave=False) as bar, logging_redirect_tqdm():
        done = annotate(gaps, captioner, depth_estimator, on_photo=lambda name: bar.update())
    print(f"Written to {args.folder}: captions {done.captions}, depth files {done.depths}.")
    if done.skipped:
        print(f"Skipped, for the reasons above: {', '.join(done.skipped)}.")
