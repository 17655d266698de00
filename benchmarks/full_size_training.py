"""Time and memory of training a camera adapter on Stable Diffusion 1.5's sizes, with random weights.

python benchmarks/full_size_training.py [--steps 2] [--frames 5] [--precision bf16]
"""

import argparse
import resource
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import torch

from genphoto.training.config_file import config_from
from genphoto.training.loop import accelerator_for, train_stage
from genphoto.training.losses import StageLoss
from genphoto.training.run import dataset_of, examples_of, parts_of

SIZE = (256, 384)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--frames", type=int, default=5)
    parser.add_argument("--precision", default="bf16")
    args = parser.parse_args()
    stage = {
        "name": "camera",
        "kind": "sweep",
        "train": ["camera"],
        "steps": args.steps,
        "batch_size": 1,
        "fewest_frames": args.frames,
        "gradient_checkpointing": True,
    }
    data = {"scenes": 8, "settings": ["focal_length"], "frames": args.frames, "size": list(SIZE), "workers": 0}
    model = {"kind": "sd15-random"}
    config = config_from({"precision": args.precision, "model": model, "data": data, "stages": [stage]})
    (stage,) = config.stages
    parts, dataset = parts_of(config), dataset_of(config.data)
    accelerator = accelerator_for(config.precision)
    parts.to(accelerator.device)
    parts.unet.enable_gradient_checkpointing()
    learning = parts.freeze_all_but(stage.train)
    print(f"learning: {len(learning)} tensors, {sum(p.numel() for p in learning.values()) / 1e6:.1f} M parameters")
    times = [time.perf_counter()]
    with tempfile.TemporaryDirectory() as folder:
        state = train_stage(
            StageLoss(parts, stage, config.model.prediction),
            parts,
            examples_of(config, stage, parts, dataset),
            args.frames,
            Path(folder),
            accelerator,
            seed=0,
            workers=0,
            origin={},
            on_step=lambda step, loss: times.append(time.perf_counter()),
        )
    seconds = [f"{after - before:.1f}" for before, after in pairwise(times)]
    print("losses", [round(loss, 4) for loss in state.losses], "seconds per step", seconds)
    print(f"peak memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB")
    if accelerator.device.type == "cuda":
        print(f"peak memory of the GPU: {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")


if __name__ == "__main__":
    main()
