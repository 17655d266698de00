"""Scene: a few things on a floor before a background, its caption and its photograph with exact depth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..camera.camera import Camera
from ..camera.photo import Photo
from .rays import COS, SIN, project
from .shapes import COLORS, HALF_WIDTH, SHAPES, Light, Thing, paint
from .textures import FLOOR_TEXTURES, SKY_TEXTURES, WALL_TEXTURES, Details, Plane

FLOORS = tuple(FLOOR_TEXTURES)
BACKGROUNDS = (*WALL_TEXTURES, *SKY_TEXTURES)
RELATIONS = ("in front of", "behind", "left of", "right of", "beside")
WORDS = tuple(
    sorted({*COLORS, *SHAPES, *FLOORS, *" ".join((*BACKGROUNDS, *RELATIONS, "a an and on floor by under")).split()})
)
APART_M = 0.5  # from this difference of distances on, things are in front of or behind each other
FOCAL_PER_WIDTH = 24 / 36  # a 24 mm lens on 36 mm film
# Light by background: tint of the light, ambient, direct, and how bright the floor is.
_DAY = ((1.0, 1.0, 1.0), 0.50, 0.58, 1.0)
_LIGHTS = {
    "cloudy sky": ((0.98, 1.0, 1.02), 0.60, 0.42, 0.96),
    "sunset sky": ((1.05, 0.90, 0.76), 0.46, 0.58, 0.86),
    "night sky": ((0.87, 0.91, 1.05), 0.48, 0.52, 0.58),
}
_HAZE = {
    "cloudy sky": (0.80, 0.86, 0.90),
    "clear sky": (0.80, 0.90, 0.95),
    "sunset sky": (0.96, 0.68, 0.40),
    "night sky": (0.10, 0.11, 0.22),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """What stands where, seen by a 24 mm camera whose optical axis meets the main thing's middle.

    Args:
        things: 1 to 3, the main one first.
        floor: one of FLOORS.
        background: one of BACKGROUNDS.
        seed: of textures, light and wording.
    """

    things: tuple[Thing, ...]
    floor: str
    background: str
    seed: int

    def __post_init__(self) -> None:
        if not 1 <= len(self.things) <= 3:
            raise ValueError(f"A scene has 1 to 3 things, got {len(self.things)}.")
        if self.floor not in FLOORS or self.background not in BACKGROUNDS:
            raise ValueError(
                f"No scene has a {self.floor!r} floor and a {self.background!r}. Use {FLOORS} and {BACKGROUNDS}."
            )

    @property
    def caption(self) -> str:
        """Things in relation to the main one, floor and background; one of the last two is left out in 15 %."""
        draw = torch.rand(4, generator=torch.Generator().manual_seed(self.seed + 1)).tolist()
        main, *others = self.things
        text = _named(main)
        last = ""
        for k, other in enumerate(others):
            relation = _relation(main, other, aside=draw[k] < 0.5)
            joint = (" and " if k else " ") + ("" if relation == last else f"{relation} ")
            text += joint + _named(other)
            last = relation
        preposition = "under" if self.background in SKY_TEXTURES else "by"
        floor, background = f" on a {self.floor} floor", f" {preposition} a {self.background}"
        if draw[2] < 0.15:
            return text + (floor if draw[3] < 0.5 else background)
        return text + floor + background

    @property
    def camera_height_m(self) -> float:
        """Height [m] from which the pitched optical axis meets the middle of the main thing."""
        main = self.things[0]
        return main.size_m / 2 + main.distance_m * SIN / COS

    @property
    def focus_m(self) -> float:
        """Distance of the main thing's front [m], along the optical axis."""
        main = self.things[0]
        middle = (main.x_m, main.size_m / 2, main.distance_m)
        return project(middle, self.camera_height_m)[2] - main.radius_m

    def render(self, size: tuple[int, int] = (384, 576)) -> Photo:
        """The scene all in focus: sRGB image (3,H,W), disparity 1/z (H,W) [1/m] exact at pixel centers."""
        height, width = size
        pixel = 1 / (FOCAL_PER_WIDTH * width)
        u = (torch.arange(width) - (width - 1) / 2) * pixel
        v = (torch.arange(height) - (height - 1) / 2) * pixel
        details = Details.drawn(self.seed)
        tint, ambient, direct, brightness = _LIGHTS.get(self.background, _DAY)
        side = 1.0 if details.numbers[8] < 0.5 else -1.0
        toward = (side * (0.5 + 0.5 * details.numbers[9]), 0.9, -0.5)
        norm = math.sqrt(sum(c * c for c in toward))
        light = Light(tuple(c / norm for c in toward), tint, ambient, direct)

        image, disparity = self._surroundings(u, v, pixel, details, light, brightness)
        order = sorted(range(len(self.things)), key=lambda k: -self.things[k].distance_m)
        for k in order:
            seen = paint(self.things[k], details.numbers[16 + 32 * k :], light, u, v, self.camera_height_m)
            if seen is not None:
                rows, columns, color, coverage, nearness = seen
                image[:, rows, columns] = image[:, rows, columns] * (1 - coverage) + color
                disparity[rows, columns] = torch.maximum(disparity[rows, columns], nearness)
        return Photo(image.clamp_(0, 1), disparity, Camera())

    def _surroundings(
        self, u: Tensor, v: Tensor, pixel: float, details: Details, light: Light, brightness: float
    ) -> tuple[Tensor, Tensor]:
        """Background and floor, with shadows, before any thing is painted."""
        h = self.camera_height_m
        image, disparity = torch.empty(3, len(v), len(u)), torch.empty(len(v), len(u))
        indoors = self.background in WALL_TEXTURES
        farthest = max(thing.distance_m + thing.radius_m for thing in self.things)
        wall_m = max(4 + 4 * details.numbers[10], farthest + 0.3)
        foot = (h * COS - wall_m * SIN) / (wall_m * COS + h * SIN) if indoors else -SIN / COS
        split = int((v <= foot).sum())

        up = foot - v[:split, None]
        if indoors:
            z = wall_m / (COS - v[:split, None] * SIN)
            y = h - z * (v[:split, None] * COS + SIN)
            wall = Plane(u * z, y, z * pixel, z * pixel)
            shade = 1 - 0.22 * torch.exp(-y / 0.25) - 0.08 * (u - math.copysign(0.4, light.direction[0])) ** 2
            surface = WALL_TEXTURES[self.background](wall, details) * shade
            board = ((0.10 - y) / (z * pixel) + 0.5).clamp(0, 1)
            board_color = torch.tensor((0.90, 0.89, 0.87))[:, None, None] * (1 - 0.25 * (y < 0.012))
            image[:, :split] = torch.lerp(surface, board_color, board)
            disparity[:split] = 1 / z
        else:
            image[:, :split] = SKY_TEXTURES[self.background](u, up, details)
            disparity[:split] = 0

        nearness = (v[split:, None] * COS + SIN) / h
        z = 1 / nearness
        ahead = z * (COS - v[split:, None] * SIN)
        floor = Plane(u * z, ahead, z * pixel, z * z * (pixel / h))
        surface = FLOOR_TEXTURES[self.floor](floor, details)
        if indoors:
            surface = surface * (1 - 0.28 * torch.exp((ahead - wall_m) / 0.3))
        self._shade_floor(surface, floor, light, u, v, split)
        surface = surface * ((0.5 + 0.5 * torch.tensor(light.tint)[:, None, None]) * brightness)
        if not indoors:
            haze = torch.tensor(_HAZE[self.background])[:, None, None]
            surface = torch.lerp(surface, haze, 0.85 * (1 - torch.exp(-z / 45)))
        image[:, split:] = surface
        disparity[split:] = nearness
        return image, disparity

    def _shade_floor(self, surface: Tensor, floor: Plane, light: Light, u: Tensor, v: Tensor, split: int) -> None:
        """Darkens the floor under and behind things, and brightens it under lamps, in place."""
        reach = 1 / light.direction[1]
        away = (-light.direction[0] * reach, -light.direction[2] * reach)
        for thing in self.things:
            lamp = thing.shape == "lamp"
            margin = thing.size_m * (2.2 if lamp else 1.7)
            rows, columns = self._floor_patch(thing, margin, u, v, split)
            a, b = floor.a[rows, columns] - thing.x_m, floor.b[rows] - thing.distance_m
            base = thing.radius_m * {"tree": 0.3, "lamp": 0.75}.get(thing.shape, 0.9)
            squared = a * a + b * b
            contact = torch.exp(squared * (-1.3 / base**2)) * 0.5
            length = thing.size_m * 0.75
            along = ((a * away[0] + b * away[1]) / (math.hypot(*away) * length)).clamp_(0, 1)
            step_a, step_b = (c / math.hypot(*away) * length for c in away)
            off = ((a - along * step_a) ** 2 + (b - along * step_b) ** 2).sqrt_()
            blur = thing.radius_m * (0.35 + 0.5 * along)
            cast = (
                ((thing.radius_m * 0.85 + blur / 2 - off) / blur).clamp_(0, 1)
                * (0.6 * light.direct)
                * (1 - 0.5 * along)
            )
            shade = (1 - contact) * (1 - cast * (0.3 if lamp else 1.0))
            if lamp:
                shade = shade * (1 + 0.55 * torch.exp(squared * (-2.2 / thing.size_m**2)))
            surface[:, rows, columns] *= shade

    def _floor_patch(self, thing: Thing, margin: float, u: Tensor, v: Tensor, split: int) -> tuple[slice, slice]:
        """Rows (of the floor) and columns that hold all floor within a margin [m] of a thing."""
        near = max(thing.distance_m - margin, 0.3)
        corners = [
            project((thing.x_m + dx, 0.0, z), self.camera_height_m)
            for dx in (-margin, margin)
            for z in (near, thing.distance_m + margin)
        ]
        columns = torch.searchsorted(u, torch.tensor([min(c[0] for c in corners), max(c[0] for c in corners)])).tolist()
        rows = torch.searchsorted(v, torch.tensor([min(c[1] for c in corners), max(c[1] for c in corners)])).tolist()
        return slice(max(rows[0] - split, 0), max(rows[1] - split, 0)), slice(*columns)


def _named(thing: Thing) -> str:
    return f"{'an' if thing.color[0] in 'aeiou' else 'a'} {thing.color} {thing.shape}"


def _relation(main: Thing, other: Thing, aside: bool) -> str:
    farther = other.distance_m - main.distance_m
    if abs(farther) >= APART_M:
        return "in front of" if farther > 0 else "behind"
    if aside:
        return "beside"
    return "left of" if main.x_m / main.distance_m < other.x_m / other.distance_m else "right of"


def random_scene(generator: torch.Generator) -> Scene:
    """A scene in which the main thing is near the center and the others partly hide or are hidden by it."""

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    def choice(options: tuple[str, ...]) -> str:
        return options[int(torch.randint(len(options), (), generator=generator))]

    def share(shape: str, low: float, high: float) -> float:
        """Height over distance; wide shapes are lower, so that all are of similar area."""
        return uniform(low, high) * (0.62 / (HALF_WIDTH[shape] + 0.3)) ** 0.4

    colors = [list(COLORS)[k] for k in torch.randperm(len(COLORS), generator=generator).tolist()]
    shape, distance = choice(SHAPES), uniform(1.5, 3.5)
    main = Thing(colors[0], shape, uniform(-0.06, 0.06) * distance, distance, share(shape, 0.19, 0.27) * distance)
    count = (0, 1, 1, 1, 2, 2)[int(torch.randint(6, (), generator=generator))]
    side = 1.0 if uniform(0, 1) < 0.5 else -1.0
    others = []
    for k in range(count):
        shape = choice(tuple(s for s in SHAPES if s not in (main.shape, *(o.shape for o in others))))
        placed = choice(("farther", "farther", "nearer", "aside"))
        if placed == "nearer" and distance < 2.2:
            placed = "farther"
        height = share(shape, 0.14, 0.23)
        half = HALF_WIDTH[shape]
        if placed == "farther":
            low = max(APART_M, 0.3 + main.radius_m + half * height * distance * 1.3)
            away, overlap = (
                uniform(distance + low, max(min(distance + 3, 5.2), distance + low + 0.2)),
                uniform(0.65, 1.25),
            )
        elif placed == "nearer":
            away, overlap = uniform(1.2, distance - max(APART_M, 0.25 + main.radius_m + half * height * distance)), 1.0
            overlap = uniform(0.95, 1.3)
        else:
            away, overlap = distance + uniform(-0.35, 0.35), uniform(1.15, 1.6)
        offset = overlap * (main.radius_m / distance + half * height)
        x = (main.x_m / distance + (side if k == 0 else -side) * offset) * away
        others.append(Thing(colors[k + 1], shape, x, away, height * away))
    seed = int(torch.randint(2**31 - 1, (), generator=generator))
    return Scene((main, *others), choice(FLOORS), choice(BACKGROUNDS), seed)
