"""Makes tiny_sweeps.jpg: a scene of the embedded model under every setting, seed 0, by the command line.

python -m tools.make_tiny_sweeps
"""

import tempfile
from pathlib import Path

from PIL import Image

from genphoto.cli import main

SWEEPS = {
    "focal_length": ("a red house on a grassy floor under a cloudy sky", "24 35 50 60 70"),
    "bokeh": ("a lamp left of a purple box on a sandy floor under a night sky", "1 8 15 22 30"),
    "shutter_speed": ("a blue box in front of a yellow cone on a grassy floor by a striped wall", "0.1 0.2 0.4 0.7 1"),
    "color_temperature": ("a red ball on a tiled floor by a plain wall", "2500 4000 6504 8000 10000"),
}


def make(out: Path) -> None:
    """One contact sheet below the other."""
    sheets = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (scene, values) in SWEEPS.items():
            made = Path(folder) / name
            main(["generate", "--scene", scene, "--setting", name, "--values", *values.split(), "--out", str(made)])
            with Image.open(made / "contact_sheet.png") as sheet:
                sheets.append(sheet.convert("RGB"))
    picture = Image.new("RGB", (sheets[0].width, sum(sheet.height for sheet in sheets)))
    top = 0
    for sheet in sheets:
        picture.paste(sheet, (0, top))
        top += sheet.height
    picture.save(out, quality=88)


if __name__ == "__main__":
    make(Path(__file__).parent.parent / "docs" / "tiny_sweeps.jpg")
