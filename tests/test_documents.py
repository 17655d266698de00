"""What documents and code name of this repository is in it."""

import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")
DOCUMENT = re.compile(r"\b([A-Z_]+\.md)\b")  # those that programs write have names in small letters
ROOMS = r"genphoto|nodes|tests|tools|docs|benchmarks|web|workflows|locales|subgraphs|\.ci|\.github"
PLACE = re.compile(rf"`((?:{ROOMS})/[\w./-]*)`")


@pytest.fixture(scope="module")
def tracked():
    if not (ROOT / ".git").exists():
        pytest.skip("This is no git checkout, and its files are not told from others.")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [ROOT / path for path in listed if (ROOT / path).is_file()]


def text_of(path):
    return path.read_text(encoding="utf-8")


def test_links_lead_somewhere(tracked):
    """Help pages are read by ComfyUI, from elsewhere: test_words.py."""
    help_pages = ROOT / "web"
    for document in (path for path in tracked if path.suffix == ".md" and help_pages not in path.parents):
        lost = [link for link in LINK.findall(text_of(document)) if not (document.parent / link).exists()]
        assert not lost, document


def test_code_cites_only_documents_that_are_here(tracked):
    names = {path.name for path in tracked}
    for file in (path for path in tracked if path.suffix in {".py", ".toml", ".js"} and path != Path(__file__)):
        lost = [name for name in DOCUMENT.findall(text_of(file)) if name not in names]
        assert not lost, file


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "docs/FORMATS.md", "docs/HOST.md"])
def test_the_map_shows_what_stands(document):
    places = PLACE.findall(text_of(ROOT / document))
    assert places
    assert not [place for place in places if not (ROOT / place).exists()]


def test_the_map_shows_every_room():
    shown = text_of(ROOT / "docs/ARCHITECTURE.md")
    rooms = [folder.name for folder in (ROOT / "genphoto").iterdir() if (folder / "__init__.py").exists()]
    assert not [room for room in rooms if f"{room}/" not in shown]


def test_every_extra_is_tried_on_modules_that_exist():
    named = re.findall(r"\bgenphoto(?:\.[a-z_]+)+", text_of(ROOT / ".ci/run"))
    assert len(named) > 5
    assert not [module for module in named if find_spec(module) is None]
