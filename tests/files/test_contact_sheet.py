"""The contact sheet: every frame is on it, unchanged in color, with its label in the paper beneath."""

import numpy as np
import pytest
import torch

from genphoto.files.contact_sheet import PAPER, contact_sheet


def flat_frames(count: int, height: int = 40, width: int = 60) -> torch.Tensor:
    """Frames of one color each, all different and none that of the paper."""
    return torch.stack(
        [torch.tensor([i / 255, 0.25, 0.5]).view(3, 1, 1).expand(3, height, width) for i in range(count)]
    )


def labels_of(count: int) -> list[str]:
    return [f"{i} mm" for i in range(count)]


@pytest.mark.parametrize("count", [1, 2, 5, 7, 64])
def test_every_frame_is_there_at_full_size_in_reading_order(count):
    sheet = np.asarray(contact_sheet(flat_frames(count), labels_of(count)))
    corners = []
    for i in range(count):
        rows, columns = np.nonzero((sheet == (i, 64, 128)).all(-1))
        assert len(rows) == 40 * 60
        corners.append((rows.min(), columns.min()))
    assert corners == sorted(corners)


def test_ink_appears_beneath_every_frame_and_nowhere_on_it():
    sheet = np.asarray(contact_sheet(flat_frames(3), ["24 mm", "f/1.4", "1/125 s"], columns=3)).astype(int)
    for i in range(3):
        rows, columns = np.nonzero((sheet == (i, 64, 128)).all(-1))
        strip = sheet[rows.max() + 1 :, columns.min() : columns.max() + 1]
        assert strip.min() < 100  # dark ink; paper is 236
        assert (strip[0] == PAPER).all()


def test_margins_are_even_and_paper():
    sheet = np.asarray(contact_sheet(flat_frames(4), labels_of(4), columns=2))
    rows, columns = np.nonzero((sheet[..., 1] == 64) & (sheet[..., 2] == 128))
    assert columns.min() == sheet.shape[1] - 1 - columns.max() == rows.min() > 0
    assert (sheet[:, : columns.min()] == PAPER).all()


@pytest.mark.parametrize("count", [1, 3, 20])
def test_large_frames_are_reduced_to_the_width_and_keep_their_aspect(count):
    sheet = contact_sheet(flat_frames(count, 500, 1500), labels_of(count), columns=min(count, 4), max_width=900)
    assert 850 <= sheet.width <= 900
    rows, columns = np.nonzero((np.asarray(sheet) == (0, 64, 128)).all(-1))
    assert np.ptp(columns) + 1 == pytest.approx(3 * (np.ptp(rows) + 1), abs=3)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 400), (400, 3)])
def test_labels_of_extreme_frames_are_not_cut(height, width):
    label = "f/1.4, 1/125 s"
    sheet = np.asarray(contact_sheet(flat_frames(2, height, width), [label] * 2)).astype(int)
    ink = np.nonzero(sheet.max(-1) < 150)
    assert ink[1].min() > 2
    assert ink[1].max() < sheet.shape[1] - 3
    assert np.ptp(ink[0]) >= 6


def test_text_grows_with_the_frame():
    def letters_px(scale: int) -> int:
        frames = torch.ones(1, 3, 200 * scale, 300 * scale)
        return np.ptp(np.nonzero(np.asarray(contact_sheet(frames, ["24 mm"])).max(-1) < 150)[0])

    assert letters_px(3) >= 2 * letters_px(1)


def test_long_labels_shrink_to_the_frame():
    sheet = contact_sheet(flat_frames(1, 200, 300), ["f/1.4, 1/125 s, 24 mm, 5600 K, K 30"])
    columns = np.nonzero(np.asarray(sheet).max(-1) < 100)[1]
    frame = np.nonzero((np.asarray(sheet) == (0, 64, 128)).all(-1))[1]
    assert columns.min() >= frame.min()
    assert columns.max() <= frame.max()


def test_title_stands_above_the_frames():
    titled = np.asarray(contact_sheet(flat_frames(2), labels_of(2), title="Focal length"))
    top = np.nonzero((titled == (0, 64, 128)).all(-1))[0].min()
    assert titled[:top].min() < 100
    assert titled.shape[0] > contact_sheet(flat_frames(2), labels_of(2)).height


@pytest.mark.parametrize(("count", "labels", "columns"), [(0, [], None), (2, ["24 mm"], None), (1, ["24 mm"], 0)])
def test_impossible_sheets_are_refused(count, labels, columns):
    with pytest.raises(ValueError, match="contact sheet"):
        contact_sheet(flat_frames(max(count, 1))[:count], labels, columns=columns)


def test_half_precision_frames_are_drawn():
    sheet = np.asarray(contact_sheet(flat_frames(1).half(), ["24 mm"]))
    assert (sheet == (0, 64, 128)).all(-1).sum() == 40 * 60
