"""The tests of this folder run the real ComfyUI with its real frontend in a real Chromium.

One server and one page serve them all. Without a ComfyUI or a Chromium every test is skipped, and its reason says how
to get one; but one that is named (COMFYUI_PATH, COMFYUI_PYTHON, CHROMIUM_PATH) and cannot run is an error. With
GENPHOTO_SCREENSHOTS the pictures that the tests take are kept in that folder.
"""

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tools.checkout import find
from tools.frontend import SLOW, chromium, opened
from tools.server import running

from ..comfy.inner_run import find_or_reason

HERE = Path(__file__).parent
PACK = HERE.parent.parent
NO_CHROMIUM = (
    "no Chromium. Install it (Debian: apt-get install --no-install-recommends chromium fonts-dejavu-core) or set "
    "CHROMIUM_PATH to its executable."
)


def pytest_collection_modifyitems(items):
    mine = [item for item in items if HERE in item.path.parents]
    why = _missing() if mine else None
    if why is not None:
        for item in mine:
            item.add_marker(pytest.mark.skip(reason=why))


def _missing() -> str | None:
    """Why the tests cannot run here."""
    found = find_or_reason(PACK)
    if isinstance(found, str):
        return found
    if chromium() is None:
        if "CHROMIUM_PATH" in os.environ:
            raise pytest.UsageError(f"CHROMIUM_PATH = {os.environ['CHROMIUM_PATH']} cannot be executed.")
        return NO_CHROMIUM
    return None


@pytest.fixture(scope="session")
def page_of_comfyui(tmp_path_factory):
    """The page, opened once."""
    kept = os.environ.get("GENPHOTO_SCREENSHOTS")
    screenshots = Path(kept) if kept else tmp_path_factory.mktemp("screenshots")
    screenshots.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=SLOW)
    base = tmp_path_factory.mktemp("comfyui")
    with running(find(PACK), PACK, base) as url, opened(url, screenshots, 1280, 800) as frontend:
        yield frontend


@pytest.fixture
def frontend(page_of_comfyui):
    """The page; after the test nothing has gone wrong in it and nobody but our ComfyUI was asked for anything."""
    yield page_of_comfyui
    errors, hosts = page_of_comfyui.errors, page_of_comfyui.hosts
    page_of_comfyui.errors, page_of_comfyui.hosts = [], set()
    assert errors == []
    assert hosts <= {page_of_comfyui.host}
