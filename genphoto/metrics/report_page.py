"""The page over many measured sequences: one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1200px; padding: 0 1rem; color: #2a2a2a;
  background: #ececec }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2.5rem; overflow-wrap: anywhere }
table { border-collapse: collapse; width: 100%; background: #fff }
th, td { padding: .35rem .6rem; border-bottom: 1px solid #ddd; text-align: right; font-variant-numeric: tabular-nums }
th:first-child, td:first-child, td.words { text-align: left; overflow-wrap: anywhere }
td + td:not(.words) { white-space: nowrap }
img { max-width: 100%; display: block; margin: .6rem 0 } img.plot { width: 640px }
.bad { color: #be281e } p.note { max-width: 60rem; color: #555 }
.wide { overflow-x: auto }
"""
NOTE = """Error: median over the frames after the first of |measured - requested|, in the unit given. Slope: change
that is there per change that was asked for; 1 obeys, 0 is frozen. Order: rank correlation of both. Same scene: mean
SSIM with the first frame once the requested change is undone; excess is that less the same of the reference. Published
r: the paper's score, correlation of frame-to-frame changes with the reference; it knows no size. LPIPS: of neighbors,
as published, and of frames with the change undone. A dash: not measured or not measurable; the reasons stand below."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One sequence on the page.

    Args:
        name: how it was called on the command line.
        results: `SweepReport.to_dict()` and what else was measured; or {"error": why nothing was}.
        frames: its contact sheet as JPEG; empty where there is none.
        plot: its plot as PNG; empty where there is none.
    """

    name: str
    results: Mapping[str, Any]
    frames: bytes = b""
    plot: bytes = b""


def report_page(entries: Sequence[Entry]) -> str:
    """HTML with a table over all sequences, and frames, plot and findings of each."""
    extra = [key for key in ("lpips", "following") if any(e.results.get(key) for e in entries)]
    rows = "".join(_rows(number, entry, extra) for number, entry in enumerate(entries, 1))
    head = "".join(f"<th>{name}</th>" for name in (*COLUMNS, *(EXTRA[key] for key in extra)))
    sections = "".join(_section(number, entry) for number, entry in enumerate(entries, 1))
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Camera sweeps, measured</title>'
        f"<style>{STYLE}</style></head><body><h1>Camera sweeps, measured</h1>"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        f'<p class="note">{NOTE}</p>{_cross_talk([entry.results for entry in entries])}{sections}</body></html>\n'
    )


def cross_talk(sequences: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, tuple[float | None, str]]]:
    """Swept setting -> quantity -> (largest error of a frame, median over the sequences; its unit).

    Only sequences in which more was measured than the sweep changes: what a setting does beside its own quantity.
    """
    largest: dict[str, dict[str, list[tuple[float | None, str]]]] = {}
    for sequence in sequences:
        if "error" in sequence or set(sequence["measurements"]) <= set(sequence["asked_for"]):
            continue
        row = largest.setdefault(" and ".join(sequence["settings"]), {})
        for name, m in sequence["measurements"].items():
            errors = [abs(error) for error in m["errors"] if error is not None]
            known = len(errors) > 1  # the reference frame alone says nothing
            row.setdefault(name, []).append((max(errors) if known else None, m["error_unit"]))
    matrix: dict[str, dict[str, tuple[float | None, str]]] = {}
    for setting, row in largest.items():
        matrix[setting] = {}
        for name, cells in row.items():
            values = [value for value, _ in cells if value is not None]
            matrix[setting][name] = statistics.median(values) if values else None, cells[0][1]
    return matrix


def _cross_talk(sequences: Sequence[Mapping[str, Any]]) -> str:
    matrix = cross_talk(sequences)
    if not matrix:
        return ""
    names = list(dict.fromkeys(name for row in matrix.values() for name in row))
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in names)
    lines = []
    for setting, row in matrix.items():
        cells = [row.get(name, (None, "")) for name in names]
        shown = "".join(
            f"<td>{_number(None) if value is None else f'{value:.3g} {escape(unit)}'}</td>" for value, unit in cells
        )
        lines.append(f"<tr><td>{escape(setting.replace('_', ' '))}</td>{shown}</tr>")
    return (
        '<h2>Cross-talk</h2><div class="wide"><table><thead><tr><th>sweep of</th>'
        f"{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
        '<p class="note">The largest error of a frame, median over the sequences that vary the setting.</p>'
    )


COLUMNS = (
    "sequence",
    "quantity",
    "error",
    "slope",
    "order",
    "frames measured",
    "same scene",
    "excess",
    "published r",
)
EXTRA = {"lpips": "LPIPS adjacent / compensated", "following": "CLIP"}


def _rows(number: int, entry: Entry, extra: Sequence[str]) -> str:
    link = f'<a href="#s{number}">{escape(entry.name)}</a>'
    results = entry.results
    if "error" in results:
        span = len(COLUMNS) + len(extra) - 1
        return f'<tr><td>{link}</td><td class="words bad" colspan="{span}">{escape(results["error"])}</td></tr>'
    scores = [_number(score["correlation"]) for score in results["published"].values()]
    more = {
        "lpips": lambda x: f"{_number(x['adjacent_mean'], 3)} / {_number(x['compensated_mean'], 3)}",
        "following": lambda x: _number(x["mean"], 3),
    }
    shared = [
        _number(results["consistency"]["mean_ssim"], 3),
        _number(results["consistency_excess"], 3),
        ", ".join(scores) or _number(None),
        *(more[key](results[key]) if results.get(key) else _number(None) for key in extra),
    ]
    lines = []
    for name in results["asked_for"] or [None]:
        cells = _measured(results["measurements"][name]) if name else ["nothing changes", *[_number(None)] * 4]
        lines.append("".join(f"<td>{cell}</td>" for cell in (link, *cells, *shared)))
    return "".join(f"<tr>{line}</tr>" for line in lines)


def _measured(m: Mapping[str, Any]) -> list[str]:
    error = m["median_absolute_error"]
    values = [value for number, value in enumerate(m["measured"], 1) if number != m["reference_frame"]]
    return [
        m["quantity"].replace("_", " "),
        _number(None) if error is None else f"{error:.3g} {m['error_unit']}",
        _number(m["slope"]),
        _number(m["rank_correlation"]),
        f"{len([value for value in values if value is not None])} of {len(values)}",
    ]


def _section(number: int, entry: Entry) -> str:
    parts = [f'<h2 id="s{number}">{escape(entry.name)}</h2>']
    if "error" in entry.results:
        parts.append(f'<p class="bad">{escape(entry.results["error"])}</p>')
    findings = escape("Requested and measured. " + " ".join(entry.results.get("findings", ())))
    for kind, css, words, data in (
        ("jpeg", "frames", "The frames", entry.frames),
        ("png", "plot", findings, entry.plot),
    ):
        if data:
            code = base64.b64encode(data).decode()
            parts.append(f'<img class="{css}" alt="{words}" src="data:image/{kind};base64,{code}">')
    for name, score in entry.results.get("published", {}).items():
        if score["reason"]:
            parts.append(f"<p>Published score of {name.replace('_', ' ')}: {escape(score['reason'])}.</p>")
    return "".join(parts)


def _number(value: float | None, digits: int = 2) -> str:
    return "&ndash;" if value is None else f"{value:.{digits}f}"
