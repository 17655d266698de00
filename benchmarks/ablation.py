"""The paper in miniature: what of the camera encoder matters, and how many scenes it needs (Table 2 and Fig. 6).

python benchmarks/ablation.py --run runs/tiny-cpu --out DIR [--steps 600] [--sweeps 16] [--scenes 50 200 1000 5000]

Every variant starts from the same image model (the stage before "sweep" of a finished tiny run) and trains motion
modules and cameras for the same number of steps, of the same seed. Writes ablation.md and ablation.png; resumable.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch
from kept import require_same
from matplotlib import pyplot
from tiny_model import SETTINGS, held_out, median, shown
from torch.utils.data import Dataset

from genphoto.data.dataset import SweepExample
from genphoto.data.frame_cache import LatentCache
from genphoto.generate import SweepGenerator
from genphoto.metrics.sweep_metrics import measure_sweep
from genphoto.model.diffusers_host import LiftedUNet
from genphoto.sampling import published_scheduler, sample
from genphoto.training.config import StageConfig, TrainConfig
from genphoto.training.config_file import load_config
from genphoto.training.losses import seen_embedding
from genphoto.training.parts import Parts
from genphoto.training.run import as_latents, dataset_of, parts_of, run_stage

BLIND = {
    "": "all",
    "differences": "without differences",
    "prior": "without coarse prior",
    "noise": "without enlarged noise",
    "camera": "text prompts",
}
GUIDANCE_SCALE = 2.5
SAMPLING_STEPS = 10
EMA = 0.98  # of so few steps


class First(Dataset):
    """The first examples of a data set."""

    def __init__(self, dataset: LatentCache, count: int):
        self.dataset, self.count = dataset, count
        self.settings_at = dataset.settings_at

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, at: tuple[int, int]) -> SweepExample:
        return self.dataset[at]


def variants(scenes: list[int], most: int) -> dict[str, tuple[str, int]]:
    """Name -> (what the encoder is blind for, number of scenes)."""
    named = {words: (blind, most) for blind, words in BLIND.items()}
    return named | {f"{count} scenes": ("", count) for count in scenes if count < most}


def trained(config: TrainConfig, stage: StageConfig, count: int, run: Path, folder: Path) -> Parts:
    """The parts after the variant's stage, from the result of the stages before it."""
    parts, dataset = parts_of(config), dataset_of(config.data)
    for earlier in config.stages:
        if earlier.name == stage.name:
            break
        run_stage(config, earlier, parts, dataset, run / earlier.name)  # finished: restores it
    run_stage(config, stage, parts, First(as_latents(dataset, parts), count), folder)
    return parts.eval()


@torch.no_grad()
def errors(parts: Parts, stage: StageConfig, config: TrainConfig, sweeps: int) -> dict[str, dict[str, float | None]]:
    """Median error and consistency per setting on held-out prompts."""
    measured = {}
    for name, (quantity, _, _) in SETTINGS.items():
        rows = []
        for index in range(sweeps):
            scene, sweep = held_out(name, index)
            frames = _frames(parts, stage, config, name, scene.caption, sweep, index)
            report = measure_sweep(frames, sweep)
            rows.append((report.measurements[quantity].median_absolute_error, report.consistency.mean))
        measured[name] = {"error": median([r[0] for r in rows]), "ssim": median([r[1] for r in rows])}
    return measured


def _frames(parts, stage, config, name, caption, sweep, seed):
    model, adapter = parts.image_model, parts.camera[name]
    lifted = LiftedUNet(parts.unet, parts.motion)
    generator = SweepGenerator(lifted, model, adapter)
    question = adapter.question(sweep)
    text, nothing = (generator.encode_text([words]).expand(len(sweep), -1, -1) for words in (caption, ""))
    cameras = []
    words = generator.encode_text(question.prompts)
    if stage.blind == "camera":
        text, nothing = (torch.cat([part, words], 1) for part in (text, nothing))
    else:
        prior = question.prior(adapter.sizes.embedding_size)
        cameras = [adapter.answer(seen_embedding(stage, prior[None], words[None]))]
    shown_larger = cameras and stage.blind != "noise"
    noise = generator.noise(question, seed, config.data.size, 1.0 if shown_larger else 0.0)
    latents = sample(
        lifted,
        noise,
        published_scheduler(SAMPLING_STEPS, model.prediction),
        text,
        nothing,
        guidance_scale=GUIDANCE_SCALE,
        cameras=cameras,
    )
    return model.to_pictures(latents)


def plot(results: dict[str, dict], path: Path) -> None:
    """Bars of the median errors, one panel per setting, with a line at the target."""
    figure, panels = pyplot.subplots(1, len(SETTINGS), figsize=(14, 1 + 0.35 * len(results)), sharey=True)
    for panel, (setting, (_, title, target)) in zip(panels, SETTINGS.items(), strict=True):
        errors = [measured[setting]["error"] for measured in results.values()]
        bars = panel.barh(list(results), [error or 0 for error in errors])
        panel.bar_label(bars, ["not measurable" if error is None else shown(error) for error in errors], padding=3)
        panel.axvline(target, color="black", linestyle=":")
        panel.set(title=title, xlim=(0, 1.3 * max(target, *(error or 0 for error in errors))))
    panels[0].invert_yaxis()
    figure.tight_layout()
    figure.savefig(path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="tiny-cpu")
    parser.add_argument("--run", type=Path, required=True, help="a finished run of the recipe")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--sweeps", type=int, default=16, help="per setting and variant")
    parser.add_argument("--scenes", type=int, nargs="*", default=[50, 200, 1000, 5000])
    args = parser.parse_args()
    experiment = {"recipe": args.recipe, "run": str(args.run), "steps": args.steps, "sweeps": args.sweeps}
    require_same(args.out, experiment)
    config = load_config(args.recipe)
    stored = args.out / "ablation.json"
    results = json.loads(stored.read_text()) if stored.exists() else {}
    base = next(stage for stage in config.stages if stage.name == "sweep")
    for name, (blind, count) in variants(args.scenes, config.data.scenes).items():
        if name in results:
            continue
        stage = replace(base, blind=blind, steps=args.steps, ema=EMA, sample_every=0)
        parts = trained(config, stage, count, args.run, args.out / name.replace(" ", "_"))
        results[name] = errors(parts, stage, config, args.sweeps)
        stored.write_text(json.dumps(results, indent=1))
    header = "".join(f" {title} | SSIM |" for _, title, _ in SETTINGS.values())
    lines = [f"Seed {config.seed}, {args.steps} steps, {args.sweeps} held-out sweeps per setting; medians.", ""]
    lines += [f"| variant |{header}", "|---|" + "---|---|" * len(SETTINGS)]
    for name, measured in results.items():
        cells = "".join(f" {shown(measured[s]['error'])} | {shown(measured[s]['ssim'])} |" for s in SETTINGS)
        lines.append(f"| {name} |{cells}")
    (args.out / "ablation.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    plot(results, args.out / "ablation.png")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
