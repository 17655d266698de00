"""The help pages and the Chinese words, as files. tests/comfy/test_words.py holds them against the nodes."""

import ast
import json
import re
from pathlib import Path

import pytest

from genphoto.embedded import load_tiny_model
from tools.make_help_pictures import PICTURES

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "web" / "docs"
NODES = sorted(re.findall(r'node_id="(\w+)"', "".join(p.read_text("utf-8") for p in (ROOT / "nodes").glob("*.py"))))
LARGEST_BYTES = 600_000  # of all pictures
MESSAGE_SYNTAX = "{}@|"  # which ComfyUI's frontend would read as instructions


def page(node_id, language):
    path = PAGES / (f"{node_id}.md" if language == "en" else f"{node_id}/{language}.md")
    return path.read_text(encoding="utf-8")


both = pytest.mark.parametrize("language", ["en", "zh"])
every_node = pytest.mark.parametrize("node_id", NODES)


def test_every_node_has_its_pages_and_there_are_no_others():
    found = sorted(p.relative_to(PAGES).as_posix() for p in PAGES.rglob("*.md"))
    assert found == sorted([f"{node}.md" for node in NODES] + [f"{node}/zh.md" for node in NODES])


@both
@every_node
def test_a_page_shows_the_picture_of_its_node(node_id, language):
    assert re.findall(r"!\[.+\]\((.*)\)", page(node_id, language)) == [f"{node_id}.webp"]


def test_every_picture_is_shown_can_be_made_again_and_is_small():
    pictures = [p for p in PAGES.rglob("*") if p.is_file() and p.suffix != ".md"]
    assert sorted(p.name for p in pictures) == sorted(f"{node}.webp" for node in NODES)
    assert sorted(PICTURES) == NODES
    assert sum(p.stat().st_size for p in pictures) <= LARGEST_BYTES


@both
@every_node
def test_a_page_has_no_links_that_the_help_panel_cannot_follow(node_id, language):
    assert not re.findall(r"(?<!!)\[[^]]*\]\((?!https://)", page(node_id, language))


@pytest.fixture(scope="module")
def said():
    """Every text in the code, pieces between inserted values apart."""
    return [
        piece.value
        for folder in ("nodes", "genphoto")
        for path in (ROOT / folder).rglob("*.py")
        for piece in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(piece, ast.Constant) and isinstance(piece.value, str)
    ]


@both
@every_node
def test_every_error_that_a_page_quotes_is_raised_somewhere(said, node_id, language):
    for quoted in re.findall(r'\*"([^"]+)"\*', page(node_id, language)):
        assert any(quoted in text for text in said), quoted


@both
def test_the_page_of_the_embedded_model_lists_its_words(language):
    assert " ".join(load_tiny_model().tokenizer.words) in page("GenPhotoEmbeddedModel", language).replace("\n", " ")


def test_the_chinese_words_are_of_these_nodes_and_plain_text():
    words = json.loads((ROOT / "locales" / "zh" / "nodeDefs.json").read_text(encoding="utf-8"))
    assert sorted(words) == NODES
    for node in words.values():
        plain = [node["display_name"], node["description"], *(slot["name"] for slot in node["inputs"].values())]
        assert not set("".join(plain)) & set(MESSAGE_SYNTAX)
