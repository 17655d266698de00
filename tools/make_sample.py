"""Draws sample_depth.png for sample.jpg ("coffee" of scikit-image), from outlines measured in the picture.

A plane in perspective has a disparity 1/z that is affine in pixel coordinates, and a parallel plane at the height h has
the table's disparity times H / (H - h), H being the camera's height. So it is enough to draw heights above the table.
    python -m tools.make_sample
"""

import sys
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image, ImageDraw

DOCS = Path(__file__).parent.parent / "docs"
NEAR_M, FAR_M = 0.36, 0.80  # limits of the map, from a saucer of 12.5 cm seen through 85 mm
FINE = 8  # outlines are drawn at 8 times the resolution
CAMERA_CM = 36.0  # height of the camera above the table
FLOOR_CM = -40.0
SAUCER_RIM_CM, SAUCER_WELL_CM, CUP_CM, COFFEE_CM = 1.8, 0.8, 6.0, 4.0
# Ellipses: center x, y, half axes, tilt [degrees, clockwise]; pixels of sample.jpg.
SAUCER = (277.5, 219.5, 201, 169.5, 2.5)
CUP_RIM = (290, 113, 117.5, 94.5, 2)
INNER_RIM = (290.5, 109, 99, 84, 2)
COFFEE = (287, 146, 83, 51, 2)
CUP_FOOT = (290, 240, 54, 44, 0)
HANDLE = [(224, 228), (214, 237), (204, 258), (197, 279), (197, 291), (204, 301), (217, 307), (229, 305), (240, 290),
          (252, 278), (262, 270), (262, 240), (240, 226)]  # fmt: skip
BOWL = (366, 280, 38.5, 45, -8)
STEM = [(372, 245), (377, 225), (389, 190), (403, 140), (407, 115), (403, 96), (397, 76), (399, 69), (408, 66),
        (417, 67), (424, 74), (422, 86), (415, 117), (409, 138), (396, 190), (385, 220), (381, 245)]  # fmt: skip
TABLE_EDGE = [(0, 0), (154, 0), (90, 45), (0, 108)]


def ellipse(shape: tuple[float, ...]) -> list[tuple[float, float]]:
    """Outline of (center x, center y, half axis, half axis, tilt in degrees) as a polygon."""
    x, y, a, b, tilt = shape
    t = np.linspace(0, 2 * np.pi, 721)
    c, s = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    return list(zip(x + a * np.cos(t) * c - b * np.sin(t) * s, y + a * np.cos(t) * s + b * np.sin(t) * c, strict=True))


def inside(outline: list[tuple[float, float]], size: tuple[int, int]) -> np.ndarray:
    """Pixels (H,W) whose center lies within the outline: hard edges, no invented in-between heights."""
    fine = Image.new("1", (size[0] * FINE, size[1] * FINE))
    ImageDraw.Draw(fine).polygon([((x + 0.5) * FINE, (y + 0.5) * FINE) for x, y in outline], fill=1)
    return np.asarray(fine)[FINE // 2 :: FINE, FINE // 2 :: FINE]


def heights(size: tuple[int, int]) -> np.ndarray:
    """Height above the table [cm], (H,W)."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    height = np.zeros((size[1], size[0]))
    height[inside(TABLE_EDGE, size)] = FLOOR_CM

    saucer = inside(ellipse(SAUCER), size)
    radius = np.hypot((x - SAUCER[0]) / SAUCER[2], (y - SAUCER[1]) / SAUCER[3]).clip(0, 1)
    height[saucer] = (SAUCER_WELL_CM + (SAUCER_RIM_CM - SAUCER_WELL_CM) * radius**2)[saucer]

    stem = inside(STEM, size)
    height[stem] = (2.2 + (SAUCER_RIM_CM - 1.0) * ((245 - y) / 180).clip(0, 1))[stem]

    rims = np.linspace(0, 1, 600)  # foot to rim: the wall is the union of all the rings between
    for share in rims:
        ring = [(1 - share**0.33) * f + share**0.33 * r for f, r in zip(CUP_FOOT[2:4], CUP_RIM[2:4], strict=True)]
        center = [(1 - share) * f + share * r for f, r in zip(CUP_FOOT[:2], CUP_RIM[:2], strict=True)]
        height[inside(ellipse((*center, *ring, 2 * share)), size)] = SAUCER_WELL_CM + share * (CUP_CM - SAUCER_WELL_CM)
    height[inside(ellipse(BOWL), size)] = 1.8
    handle = inside(HANDLE, size) & ~inside(ellipse(CUP_RIM), size)
    height[handle] = np.maximum(height, (5.0 - 2.6 * (y - 226) / 80).clip(2.0, 5.0))[handle]

    hollow, coffee = inside(ellipse(INNER_RIM), size), inside(ellipse(COFFEE), size)
    depth = np.hypot((x - COFFEE[0]) / COFFEE[2], (y - COFFEE[1]) / COFFEE[3])
    rim = np.hypot((x - INNER_RIM[0]) / INNER_RIM[2], (y - INNER_RIM[1]) / INNER_RIM[3])
    down = ((1 - rim) / (1 - rim + (depth - 1).clip(1e-3))).clip(0, 1)  # 0 at the rim, 1 at the coffee
    height[hollow] = (CUP_CM + (COFFEE_CM - CUP_CM) * down)[hollow]
    height[hollow & coffee] = COFFEE_CM
    return height


def main() -> None:
    """Write sample.jpg and sample_depth.png (16 bit, larger is nearer) beside this file, and say where the map ends."""
    photo = Image.fromarray(skimage.data.coffee())
    height = heights(photo.size)
    rows = np.linspace(-0.5, 0.5, photo.height)[:, None] * 2 / 3
    # A table seen from 53 degrees above, 44 cm away at the center; 85 mm on 36 mm of sensor.
    table = (1 + rows * 36 / 85 / np.tan(np.radians(53))) / 0.44
    disparity = (table * CAMERA_CM / (CAMERA_CM - height)).clip(1 / FAR_M, 1 / NEAR_M)
    low, high = disparity.min(), disparity.max()
    Image.fromarray(((disparity - low) / (high - low) * 65535).round().astype(np.uint16)).save(
        DOCS / "sample_depth.png"
    )
    photo.save(DOCS / "sample.jpg", quality=92, subsampling=0, optimize=True)
    sys.stdout.write(f"--near {1 / high:.3f} --far {1 / low:.3f}\n")


if __name__ == "__main__":
    main()
