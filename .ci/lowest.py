"""Print the lower bounds of pyproject.toml as constraints for pip or uv: what the lowest versions are tested with."""

import re
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
extras = project["optional-dependencies"]
wanted = project["dependencies"] + [
    line for name in ("headless", "generate", "evaluate", "train") for line in extras[name]
]
bounds = (re.match(r"([\w-]+)>=([\d.]+)", requirement) for requirement in wanted)
sys.stdout.writelines(f"{bound[1]}=={bound[2]}\n" for bound in bounds if bound)
