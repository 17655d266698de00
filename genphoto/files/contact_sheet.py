"""Contact sheet: the frames of a sweep side by side, each with its value beneath."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

PAPER = (236, 236, 236)  # neutral, so that it does not tint the eye; lighter than grey, darker than a clipped frame
INK = (42, 42, 42)
LEAST_TEXT_PX = 11
WIDTH_TO_HEIGHT = 1.5  # of the sheet that the number of columns aims at


def contact_sheet(
    frames: Tensor | Sequence[Tensor],
    labels: Sequence[str],
    *,
    columns: int | None = None,
    title: str | None = None,
    max_width: int = 2400,
) -> Image.Image:
    """Frames (F,3,H,W), [0,1] sRGB, in a grid on neutral paper, `labels` beneath them.

    Frames are reduced until the sheet is at most `max_width` [px] wide, never enlarged; a label that needs more room
    than a tiny frame has widens the column instead. `columns` None arranges full rows on a sheet of about 3:2.

    Raises:
        ValueError: no frames, not one label per frame, or fewer than one column.
    """
    count = len(frames)
    if count == 0 or len(labels) != count:
        raise ValueError(f"A contact sheet needs one label per frame, got {count} frames and {len(labels)} labels.")
    height, width = frames[0].shape[-2:]
    columns = _columns(count, width / height) if columns is None else min(columns, count)
    if columns < 1:
        raise ValueError(f"columns = {columns} is less than 1. A contact sheet has at least one column.")

    gap = max(8, round(min(width, max_width / columns) * 0.03))  # between frames; the outer margin is twice that
    room = (max_width - (columns + 3) * gap) // columns
    scale = min(1.0, max(room, 1) / width)
    frame_w, frame_h = max(1, round(width * scale)), max(1, round(height * scale))
    font, text_w, text_h = _fitting(labels, round(0.07 * math.sqrt(frame_w * min(frame_w, frame_h))), frame_w)

    cell_w, cell_h = max(frame_w, text_w), frame_h + round(1.5 * text_h)
    row_gap = gap + round(0.6 * text_h)
    title_font = ImageFont.load_default(max(round(font.size * 1.35), LEAST_TEXT_PX)) if title else None
    top = 2 * gap + (round(title_font.size * 1.7) if title else 0)
    rows = math.ceil(count / columns)
    sheet_w = columns * cell_w + (columns + 3) * gap
    if title:
        sheet_w = max(sheet_w, math.ceil(title_font.getlength(title)) + 4 * gap)
    sheet_h = top + rows * cell_h + (rows - 1) * row_gap + 2 * gap
    sheet = Image.new("RGB", (sheet_w, sheet_h), PAPER)
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((2 * gap, 2 * gap), title, INK, title_font, anchor="lt")
    for index, (frame, label) in enumerate(zip(frames, labels, strict=True)):
        row, column = divmod(index, columns)
        left, upper = 2 * gap + column * (cell_w + gap), top + row * (cell_h + row_gap)
        picture = to_picture(frame).resize((frame_w, frame_h), Image.Resampling.LANCZOS)
        sheet.paste(picture, (left + (cell_w - frame_w) // 2, upper))
        # Baseline, not box: "f/8" and "24 mm" stand on one line.
        draw.text((left + cell_w / 2, upper + cell_h - round(0.2 * text_h)), label, INK, font, anchor="ms")
    return sheet


def to_picture(frame: Tensor) -> Image.Image:
    """A frame (3,H,W), [0,1] sRGB, in 8 bit."""
    return Image.fromarray((frame.detach().float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy())


def _columns(count: int, aspect: float) -> int:
    """Columns for a sheet of about WIDTH_TO_HEIGHT; a row that is not full counts as a worse shape."""

    def cost(columns: int) -> float:
        rows = math.ceil(count / columns)
        empty = columns * rows - count
        return abs(math.log(aspect * columns / (rows * 1.15) / WIDTH_TO_HEIGHT)) + 3 * empty / count

    return min(range(1, count + 1), key=cost)


def _fitting(labels: Sequence[str], size: int, width: int) -> tuple[ImageFont.FreeTypeFont, int, int]:
    """The default font at `size` or smaller so that all labels fit into `width`; the widest label and the line [px]."""
    size = max(size, LEAST_TEXT_PX)
    while True:
        font = ImageFont.load_default(size)
        widest = math.ceil(max(font.getlength(label) for label in labels))
        if widest <= width or size <= LEAST_TEXT_PX:
            return font, widest, size
        size = max(LEAST_TEXT_PX, min(size - 1, size * width // widest))
