"""Loss curves of a training, one panel per stage.

python benchmarks/loss_curves.py RUN OUT.png
"""

import sys
from pathlib import Path

import matplotlib
import numpy as np

from genphoto.training.loop import TrainingState

WINDOW = 50  # steps that a point averages


def main(run: Path, out: Path) -> None:
    matplotlib.use("Agg")
    from matplotlib import pyplot

    stages = sorted(run.glob("*/checkpoint.pt"), key=lambda path: path.stat().st_mtime)
    figure, panels = pyplot.subplots(1, len(stages), figsize=(3.2 * len(stages), 2.6), squeeze=False)
    for panel, path in zip(panels[0], stages, strict=True):
        losses = np.array(TrainingState.load(path).losses)
        count = len(losses) // WINDOW
        panel.plot(np.arange(1, count + 1) * WINDOW, losses[: count * WINDOW].reshape(count, WINDOW).mean(1))
        panel.set(title=path.parent.name, xlabel="step")
        print(f"{path.parent.name}: {len(losses)} steps, last {WINDOW}: {losses[-WINDOW:].mean():.4f}")
    figure.tight_layout()
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
