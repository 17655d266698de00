"""A package that is installed and cannot be imported costs what needs it, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

ROOT = Path(__file__).parents[1]
ASKED = ["--setting", "shutter_speed", "--values", "0.1", "0.2"]
SCENE = ["--scene", "a red ball on a wooden floor", "--steps", "1"]


@pytest.fixture
def broken(tmp_path):
    """A folder with a torchvision and an OpenCV as one finds them beside a PyTorch or NumPy that they do not fit."""
    folder = tmp_path / "broken"
    for name, version in (("torchvision", "0.28.0"), ("cv2", "5.0.0"), ("lpips", "0.1.4")):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"raise RuntimeError('operator {name}::nms does not exist')\n")
        distribution = "opencv_python_headless" if name == "cv2" else name
        info = folder / f"{distribution}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    return folder


def genphoto(folder, *arguments):
    """Run the command with the packages of a folder before all others."""
    start = f"import sys; sys.path.insert(0, {str(folder)!r}); from genphoto.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", start, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_generate_goes_on_without_a_broken_torchvision(broken, tmp_path):
    done = genphoto(broken, "generate", *SCENE, *ASKED, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("torchvision is installed but cannot be imported") == 1
    assert "operator torchvision::nms does not exist" in done.stderr
    assert "Traceback" not in done.stderr


def test_evaluate_goes_on_without_what_is_broken(broken, tmp_path):
    (tmp_path / "frames").mkdir()
    noise = torch.rand(64, 96, 3, generator=torch.Generator().manual_seed(0))
    for index, gain in enumerate((90, 180)):
        Image.fromarray((noise * gain).byte().numpy()).save(tmp_path / "frames" / f"{index}.png")
    zoom = ["--setting", "focal_length", "--values", "24", "25"]
    frames, out = tmp_path / "frames", tmp_path / "out"
    done = genphoto(broken, "evaluate", frames, *zoom, "--reference", frames, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "operator cv2::nms does not exist" in (out / "report.json").read_text()
    assert "Traceback" not in done.stderr
