"""Scene: a few things on a floor before a background, its caption and its photograph with exact depth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...camera.camera import Camera
from ...camera.photo import Photo
from .rays import COS, SIN, project
from .shapes import COLORS, HALF_WIDTH, SHAPES, Light, Thing, paint
from .textures import FLOOR_TEXTURES, SKY_TEXTURES, WALL_TEXTURES, Look, Plane, tile_of_noise

FLOORS = tuple(FLOOR_TEXTURES)
BACKGROUNDS = (*WALL_TEXTURES, *SKY_TEXTURES)
RELATIONS = ("in front of", "behind", "left of", "right of")
WORDS = tuple(
    sorted({*COLORS, *SHAPES, *FLOORS, *" ".join((*BACKGROUNDS, *RELATIONS, "a an on floor by under")).split()})
)
WITH_COMPANION = 0.7  # share of the scenes
APART_M = 0.5  # from this difference of distances on, things are in front of or behind each other
SENSOR_WIDTH_MM = 36
WALL_M = 5.0
MAIN_M, FARTHER_M, NEARER_M = 2.5, 3.6, 1.75  # distances of the main thing and of its companion
MAIN_SHARE, TALLEST, ASIDE_SHARE, NEARER_SHARE = 0.34, 0.30, 0.26, 0.18  # heights over distances
PLACES = (-0.05, 0.0, 0.05)  # of the main thing, right of the axis, over its distance
# By what the main thing is to its companion: the companion's distance, height over distance, and how far to the right
# of the main thing it is seen, over the sum of their half widths.
_COMPANIONS = {
    "in front of": (FARTHER_M, ASIDE_SHARE, 0.85),
    "behind": (NEARER_M, NEARER_SHARE, -0.85),
    "left of": (MAIN_M, ASIDE_SHARE, 1.2),
    "right of": (MAIN_M, ASIDE_SHARE, -1.2),
}
# Light by background: tint, ambient, direct, how bright the floor is, and where from: aside, above, ahead.
_DAY = ((1.0, 1.0, 1.0), 0.50, 0.58, 1.0, (0.75, 0.9, -0.5))
_LIGHTS = {
    "cloudy sky": ((0.98, 1.0, 1.02), 0.60, 0.42, 0.96, (0.75, 0.9, -0.5)),
    "sunset sky": ((1.05, 0.90, 0.76), 0.46, 0.58, 0.86, (0.95, 0.62, -0.1)),
    "night sky": ((0.87, 0.91, 1.05), 0.48, 0.52, 0.58, (0.75, 0.9, -0.5)),
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
        things: 1 or 2, the main one first.
        floor: one of FLOORS.
        background: one of BACKGROUNDS.
        seed: of what no word says: the side of the light, and which way things are turned.
    """

    things: tuple[Thing, ...]
    floor: str
    background: str
    seed: int

    def __post_init__(self) -> None:
        if not 1 <= len(self.things) <= 2:
            raise ValueError(f"A scene has 1 or 2 things, got {len(self.things)}.")
        if self.floor not in FLOORS or self.background not in BACKGROUNDS:
            raise ValueError(
                f"No scene has a {self.floor!r} floor and a {self.background!r}. Use {FLOORS} and {BACKGROUNDS}."
            )

    @property
    def caption(self) -> str:
        """The main thing in relation to the other one, the floor and the background: all that the picture shows."""
        main, *others = self.things
        text = " ".join([_named(main), *(f"{_relation(main, other)} {_named(other)}" for other in others)])
        preposition = "under" if self.background in SKY_TEXTURES else "by"
        return f"{text} on a {self.floor} floor {preposition} a {self.background}"

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

    def render(self, size: tuple[int, int] = (384, 576), focal_mm: float = 24.0) -> Photo:
        """The scene all in focus: sRGB image (3,H,W), disparity 1/z (H,W) [1/m] exact at pixel centers."""
        height, width = size
        pixel = SENSOR_WIDTH_MM / (focal_mm * width)
        u = (torch.arange(width) - (width - 1) / 2) * pixel
        v = (torch.arange(height) - (height - 1) / 2) * pixel
        own = torch.rand(96, generator=torch.Generator().manual_seed(self.seed)).tolist()
        look = Look(side=1.0 if own[0] < 0.5 else -1.0, noise=tile_of_noise())
        tint, ambient, direct, brightness, toward = _LIGHTS.get(self.background, _DAY)
        norm = math.hypot(*toward)
        light = Light((look.side * toward[0] / norm, toward[1] / norm, toward[2] / norm), tint, ambient, direct)

        image, disparity = self._surroundings(u, v, pixel, look, light, brightness)
        order = sorted(range(len(self.things)), key=lambda k: -self.things[k].distance_m)
        for k in order:
            seen = paint(self.things[k], own[16 + 32 * k :], light, u, v, self.camera_height_m)
            if seen is not None:
                rows, columns, color, coverage, nearness = seen
                image[:, rows, columns] = image[:, rows, columns] * (1 - coverage) + color
                disparity[rows, columns] = torch.maximum(disparity[rows, columns], nearness)
        return Photo(image.clamp_(0, 1), disparity, Camera(focal_length_mm=focal_mm))

    def _surroundings(
        self, u: Tensor, v: Tensor, pixel: float, look: Look, light: Light, brightness: float
    ) -> tuple[Tensor, Tensor]:
        """Background and floor, with shadows, before any thing is painted."""
        h = self.camera_height_m
        image, disparity = torch.empty(3, len(v), len(u)), torch.empty(len(v), len(u))
        indoors = self.background in WALL_TEXTURES
        foot = (h * COS - WALL_M * SIN) / (WALL_M * COS + h * SIN) if indoors else -SIN / COS
        split = int((v <= foot).sum())

        up = foot - v[:split, None]
        if indoors:
            z = WALL_M / (COS - v[:split, None] * SIN)
            y = h - z * (v[:split, None] * COS + SIN)
            wall = Plane(u * z, y, z * pixel, z * pixel)
            shade = 1 - 0.22 * torch.exp(-y / 0.25) - 0.08 * (u - math.copysign(0.4, light.direction[0])) ** 2
            surface = WALL_TEXTURES[self.background](wall, look) * shade
            board = ((0.10 - y) / (z * pixel) + 0.5).clamp(0, 1)
            board_color = torch.tensor((0.90, 0.89, 0.87))[:, None, None] * (1 - 0.25 * (y < 0.012))
            image[:, :split] = torch.lerp(surface, board_color, board)
            disparity[:split] = 1 / z
        else:
            image[:, :split] = SKY_TEXTURES[self.background](u, up, look)
            disparity[:split] = 0

        nearness = (v[split:, None] * COS + SIN) / h
        z = 1 / nearness
        ahead = z * (COS - v[split:, None] * SIN)
        floor = Plane(u * z, ahead, z * pixel, z * z * (pixel / h))
        surface = FLOOR_TEXTURES[self.floor](floor, look)
        if indoors:
            surface = surface * (1 - 0.28 * torch.exp((ahead - WALL_M) / 0.3))
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
                * (0.75 * light.direct)
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


def _relation(main: Thing, other: Thing) -> str:
    farther = other.distance_m - main.distance_m
    if abs(farther) >= APART_M:
        return "in front of" if farther > 0 else "behind"
    return "left of" if main.x_m / main.distance_m < other.x_m / other.distance_m else "right of"


def random_scene(generator: torch.Generator) -> Scene:
    """A scene whose caption says all but the place of the main thing (one of three), the light's side and turns."""

    def choice(options: Sequence[str]) -> str:
        return options[int(torch.randint(len(options), (), generator=generator))]

    color, shape = choice(tuple(COLORS)), choice(SHAPES)
    main = _standing(color, shape, choice(PLACES), MAIN_M, MAIN_SHARE)
    things = [main]
    if torch.rand((), generator=generator) < WITH_COMPANION:
        color, shape = choice([c for c in COLORS if c != color]), choice([s for s in SHAPES if s != shape])
        distance, share, apart = _COMPANIONS[choice(RELATIONS)]
        other = _standing(color, shape, 0.0, distance, share)
        x = main.x_m / main.distance_m + apart * (main.radius_m / main.distance_m + other.radius_m / distance)
        things.append(replace(other, x_m=x * distance))
    seed = int(torch.randint(2**31 - 1, (), generator=generator))
    return Scene(tuple(things), choice(FLOORS), choice(BACKGROUNDS), seed)


def _standing(color: str, shape: str, place: float, distance_m: float, share: float) -> Thing:
    """A thing of about this height over distance; wide shapes are lower, so that all are of similar area."""
    height = min(share * (0.62 / (HALF_WIDTH[shape] + 0.3)) ** 0.4, TALLEST)
    return Thing(color, shape, place * distance_m, distance_m, height * distance_m)
