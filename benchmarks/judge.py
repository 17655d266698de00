"""A judge of generated scenes: a small network that reads color, shape, floor, background and depth off a picture.

It is trained on procedural scenes that neither the tiny model nor its test prompts use, sees pictures through the
autoencoder of the tiny model, and says with what accuracy it reads true scenes.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm import tqdm

from genphoto.camera.optics import zoom
from genphoto.data.dataset import seeded
from genphoto.data.scenes.scene import BACKGROUNDS, COLORS, FLOORS, SHAPES, Scene, random_scene
from genphoto.model.autoencoder import Autoencoder

CLASSES = {"color": tuple(COLORS), "shape": tuple(SHAPES), "floor": FLOORS, "background": BACKGROUNDS}
SIZE = (128, 192)
SCENES, HELD_OUT = 3000, 300
EPOCHS, BATCH = 10, 32
WIDEST, NARROWEST = 1.0, 0.65  # share of the base picture that a training picture shows
LATENT_NOISE = 0.15


class Judge(nn.Module):
    """Latents (N,16,16,24) -> logits of the main thing's color and shape, of floor and background; disparity."""

    def __init__(self, channels: int = 16, width: int = 64):
        super().__init__()
        self.enter = nn.Conv2d(channels, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.GroupNorm(8, width),
                nn.SiLU(),
                nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation),
                nn.GroupNorm(8, width),
                nn.SiLU(),
                nn.Conv2d(width, width, 3, padding=1),
            )
            for dilation in (1, 3)
        )
        self.depth = nn.Conv2d(width, 1, 1)
        self.heads = nn.ModuleDict({name: nn.Linear(width * 14, len(values)) for name, values in CLASSES.items()})

    def forward(self, latents: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Logits by name (N,classes) and disparity [1/m] (N,h,w)."""
        x = self.enter(latents)
        for block in self.blocks:
            x = x + block(x)
        middle = F.adaptive_avg_pool2d(x[:, :, 4:12, 8:16], (2, 2)).flatten(1)
        peak = F.adaptive_max_pool2d(x[:, :, 4:12, 8:16], (2, 2)).flatten(1)
        whole = F.adaptive_avg_pool2d(x, (3, 2)).flatten(1)
        seen = torch.cat([middle, peak, whole], 1)
        return {name: head(seen) for name, head in self.heads.items()}, F.softplus(self.depth(x)[:, 0])


def labels_of(scene: Scene) -> dict[str, int]:
    """What the judge should say of a scene."""
    main = scene.things[0]
    classes = {"color": main.color, "shape": main.shape, "floor": scene.floor, "background": scene.background}
    return {name: CLASSES[name].index(value) for name, value in classes.items()}


@torch.no_grad()
def trained_judge(autoencoder: Autoencoder, path: Path) -> Judge:
    """The judge in a file, or a new one that is written there; prints how well it reads true scenes."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        judge = Judge()
    if path.exists():
        judge.load_state_dict(load_file(path))
        return judge.eval()
    data = [_example(autoencoder, index) for index in tqdm(range(SCENES + HELD_OUT), desc="scenes for the judge")]
    latents, disparity = (torch.stack([example[k] for example in data]) for k in (0, 1))
    wanted = {name: torch.tensor([example[2][name] for example in data]) for name in CLASSES}
    _train(judge, latents[:SCENES], disparity[:SCENES], {k: v[:SCENES] for k, v in wanted.items()})
    judge.eval()
    logits, depth = judge(latents[SCENES:])
    for name, values in logits.items():
        print(f"judge, true scenes: {name} right in {(values.argmax(1) == wanted[name][SCENES:]).float().mean():.1%}")
    print(f"judge, true scenes: disparity off by {(depth - disparity[SCENES:]).abs().median():.3f} / m (median)")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(judge.state_dict(), path)
    return judge


def _example(autoencoder: Autoencoder, index: int) -> tuple[Tensor, Tensor, dict[str, int]]:
    generator = seeded("judge", index)
    scene = random_scene(generator)
    photo = scene.render(SIZE)
    ratio = WIDEST - (WIDEST - NARROWEST) * float(torch.rand((), generator=generator)) ** 2
    picture = zoom(photo.image, ratio, SIZE).clamp(0, 1)
    latents = autoencoder.encode(picture[None] * 2 - 1)[0]
    near = zoom(photo.disparity[None], ratio, SIZE, nearest=True)
    return latents, F.adaptive_avg_pool2d(near, latents.shape[1:])[0], labels_of(scene)


@torch.enable_grad()
def _train(judge: Judge, latents: Tensor, disparity: Tensor, wanted: dict[str, Tensor]) -> None:
    optimizer = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=0.05)
    steps = EPOCHS * (len(latents) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps)
    with tqdm(total=steps, desc="training the judge") as bar:
        for epoch in range(EPOCHS):
            generator = seeded("judge", "epoch", epoch)
            for rows in torch.randperm(len(latents), generator=generator)[: steps // EPOCHS * BATCH].split(BATCH):
                seen = latents[rows]
                seen = seen + LATENT_NOISE * torch.randn(seen.shape, generator=generator)
                with torch.autocast("cpu", torch.bfloat16):
                    logits, depth = judge(seen)
                loss = F.l1_loss(depth.float(), disparity[rows])
                for name, values in logits.items():
                    loss = loss + F.cross_entropy(values.float(), wanted[name][rows], label_smoothing=0.02)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                bar.update()
