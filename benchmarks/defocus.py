"""Accuracy, time and memory of our depth of field against the classical scatter.

    python benchmarks/defocus.py --truth DIR

DIR holds ray-traced scenes as .npz: aif and bokeh0, bokeh1, ... (H,W,3) linear, disp (H,W) and meta, JSON with K [px]
and disp_focus of each bokeh picture. Nothing is extrapolated. Times are CPU seconds of one thread, the best of three
(scatter above 10 s: of one), so that other work on the machine matters little; only ratios carry over to others.
"""

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from genphoto.camera.defocus import defocus
from genphoto.camera.scatter import scatter

SIZES = ((256, 384), (512, 768), (1024, 1536))
RADII_PX = (12, 24, 48)


def encode(linear: np.ndarray) -> np.ndarray:
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)


def decode(codes: np.ndarray) -> np.ndarray:
    return np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)


def scatter_of_clipped_codes(image: Tensor, coc_px: Tensor) -> Tensor:
    """The classical way: 8-bit-like codes, clipped at 1, blurred as codes ** 2.2."""
    codes = torch.from_numpy(encode(image.numpy())).float()
    blurred = scatter(codes**2.2, coc_px) ** (1 / 2.2)
    return torch.from_numpy(decode(blurred.numpy())).float()


METHODS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "ours": defocus,
    "scatter": scatter,
    "scatter LDR": scatter_of_clipped_codes,
}


def quality(picture: Tensor, truth: np.ndarray, border: int) -> tuple[float, float, float]:
    """PSNR [dB] of the interior and of the full frame, and SSIM, all on sRGB codes."""
    ours, true = encode(picture.permute(1, 2, 0).numpy()), encode(truth)
    inner = (slice(border, -border), slice(border, -border))
    return (
        peak_signal_noise_ratio(true[inner], ours[inner], data_range=1),
        peak_signal_noise_ratio(true, ours, data_range=1),
        structural_similarity(true[inner], ours[inner], channel_axis=2, data_range=1),
    )


def accuracy(folder: Path) -> None:
    print("PSNR [dB] interior / full, SSIM interior")
    print(f"{'scene':10} {'image':>5} {'max r':>6}  " + "  ".join(f"{name:^20}" for name in METHODS))
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as scene:
            image = torch.from_numpy(scene["aif"].astype(np.float32)).permute(2, 0, 1)
            disp = torch.from_numpy(scene["disp"])
            rows = []
            for number, lens in enumerate(json.loads(str(scene["meta"]))["configs"]):
                coc = lens["K"] * (disp - lens["disp_focus"])
                truth, border = scene[f"bokeh{number}"].astype(np.float32), math.ceil(coc.abs().max().item())
                rows.append([quality(method(image, coc), truth, border) for method in METHODS.values()])
                print(f"{path.stem:10} {number:5} {border:6}  {cells(rows[-1])}", flush=True)
            print(f"{path.stem:10} {'mean':>5} {'':6}  {cells(np.mean(rows, 0))}", flush=True)


def cells(row: np.ndarray) -> str:
    return "  ".join(f"{inner:5.2f} / {full:5.2f}  {ssim:.4f}" for inner, full, ssim in row)


def speed_scene(height: int, width: int, radius_px: float) -> tuple[Tensor, Tensor]:
    """A slanted floor in front of and behind the focus, with cards standing on it: all radii, and depth edges."""
    image = torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))
    depth = torch.linspace(-1, 1, height)[:, None].expand(height, width).clone()
    for column in range(4):
        left = (2 * column + 1) * width // 9
        depth[height // 4 : 3 * height // 4, left : left + width // 9] = (column - 1) / 2
    return image, radius_px * depth


def seconds(render: Callable[[Tensor, Tensor], Tensor], image: Tensor, coc_px: Tensor) -> float:
    best = math.inf
    for _ in range(3):
        start = time.process_time()
        render(image, coc_px)
        best = min(best, time.process_time() - start)
        if best > 10:
            break
    return best


def speed() -> None:
    print("\nCPU seconds per frame, one thread, nothing extrapolated")
    print(f"{'size':>11} {'radius':>6} {'ours':>8} {'scatter':>8} {'ratio':>6}")
    for height, width in SIZES:
        for radius in RADII_PX:
            ours, theirs = (seconds(method, *speed_scene(height, width, radius)) for method in (defocus, scatter))
            print(f"{height:5} x{width:5} {radius:6} {ours:8.2f} {theirs:8.2f} {theirs / ours:6.1f}", flush=True)


def memory() -> None:
    """Peak of the resident set above input and output; each case in a process of its own."""
    print("\nPeak memory [MB] beyond input and output")
    for height, width, radius in (*((*size, 48) for size in SIZES), (4000, 6000, 40)):
        answer = subprocess.run(
            [sys.executable, __file__, "--peak", str(height), str(width), str(radius)],
            check=True,
            capture_output=True,
            text=True,
        )
        peak = int(answer.stdout)
        print(
            f"{height:5} x{width:5} {radius:6} px {peak / 1e6:8.0f}  ({peak / height / width:.0f} B/pixel)", flush=True
        )


def peak(height: int, width: int, radius: int) -> None:
    import resource  # not on Windows, where the other measurements still run

    defocus(*speed_scene(64, 64, 8))
    image, coc = speed_scene(height, width, radius)
    before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of making the scene
    picture = defocus(image, coc)
    status = Path("/proc/self/status").read_text()
    high = int(status.split("VmHWM:")[1].split()[0]) * 1024
    print(high - before - picture.numel() * picture.element_size())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth", type=Path, help="folder of ray-traced scenes")
    parser.add_argument("--peak", type=int, nargs=3, metavar=("H", "W", "R"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.peak:
        peak(*arguments.peak)
        return
    if arguments.truth:
        accuracy(arguments.truth)
    speed()
    memory()


if __name__ == "__main__":
    main()
