"""Time and peak memory of a sweep of a large photograph, per setting, each in a process of its own.

python benchmarks/sweeps.py [--megapixels 24] [--frames 5] [--runs 3] [--noise] [--before CHECKOUT]

Peak memory is what rendering adds to the loaded photograph, in sizes of the result. With another checkout of this
repository (git worktree add CHECKOUT COMMIT) both take turns, and the ratio of their best times is given.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
SETTINGS = {
    "focal_length": (24, 70),
    "aperture": (2.0, 16.0),
    "shutter_speed": (0.1, 1.0),
    "color_temperature": (2500, 10000),
}


def measure(setting: str, megapixels: float, frames: int, noise: bool) -> dict[str, float]:
    import torch

    from genphoto.camera import imaging
    from genphoto.camera.photo import Photo
    from genphoto.camera.sweep import CameraSweep

    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    size = (height, round(height * 1.5))
    image = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    disparity = torch.linspace(0.01, 1, size[0])[:, None].expand(size).contiguous()
    sweep = CameraSweep.linear(setting, *SETTINGS[setting], frames)
    photo = Photo(image, disparity, sweep.base)
    generator = torch.Generator().manual_seed(0) if noise else None
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    result = imaging.simulate(photo, sweep, generator=generator)
    if not isinstance(result, torch.Tensor):
        result = imaging.stacked(result, frames)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "results": (peak - loaded) * 2**10 / (result.numel() * result.element_size())}


def run(checkout: Path, setting: str, args: argparse.Namespace) -> dict[str, float]:
    options = ["--megapixels", str(args.megapixels), "--frames", str(args.frames), *["--noise"][: args.noise]]
    command = [sys.executable, __file__, *options, "--child", setting, str(checkout)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=24.0)
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--noise", action="store_true")
    parser.add_argument("--before", type=Path)
    parser.add_argument("--settings", nargs="*", default=list(SETTINGS), choices=SETTINGS)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        sys.path.insert(0, args.child[1])
        print(json.dumps(measure(args.child[0], args.megapixels, args.frames, args.noise)))
        return
    checkouts = {"now": HERE, **({"before": args.before.resolve()} if args.before else {})}
    for setting in args.settings:
        rows = {name: [] for name in checkouts}
        for _ in range(args.runs):
            for name, checkout in checkouts.items():
                rows[name].append(run(checkout, setting, args))
        best = {name: min(row["seconds"] for row in found) for name, found in rows.items()}
        peak = {name: max(row["results"] for row in found) for name, found in rows.items()}
        line = f"{setting:18} {best['now']:6.1f} s  peak {peak['now']:.2f} results"
        if "before" in best:
            ratio = best["before"] / best["now"]
            line += f"   before {best['before']:6.1f} s ({ratio:.1f} x)  peak {peak['before']:.2f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
