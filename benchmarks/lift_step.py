"""What the lift and its camera cost: one denoising step of SD 1.5 at the published size, random weights, one run.

    python benchmarks/lift_step.py [--rounds 3] [--device cuda --dtype float16] [--peer "COMMAND"]

Prints the time of a step of five frames at 256x384 for the image model alone, lifted (what AnimateDiff costs), and
lifted with a camera; their ratios; the time to the first step (camera encoder and layout of its features) and the peak
memory. A peer is a command that, for each line it reads, makes one such step with a camera and prints "seconds: N".
"""

import argparse
import re
import resource
import shlex
import statistics
import subprocess
import time

import torch
from diffusers import UNet2DConditionModel

from genphoto.model.camera_encoder import DifferentialCameraEncoder
from genphoto.model.config import PUBLISHED
from genphoto.model.diffusers_host import LiftedUNet
from genphoto.model.lift import ActiveCamera, CameraMerges, Lift

FRAMES = 5


def ask(peer: subprocess.Popen) -> float:
    """Seconds that the peer's next step took."""
    peer.stdin.write("step\n")
    for line in peer.stdout:
        if match := re.search(r"seconds: ([\d.]+)", line):
            return float(match[1])
    raise SystemExit("The peer ended without an answer.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float16", "bfloat16"])
    parser.add_argument("--peer", help="a command that answers each line by 'seconds: N'")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    place = {"device": args.device, "dtype": getattr(torch, args.dtype)}

    unet = UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8).eval().to(**place)
    lift = Lift(PUBLISHED.backbone, PUBLISHED.motion).eval().to(**place)
    merges = CameraMerges(PUBLISHED.backbone).eval().to(**place)
    encoder = DifferentialCameraEncoder(PUBLISHED.backbone, PUBLISHED.encoder).eval().to(**place)
    for parameter in merges.parameters():
        parameter.normal_(std=0.02)
    latents, text = torch.randn(FRAMES, 4, 32, 48, **place), torch.randn(1, 77, 768, **place)
    embedding = torch.randn(1, 6, FRAMES, 256, 384, **place)
    lifted = LiftedUNet(unet, lift)

    def timed(step) -> float:
        start = time.perf_counter()
        step()
        if args.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    made = {}
    encoding = timed(lambda: made.update(features=encoder(embedding)))
    cameras = [ActiveCamera(merges, made["features"])]
    steps = {
        "image model alone": lambda: unet(latents, 500, text.expand(FRAMES, -1, -1)),
        "lifted, no camera": lambda: lifted(latents, 500, text, FRAMES),
        "lifted, with camera": lambda: lifted(latents, 500, text, FRAMES, cameras),
    }
    first = timed(steps["lifted, with camera"])
    seconds = {name: [] for name in steps}
    if args.peer:
        peer = subprocess.Popen(
            shlex.split(args.peer), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        ask(peer)  # loads and warms up
        seconds["peer, with camera"] = []
    for _ in range(args.rounds):
        for name, step in steps.items():
            seconds[name].append(timed(step))
        if args.peer:
            seconds["peer, with camera"].append(ask(peer))

    print(f"{args.device}, {args.dtype}, {torch.get_num_threads()} threads, {args.rounds} rounds in turn")
    plain = seconds["lifted, no camera"]
    for name, times in seconds.items():
        ratios = [a / b for a, b in zip(times, plain, strict=True)]
        print(
            f"{name:20} median {statistics.median(times):8.3f} s   best {min(times):8.3f} s   "
            f"to lifted without camera: median {statistics.median(ratios):.3f}, best/best {min(times) / min(plain):.3f}"
        )
    print(f"camera encoder once {encoding:.2f} s, first step {first:.2f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory of the process {peak:.2f} GiB")
    if args.device == "cuda":
        print(f"peak memory on the device {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB")


if __name__ == "__main__":
    main()
