"""Makes first_sweep.jpg, app_mode.jpg and viewer_side_by_side.jpg: templates after a run, in ComfyUI's own frontend.

python -m tools.make_screenshots
"""

from __future__ import annotations

import io
import json

from PIL import Image

from .frontend import Frontend
from .make_workflows import ROOT, put_photograph, screenshot, started

WIDTH = 1280  # [px]


def main() -> None:
    """All pictures."""
    with started() as frontend:
        put_photograph(frontend)
        frontend.page.set_viewport_size({"width": 1600, "height": 640})
        ran(frontend, "First camera sweep")
        frontend.viewer.slider.fill("3")
        save(screenshot(frontend), "first_sweep")
        ran(frontend, "Compare the model with physics")
        viewer = frontend.show_viewer(900, 420)
        viewer.button("Side by side").click()
        frontend.viewer.slider.fill("3")
        frontend.page.wait_for_timeout(500)
        save(Image.open(io.BytesIO(viewer.root.screenshot())).convert("RGB"), "viewer_side_by_side")
        frontend.page.set_viewport_size({"width": 1600, "height": 900})
        ran(frontend, "First camera sweep.app")
        frontend.page.wait_for_timeout(2000)
        save(Image.open(io.BytesIO(frontend.page.screenshot())).convert("RGB"), "app_mode")


def ran(frontend: Frontend, name: str) -> None:
    """Opens a template and runs it."""
    frontend.load(json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8")), name)
    if (said := frontend.run()) != "execution_success":
        raise RuntimeError(f"{name}: {said}")


def save(picture: Image.Image, name: str) -> None:
    """The picture in this folder."""
    picture.thumbnail((WIDTH, WIDTH), Image.Resampling.LANCZOS)
    picture.save(ROOT / "docs" / f"{name}.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    main()
