"""What the registry's package contains: the tracked files less .comfyignore, as `comfy node pack` takes them."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import genphoto
from genphoto.cli import main

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FILES = {"__init__.py", "pyproject.toml", "requirements.txt", "LICENSE", "README.md", "CHANGELOG.md"}
FOLDERS = {"genphoto", "nodes", "web", "workflows", "subgraphs", "locales"}
ESSENTIALS = FILES | {
    "nodes/__init__.py",
    "genphoto/assets/genphoto_tiny.safetensors",
    "genphoto/assets/motion/genphoto_tiny_motion.safetensors",
    "genphoto/assets/camera/genphoto_tiny_focal_length.safetensors",
    "genphoto/assets/MODEL_CARD.md",
    "web/genphoto.js",
}


def listed(*options):
    """Paths in the repository, with those that are not committed yet."""
    command = ["git", "ls-files", "--cached", "--others", *options]
    return set(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines())


@pytest.fixture(scope="module")
def tracked():
    if not (ROOT / ".git").exists():
        pytest.skip("This is no git checkout, and the package is made of one.")
    return listed("--exclude-standard")


@pytest.fixture(scope="module")
def packed(tracked):
    return tracked - listed("--ignored", "--exclude-from=.comfyignore")


def test_the_package_has_what_a_user_needs_and_nothing_else(packed):
    assert packed >= ESSENTIALS
    assert {path.partition("/")[0] for path in packed} <= FILES | FOLDERS


def test_only_training_is_left_out_of_the_folders_that_are_packed(tracked, packed):
    left_out = {path for path in tracked - packed if path.partition("/")[0] in FOLDERS}
    assert left_out
    assert all(path.startswith("genphoto/training/") for path in left_out)


def test_names_are_plain(packed):
    """`comfy node pack` drops a file whose name git quotes."""
    assert not [path for path in packed if not re.fullmatch(r"[\w./ -]+", path, re.ASCII)]


def test_nothing_in_the_package_needs_training_to_start(packed):
    for path in packed:
        if path.endswith(".py"):
            for statement in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
                if isinstance(statement, ast.Import | ast.ImportFrom):
                    assert "training" not in ast.unparse(statement), path


def test_train_without_training_says_where_it_is(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "genphoto.training.config_file", None)
    assert main(["train", "tiny-cpu", "--out", "out"]) == 2
    assert "a clone of https://" in capsys.readouterr().err


def test_the_icon_is_in_the_repository():
    address = PROJECT["tool"]["comfy"]["Icon"]
    raw = PROJECT["project"]["urls"]["Repository"].replace("github.com", "raw.githubusercontent.com") + "/main/"
    assert address.startswith(raw)
    with Image.open(ROOT / address.removeprefix(raw)) as icon:
        assert icon.width == icon.height <= 400


def test_requirements_are_the_dependencies():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == PROJECT["project"]["dependencies"]


def test_versions_agree():
    version = PROJECT["project"]["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert genphoto.__version__ == version
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## \[(\d.*?)\]", changes, re.MULTILINE)[1] == version
