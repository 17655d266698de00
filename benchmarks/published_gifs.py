"""The GIFs on the paper's project page, measured: five methods, four settings, scenes 0 to 2, nothing tuned to them.

    git clone --filter=blob:none --sparse https://github.com/pandayuanyu/generative-photography ref
    git -C ref sparse-checkout set project_page
    python benchmarks/published_gifs.py --gifs ref/project_page [--sheets DIR]

Reads the requested values from index.html and writes the tables of benchmarks/PUBLISHED_GIFS.md; what is written by
hand below them stays. --sheets also keeps every plot over its frames, to look at.
"""

import argparse
import ast
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from statistics import fmean, median

import torch
import torch.nn.functional as F
from PIL import Image
from tqdm import tqdm

from genphoto.camera.imaging import simulate
from genphoto.camera.photo import Photo
from genphoto.camera.sweep import CameraSweep
from genphoto.files.contact_sheet import contact_sheet
from genphoto.files.frames import read_frames
from genphoto.files.photos import read_depth, read_photo
from genphoto.metrics.measurement import Measurement
from genphoto.metrics.plot import plot_report
from genphoto.metrics.published import PublishedScore, published_score
from genphoto.metrics.sweep_metrics import SweepReport, measure_sweep

ROOT = Path(__file__).parent.parent
TABLES = ROOT / "benchmarks" / "PUBLISHED_GIFS.md"
BY_HAND = "<!-- Below: written by hand, after looking at every picture. -->"
# Folder on the page -> our name of the setting.
SETTINGS = {
    "bokeh_rendering": "bokeh",
    "focal_length": "focal_length",
    "shutter_speed": "shutter_speed",
    "color_temperature": "color_temperature",
}
METHODS = ("Our", "AnimateDiff", "CameraCtrl", "SD3", "FLUX")  # "Our" is the paper's
SCENES = (0, 1, 2)
SIZE = (256, 384)
UNDEFINED = float("inf")  # error of a frame that cannot be measured


class Tables(HTMLParser):
    """The page's tables as rows of cells, each its text and its picture."""

    def __init__(self):
        super().__init__()
        self.tables: list[list[list[dict]]] = []
        self._open: dict | None = None

    def handle_starttag(self, tag, attributes):
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag == "td":
            self._open = {"text": "", "picture": None}
            self.tables[-1][-1].append(self._open)
        elif tag == "img" and self._open:
            self._open["picture"] = dict(attributes)["src"]

    def handle_endtag(self, tag):
        if tag == "td":
            self._open = None

    def handle_data(self, data):
        if self._open:
            self._open["text"] += data


def requested_values(page: str) -> dict[tuple[str, str], list[float]]:
    """(folder, scene) -> values: a row "Prompts" holds those of the pictures in the same columns."""
    parser = Tables()
    parser.feed(page)
    found = {}
    for table in parser.tables:
        prompts = next(([c["text"] for c in row] for row in table if row[0]["text"].strip() == "Prompts"), [])
        for row in table:
            for cell, prompt in zip(row, prompts, strict=False):
                if cell["picture"] and (values := re.search(r"\[[\d., ]+\]", prompt)):
                    folder, name = Path(cell["picture"]).parts[-2:]
                    found[folder, name.rsplit("_", 1)[0]] = ast.literal_eval(values[0])
    return found


@dataclass(frozen=True)
class Row:
    """One GIF, measured."""

    setting: str
    scene: str
    method: str
    values: list[float]
    report: SweepReport
    score: PublishedScore

    @property
    def measurement(self) -> Measurement:
        return self.report.measurements[self.report.asked_for[0]]

    @property
    def frame_errors(self) -> list[float]:
        m = self.measurement
        return [UNDEFINED if e is None else abs(e) for i, e in enumerate(m.errors) if i != m.reference]


def evaluate(path: Path, setting: str, scene: str, method: str, values: list[float], sheets: Path | None) -> Row:
    frames = torch.stack(read_frames(path))
    sweep = CameraSweep({setting: values})
    report = measure_sweep(frames, sweep, reference=physical_render(frames[0], sweep))
    if sheets:
        picture = plot_report(report, sweep.labels)
        sheet = contact_sheet(frames, sweep.labels, columns=len(frames), max_width=picture.width * 2)
        both = Image.new("RGB", (sheet.width, sheet.height + picture.height), "white")
        both.paste(sheet, (0, 0))
        both.paste(picture, (0, sheet.height))
        both.save(sheets / f"{setting}_{scene}_{method}.png")
    return Row(setting, scene, method, values, report, published_score(frames, stand_in(sweep), setting))


def physical_render(first: torch.Tensor, sweep: CameraSweep) -> torch.Tensor | None:
    """Frame 1 as physics changes it; None where it shows too little (zooming out) or its depth is not known (bokeh)."""
    camera = sweep.cameras[0]
    widest = min(c.focal_length_mm for c in sweep.cameras)
    if "bokeh" in sweep.values or camera.focal_length_mm > widest:
        return None
    return torch.stack([*simulate(Photo(first, camera=camera), CameraSweep(sweep.values, camera))])


def stand_in(sweep: CameraSweep) -> torch.Tensor:
    """The paper's simulator on docs/sample.jpg: its own base pictures are not on the page."""
    picture = read_photo(ROOT / "docs" / "sample.jpg")
    disparity = read_depth(ROOT / "docs" / "sample_depth.png", picture.shape[1:])
    small = F.interpolate(picture[None], SIZE, mode="bilinear", antialias=True)[0]
    depth = F.interpolate(disparity[None, None], SIZE, mode="nearest")[0, 0]
    return torch.stack([*simulate(Photo(small, depth, sweep.base), sweep, variant="published", size=SIZE)])


def table(rows: list[Row]) -> list[str]:
    """One line per GIF."""
    unit = "%" if rows[0].measurement.percent else rows[0].measurement.unit
    lines = [
        f"| scene | method | error [{unit}] | slope | order | measured | same scene | excess | published r |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        m, consistency = row.measurement, row.report.consistency.mean
        known = sum(error < UNDEFINED for error in row.frame_errors)
        cells = [
            row.scene,
            row.method,
            number(m.median_absolute_error, 3),
            number(m.slope),
            number(m.rank_correlation),
            f"{known} of {len(m.measured) - 1}",
            number(consistency),
            number(row.report.consistency_excess),
            number(row.score.correlation),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def ranking(rows: list[Row]) -> list[str]:
    """Per method over the scenes; a frame that cannot be measured counts as wrong without limit."""
    methods = {}
    for method in METHODS:
        own = [row for row in rows if row.method == method]
        errors = [error for row in own for error in row.frame_errors]
        scores = [row.score.correlation for row in own if row.score.correlation is not None]
        alike = [row.report.consistency.mean for row in own if row.report.consistency.mean is not None]
        methods[method] = (
            median(errors),
            -sum(e < UNDEFINED for e in errors),
            fmean(scores) if scores else None,
            len(scores),
            fmean(alike) if alike else None,
            len(errors),
        )
    ours = [values[:2] for values in methods.values()]
    theirs = [-2 if values[2] is None else values[2] for values in methods.values()]
    lines = [
        "| method | median error | frames measured | rank | mean published r | rank | same scene |",
        "|---|---|---|---|---|---|---|",
    ]
    for method in METHODS:
        error, known, score, count, alike, frames = methods[method]
        shown = "not measurable" if error == UNDEFINED else f"{error:.3g}"
        defined = "" if count == len(SCENES) else f" ({count} of {len(SCENES)} defined)"
        rank = 1 + sum(other < (error, known) for other in ours)
        their_rank = 1 + sum(other > (-2 if score is None else score) for other in theirs)
        lines.append(
            f"| {method} | {shown} | {-known} of {frames} | **{rank}** | {number(score)}{defined} | **{their_rank}** | "
            f"{number(alike)} |"
        )
    return lines


def unmeasured(rows: list[Row]) -> list[str]:
    """What could not be measured, and why, in the metric's own words."""
    lines = []
    for row in rows:
        m = row.measurement
        for reason in dict.fromkeys(r for r in m.reasons if r):
            numbers = ", ".join(str(i + 1) for i, r in enumerate(m.reasons) if r == reason)
            lines.append(f"- {row.scene} {row.method}, frame {numbers}: {reason}.")
        if row.score.reason:
            lines.append(f"- {row.scene} {row.method}, published r: {row.score.reason}.")
    return lines or ["- nothing"]


def number(value: float | None, digits: int = 2) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if digits == 3 else f"{value:.{digits}f}"


INTRODUCTION = """# The GIFs on the paper's project page, measured

`python benchmarks/published_gifs.py --gifs project_page`: five methods, four settings, scenes 0, 1 and 2, five frames
of 384x256 in 256 colors each, requested values from the page. Nothing was tuned to them, and no frame was left out.

*Error*: median over four frames of |measured - requested|, relative to the first (of bokeh: to that of the least K).
*Slope*: change per change asked for.
*Order*: rank correlation of both. *Same scene*: mean SSIM with frame 1 after undoing the request; *excess*: that less
the SSIM of frame 1 as physics renders the sweep from it (not possible for bokeh without depth, and where a zoom starts
narrow). *Published r*: the paper's score. The paper correlates with its simulator on its own base pictures, which are
not on the page; here the simulator renders `docs/sample.jpg`, the same for all methods. *Rank* over three scenes: by
the median over 12 frames, in which a frame that cannot be measured counts as wrong without limit. "Our" is the paper's
method. Bokeh without depth knows K only up to a factor: its error is one of the shape of the response, and it has no
slope.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gifs", type=Path, required=True, help="the folder project_page of the reference repository")
    parser.add_argument("--sheets", type=Path, help="keep every plot over its frames in this folder")
    args = parser.parse_args()
    if args.sheets:
        args.sheets.mkdir(parents=True, exist_ok=True)
    wanted = requested_values((args.gifs / "index.html").read_text(encoding="utf-8"))
    jobs = []
    for (folder, scene), values in sorted(wanted.items()):
        if int(scene.split("_")[0]) in SCENES:
            jobs += [(folder, scene, method, values) for method in METHODS]
    rows = []
    for folder, scene, method, values in tqdm(jobs, unit="GIF"):
        path = args.gifs / "static" / "videos" / folder / f"{scene}_{method}.gif"
        rows.append(evaluate(path, SETTINGS[folder], scene, method, values, args.sheets))
    parts = [INTRODUCTION]
    for setting in SETTINGS.values():
        own = [row for row in rows if row.setting == setting]
        asked = "; ".join(f"{s} {v}" for s, v in dict((row.scene, row.values) for row in own).items())
        parts += [f"## {setting}", f"Requested: {asked}.", "\n".join(ranking(own)), "\n".join(table(own))]
        parts += ["What could not be measured:", "\n".join(unmeasured(own))]
    by_hand = TABLES.read_text(encoding="utf-8").partition(BY_HAND)[2] if TABLES.exists() else "\n"
    TABLES.write_text("\n\n".join(parts) + f"\n\n{BY_HAND}{by_hand}", encoding="utf-8")
    print(f"{len(rows)} GIFs measured: {TABLES}")


if __name__ == "__main__":
    main()
