"""ComfyUI's frontend in a real browser, and the sweep viewer in it, used as a person uses them."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Locator, Page, Request, expect, sync_playwright

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SLOW = 180_000  # [ms] that a busy machine may take for anything
READY = "() => window.app?.vueAppReady && window.app.graph && !document.querySelector('#splash-loader')"
RUN = """async within => {
    const { api } = window.comfyAPI.api;
    const ends = ["execution_success", "execution_error", "execution_interrupted"];
    const ended = new Promise(resolve => {
        for (const end of ends)
            api.addEventListener(end, ({ detail }) => resolve(detail.exception_message ?? end), { once: true });
        setTimeout(resolve, within, `no end within ${within} ms`);
    });
    return await app.queuePrompt(0, 1) ? await ended : "refused: " + JSON.stringify(app.lastNodeErrors);
}"""
NO_BANNER = "[data-testid=queue-notification-banner] { display: none }"
# ComfyUI forgets a socket that comes back under its old name before the old one is seen to be closed.
NEW_NAME = "sessionStorage.removeItem('clientId')"
SHOW_VIEWER = """([width, height]) => {
    const node = app.canvas.graph.nodes.find(({ type }) => type === "GenPhotoSweepViewer");
    node.setSize([width, height]);
    app.canvas.ds.scale = 1;
    app.canvas.ds.offset = [600 - node.pos[0], 170 - node.pos[1]];
    app.canvas.setDirty(true, true);
}"""
LAID_OUT = """([width, most]) => {
    const [viewer] = [...document.querySelectorAll(".genphoto")].filter(element => element.checkVisibility());
    return viewer && Math.abs(viewer.getBoundingClientRect().width - width) < most;
}"""
MARGIN = 40  # [px] that a node leaves around its viewer, at most
CLOSE_OTHERS = """async () => {
    const { workflow } = app.extensionManager;
    for (const other of workflow.openWorkflows.filter(({ path }) => path !== workflow.activeWorkflow.path))
        await workflow.closeWorkflow(other);
}"""
ENTER_SUBGRAPH = """() => {
    const node = app.rootGraph.nodes.find(other => other.isSubgraphNode?.());
    app.canvas.openSubgraph(node.subgraph, node);
}"""


def chromium() -> str | None:
    """The executable of CHROMIUM_PATH, or one that is installed."""
    names = [os.environ["CHROMIUM_PATH"]] if "CHROMIUM_PATH" in os.environ else CHROMIUMS
    return next(filter(None, map(shutil.which, names)), None)


@contextmanager
def opened(url: str, screenshots: Path, width: int, height: int) -> Iterator["Frontend"]:
    """ComfyUI at that address, loaded in a Chromium of its own with a page of that size [px]."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"],
        )
        frontend = Frontend(browser.new_page(viewport={"width": width, "height": height}), url, screenshots)
        frontend.open()
        yield frontend
        browser.close()


class Frontend:
    """A page with ComfyUI in it, which notes what goes wrong and whom it asks for anything."""

    def __init__(self, page: Page, url: str, screenshots: Path):
        self.page = page
        self.url = url
        self.host = urlsplit(url).netloc
        self.screenshots = screenshots
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        page.set_default_timeout(SLOW)
        page.add_init_script(NEW_NAME)
        page.on("pageerror", lambda error: self.errors.append(f"{error}\n{error.stack}"))
        page.on("console", self._heard)
        page.on("request", self._asked)

    def open(self) -> None:
        """Loads or reloads the page."""
        self.page.goto(self.url)
        self.page.wait_for_function(READY)

    def set(self, setting: str, value) -> None:
        """Changes a setting, as the settings dialog does."""
        self.page.evaluate("([id, value]) => app.extensionManager.setting.set(id, value)", [setting, value])

    def command(self, name: str) -> None:
        """Executes a command, as a menu does."""
        self.page.evaluate("name => app.extensionManager.command.execute(name)", name)

    def load(self, workflow: dict, name: str = "test", beside: bool = False) -> None:
        """Opens a workflow, in the frontend's format or in the API's, in place of all others or `beside` them."""
        if "nodes" in workflow:
            self.page.evaluate("([graph, name]) => app.loadGraphData(graph, true, true, name)", [workflow, name])
        else:
            self.page.evaluate("([prompt, name]) => app.loadApiJson(prompt, name)", [workflow, name])
            # The API's format knows no "control after generate", so that every run would have another seed.
            self.page.evaluate(
                "() => app.graph.nodes.flatMap(node => node.widgets ?? [])"
                ".filter(widget => widget.name === 'control_after_generate').forEach(widget => widget.value = 'fixed')"
            )

        if not beside:
            self.page.evaluate(CLOSE_OTHERS)

    def serialized(self) -> dict:
        """The open workflow as it would be saved."""
        return self.page.evaluate("() => JSON.parse(JSON.stringify(app.rootGraph.serialize()))")

    def run(self) -> str:
        """Runs the open workflow to its end: "execution_success", or what went wrong."""
        return self.page.evaluate(RUN, SLOW)

    def refusals(self) -> list[str]:
        """Why ComfyUI refused nodes of the last run."""
        return self.page.evaluate(
            "() => Object.values(app.lastNodeErrors ?? {})"
            ".flatMap(({ errors }) => errors.map(({ type, details }) => `${type}: ${details}`))"
        )

    def into_subgraph(self, node_type: str | None = None) -> None:
        """Opens the only subgraph, which is first made of the nodes of that type if one is given."""
        if node_type is not None:
            self.page.evaluate(
                "type => app.graph.convertToSubgraph(new Set(app.graph.nodes.filter(node => node.type === type)))",
                node_type,
            )
        self.page.evaluate(ENTER_SUBGRAPH)

    def show_viewer(self, width: int = 520, height: int = 460) -> "Viewer":
        """Moves the canvas to the open graph's viewer, in that size."""
        self.page.evaluate(SHOW_VIEWER, [width, height])
        self.page.wait_for_function(LAID_OUT, arg=[width, MARGIN])
        return self.viewer

    @property
    def viewer(self) -> "Viewer":
        return Viewer(self.page.locator(".genphoto:visible"))

    def shot(self, name: str) -> None:
        """Keeps a picture of the page."""
        self.page.mouse.move(620, 795)  # where nothing shows a tooltip
        self.page.wait_for_timeout(500)  # let ComfyUI's animations end
        self.page.screenshot(path=self.screenshots / f"{name}.png", style=NO_BANNER)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and "genphoto.js" in message.text + message.location.get("url", ""):
            self.errors.append(message.text)

    def _asked(self, request: Request) -> None:
        if urlsplit(request.url).scheme not in ("data", "blob"):
            self.hosts.add(urlsplit(request.url).netloc)


class Viewer:
    """A sweep viewer on the page."""

    def __init__(self, root: Locator):
        self.root = root
        self.stage = root.locator(".stage")
        self.slider = root.get_by_label("Frame")
        self.label = root.locator(".label")
        self.pictures = root.locator("img")

    def button(self, name: str) -> Locator:
        return self.root.get_by_role("button", name=re.compile(f"^{name}"))

    def press(self, key: str) -> None:
        self.root.page.keyboard.press(key)

    def wheel(self, notches: int) -> None:
        """Rolls the wheel over the picture, towards the user."""
        self.stage.hover()
        for _ in range(abs(notches)):
            self.root.page.mouse.wheel(0, 100 if notches > 0 else -100)

    def expect(self, label: str, number: int, pictures: int = 1) -> None:
        """The frame with that label and number is on show, its file loaded."""
        expect(self.label).to_have_text(label)
        expect(self.pictures.first).to_have_attribute("src", re.compile(f"_0*{number}_"))
        expect(self.pictures).to_have_count(pictures)
        expect(self.root.locator(".message")).to_be_hidden()

    def expect_empty(self) -> None:
        """No sweep is on show."""
        expect(self.root.locator(".message")).to_be_visible()
        expect(self.pictures).to_have_count(0)
