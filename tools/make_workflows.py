"""Makes workflows/*.json with their thumbnails and subgraphs/*.json, in ComfyUI's own frontend.

    python -m tools.make_workflows [--thumbnails] [NAME ...]

All, or those whose names contain a NAME. `--thumbnails` keeps the graphs and only runs them again, as after a training
of the embedded model. Needs what tests/browser needs: a ComfyUI, Chromium, and '.[test]'.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image, ImageDraw, ImageFont, ImageOps

from .checkout import find
from .frontend import Frontend, opened
from .server import running
from .workflow_graphs import BLUEPRINTS, WORKFLOWS
from .workflow_nodes import Blueprint, Workflow

ROOT = Path(__file__).parent.parent
CORE = {"cnr_id": "comfy-core", "ver": "0.33.0"}
OURS = {"cnr_id": "genphoto", "ver": version("genphoto")}
GAP = (50, 80)  # between columns and between nodes [px of the canvas]; the latter holds a title
CARD = (512, 288)  # [px], the shape of the cards in ComfyUI's template browser
MARGIN = 24  # around a graph in its thumbnail [px of the page]
LARGEST = 60_000  # [bytes] of a thumbnail
UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")

# Puts nodes into the root graph and returns them by name.
PLACE = """
const place = ({ columns, groups, gap, ours, core }) => {
    const graph = app.rootGraph, nodes = {};
    const find = (slots, name, whose) => {
        const found = slots.findIndex(slot => slot.name.toLowerCase() === name.toLowerCase());
        if (found < 0) throw Error(`${whose} has no ${name}, but ${slots.map(slot => slot.name)}`);
        return found;
    };
    graph.clear();
    graph.id = crypto.randomUUID(); // the frontend remembers widgets' values by graph, node and name
    for (const spec of columns.flat()) {
        const node = (nodes[spec.name] = LiteGraph.createNode(spec.type));
        if (!node) throw Error(`no node ${spec.type}`);
        graph.add(node);
        Object.assign(node, { title: spec.title, mode: spec.mode });
        const pack = node.constructor.nodeData?.python_module;
        if (pack) Object.assign(node.properties, pack.startsWith("custom_nodes.") ? ours : core);
        if (spec.models.length) node.properties.models = spec.models;
        for (const [name, value] of Object.entries(spec.inputs)) {
            if (Array.isArray(value)) continue;
            const widget = node.widgets[find(node.widgets, name, spec.type)];
            widget.value = value;
            if (widget.value !== value) throw Error(`${spec.type}.${name} became ${widget.value}`);
        }
    }
    for (const spec of columns.flat())
        for (const [name, link] of Object.entries(spec.inputs).filter(([, value]) => Array.isArray(value))) {
            const [from, to] = [nodes[link[0]], nodes[spec.name]];
            const made = from.connect(find(from.outputs, link[1], link[0]), to, find(to.inputs, name, spec.type));
            if (!made) throw Error(`${link} does not fit ${spec.name}.${name}`);
        }
    let x = 0;
    for (const column of columns) {
        const width = Math.max(...column.map(spec => spec.width));
        let y = 0;
        for (const spec of column) {
            const node = nodes[spec.name];
            y = Math.max(y, spec.top);
            node.pos = [x, y];
            node.setSize([width, Math.max(node.computeSize()[1], spec.height)]);
            y += node.size[1] + gap[1];
        }
        x += width + gap[0];
    }
    for (const [title, names] of Object.entries(groups)) {
        const group = new LiteGraph.LGraphGroup(title);
        graph.add(group);
        for (const name of names) nodes[name].updateArea();
        group.resizeTo(names.map(name => nodes[name]), 20);
    }
    return nodes;
};
"""
WORKFLOW = """spec => {
    place(spec);
    return JSON.stringify(app.rootGraph.serialize());
}"""
# The same as one node, with inputs and outputs as the user would promote and connect them.
BLUEPRINT = """spec => {
    const nodes = Object.entries(place({ ...spec, groups: {} }));
    const { subgraph, node } = app.rootGraph.convertToSubgraph(new Set(nodes.map(([, node]) => node)));
    const inner = Object.fromEntries(nodes.map(([name], i) => [name, subgraph.nodes[i]]));
    for (const promoted of [...subgraph.inputs]) subgraph.removeInput(promoted);
    for (const [label, targets] of Object.entries(spec.inputs)) {
        const slots = targets.map(([name, input]) => inner[name].inputs.find(other => other.name === input));
        const promoted = subgraph.addInput(label, slots[0].type);
        slots.forEach((slot, i) => promoted.connect(slot, inner[targets[i][0]]));
    }
    for (const [label, [name, output]] of Object.entries(spec.outputs)) {
        const slot = inner[name].outputs.find(other => other.name.toLowerCase() === output);
        subgraph.addOutput(label, slot.type).connect(slot, inner[name]);
    }
    subgraph.name = node.title = spec.name;
    Object.assign(node.properties, spec.core);
    node.pos = [0, 0];
    node.setSize([Math.max(330, node.computeSize()[0]), node.computeSize()[1]]); // room for the title
    return JSON.stringify(app.rootGraph.serialize());
}"""

BOUNDS = """() => {
    const { canvas, ds, graph } = app.canvas, at = canvas.getBoundingClientRect();
    const ends = i => [Math.min(...graph.nodes.map(node => node.boundingRect[i])),
        Math.max(...graph.nodes.map(node => node.boundingRect[i] + node.boundingRect[i + 2]))];
    const [x, y] = [0, 1].map(i => ends(i).map(end => (end + ds.offset[i]) * ds.scale + [at.x, at.y][i]));
    return [x[0], y[0], x[1], y[1]];
}"""  # of all nodes [px of the page]: left, upper, right, lower


def main(arguments: Sequence[str] | None = None) -> None:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--thumbnails", action="store_true", help="keep the graphs")
    asked = parser.parse_args(arguments)

    def wanted(items: Sequence[Workflow | Blueprint]) -> list:
        return [item for item in items if not asked.names or any(name in item.name for name in asked.names)]

    cards: dict[str, Image.Image] = {}
    with started() as frontend:
        put_photograph(frontend)
        for workflow in wanted(WORKFLOWS):
            file = ROOT / "workflows" / f"{workflow.name}{'.app' if workflow.app else ''}.json"
            if not asked.thumbnails:
                write(file, made(frontend, workflow))
            if workflow.name not in cards:
                cards[workflow.name] = card(frontend, workflow, json.loads(file.read_text(encoding="utf-8")))
            save_card(cards[workflow.name], file.with_suffix(".jpg"))
        for blueprint in [] if asked.thumbnails else wanted(BLUEPRINTS):
            write(ROOT / "subgraphs" / f"{blueprint.name}.json", made(frontend, blueprint))


def made(frontend: Frontend, item: Workflow | Blueprint) -> dict:
    """The graph as the frontend serializes it, with the same ids every time."""
    spec = asdict(item) | {"gap": GAP, "core": CORE, "ours": OURS}
    for node in (node for column in spec["columns"] for node in column):
        node["models"] = [
            {"name": url.rsplit("/", 1)[1], "url": url, "directory": folder} for folder, url in node["models"]
        ]
        if isinstance(item, Blueprint):  # links from outside
            promoted = [target for targets in item.inputs.values() for target in targets]
            node["inputs"] = {
                name: value
                for name, value in node["inputs"].items()
                if not isinstance(value, tuple) or (node["name"], name) not in promoted
            }
    script = BLUEPRINT if isinstance(item, Blueprint) else WORKFLOW
    text = frontend.page.evaluate(f"spec => {{ {PLACE} return ({script})(spec); }}", spec)
    for index, found in enumerate(dict.fromkeys(UUID.findall(text))):
        text = text.replace(found, str(uuid.uuid5(uuid.NAMESPACE_URL, f"{item.name} {index}")))
    graph = json.loads(text)
    graph["extra"] = {}
    if isinstance(item, Blueprint):
        graph["extra"] = {"BlueprintDescription": item.description}
        graph["definitions"]["subgraphs"][0]["category"] = "Generative Photography"
    elif item.app:
        ids = {node.name: number for number, node in enumerate((n for c in item.columns for n in c), start=1)}
        shown = {"inputs": [[ids[name], widget] for name, widget in item.app], "outputs": [ids["viewer"]]}
        graph["extra"] = {"linearMode": True, "linearData": shown}
    return graph


def write(file: Path, graph: dict) -> None:
    """The graph as a file."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(graph, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def put_photograph(frontend: Frontend) -> None:
    """Our sample photograph under the name of ComfyUI's example."""
    picture = io.BytesIO()
    Image.open(ROOT / "docs" / "sample.jpg").save(picture, "png")
    image = {"name": "example.png", "mimeType": "image/png", "buffer": picture.getvalue()}
    answer = frontend.page.request.post(f"{frontend.url}/upload/image", multipart={"image": image, "overwrite": "true"})
    if not answer.ok:
        raise RuntimeError(f"ComfyUI did not take the photograph: {answer.status} {answer.text()}")


def card(frontend: Frontend, workflow: Workflow, graph: dict) -> Image.Image:
    """What the workflow makes, or how it looks where it needs a download."""
    frontend.load(graph, workflow.name)
    if not workflow.runs:
        return screenshot(frontend, CARD[0] / CARD[1]).resize(CARD, Image.Resampling.LANCZOS)
    said = frontend.run()
    if said != "execution_success":
        raise RuntimeError(f"{workflow.name}: {said}")
    viewer = next(node["id"] for node in graph["nodes"] if node["type"] == "GenPhotoSweepViewer")
    output = frontend.page.evaluate("id => app.nodeOutputs[id]", viewer)
    rows = [output["images"]]
    if output["genphoto_compare"]:
        rows.append([{"filename": name, "subfolder": "", "type": "temp"} for name in output["genphoto_compare"]])
    pictures = [[fetched(frontend, record) for record in row] for row in rows]
    return mosaic(pictures, output["genphoto_labels"])


def fetched(frontend: Frontend, record: dict) -> Image.Image:
    """A picture from ComfyUI's folders."""
    return Image.open(io.BytesIO(frontend.page.request.get(f"{frontend.url}/view", params=record).body())).convert(
        "RGB"
    )


def mosaic(rows: list[list[Image.Image]], labels: list[str]) -> Image.Image:
    """Four frames of a sweep, or three above the three that they are compared with, filling the card."""
    count = len(labels)
    picks = [round(i * (count - 1) / 3) for i in range(4)] if len(rows) == 1 else [0, count // 2, count - 1]
    cells = [(row[pick], labels[pick]) for row in rows for pick in picks]
    columns = len(cells) // 2
    sheet = Image.new("RGB", CARD, "white")
    draw, font = ImageDraw.Draw(sheet, "RGBA"), ImageFont.load_default(15)
    for index, (picture, label) in enumerate(cells):
        row, column = divmod(index, columns)
        left, right = (round((CARD[0] + 2) * (column + i) / columns) - 2 * i for i in (0, 1))
        upper, lower = (round((CARD[1] + 2) * (row + i) / 2) - 2 * i for i in (0, 1))
        sheet.paste(ImageOps.fit(picture, (right - left, lower - upper), Image.Resampling.LANCZOS), (left, upper))
        x0, y0, x1, y1 = draw.textbbox((left + 12, lower - 11), label, font, anchor="ls")
        draw.rounded_rectangle((x0 - 6, y0 - 5, x1 + 6, y1 + 5), 4, fill=(0, 0, 0, 150))
        draw.text((left + 12, lower - 11), label, "white", font, anchor="ls")
    return sheet


def screenshot(frontend: Frontend, aspect: float | None = None) -> Image.Image:
    """The graph that is open, without the menus; in pictures of that aspect if one is given."""
    frontend.set("Comfy.Graph.CanvasMenu", False)
    frontend.page.evaluate(
        "async () => { if (!app.extensionManager.focusMode)"
        " await app.extensionManager.command.execute('Workspace.ToggleFocusMode') }"
    )
    frontend.command("Comfy.Canvas.FitView")
    frontend.page.wait_for_timeout(2000)  # it glides there
    left, upper, right, lower = frontend.page.evaluate(BOUNDS)
    width, height = right - left + 2 * MARGIN, lower - upper + 2 * MARGIN
    if aspect:
        width, height = max(width, height * aspect), max(height, width / aspect)
    x, y = (left + right - width) / 2, (upper + lower - height) / 2
    picture = Image.open(io.BytesIO(frontend.page.screenshot())).convert("RGB")
    return picture.crop(tuple(map(round, (x, y, x + width, y + height))))


def save_card(picture: Image.Image, file: Path) -> None:
    """The thumbnail, as good as fits."""
    for quality in range(92, 30, -4):
        picture.save(file, quality=quality, optimize=True)
        if file.stat().st_size <= LARGEST:
            return


@contextmanager
def started() -> Iterator[Frontend]:
    """ComfyUI with this pack, in a browser."""
    with TemporaryDirectory() as folder, running(find(ROOT), ROOT, Path(folder)) as url:
        pretend_models(Path(folder) / "models")
        with opened(url, Path(folder), 1920, 1080) as frontend:
            yield frontend


def pretend_models(folder: Path) -> None:
    """Empty files by the names of the released ones, so that a picture of a graph marks nothing as missing."""
    nodes = (node for workflow in WORKFLOWS for column in workflow.columns for node in column)
    for key, url in {released for node in nodes for released in node.models}:
        (folder / key).mkdir(exist_ok=True)
        (folder / key / url.rsplit("/", 1)[1]).touch()


if __name__ == "__main__":
    main()
