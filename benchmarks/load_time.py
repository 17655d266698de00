"""How long ComfyUI waits for this pack, and what its import brings along.

PYTHON_OF_COMFYUI benchmarks/load_time.py PATH_OF_COMFYUI
"""

import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

PACK = Path(__file__).resolve().parents[1]

if __name__ == "__main__":
    sys.path[0] = sys.argv[1]  # in place of this folder
    sys.argv[1:] = ["--cpu"]
    import comfy.options

    comfy.options.enable_args_parsing()
    import nodes

    logging.getLogger().setLevel(logging.WARNING)

    def load(folder: Path) -> float:
        start = time.perf_counter()
        if not asyncio.run(nodes.load_custom_node(str(folder))):
            sys.exit(f"ComfyUI could not load {folder}.")
        return time.perf_counter() - start

    with tempfile.TemporaryDirectory() as folder:  # what the first pack costs, whichever it is
        (Path(folder) / "__init__.py").write_text("NODE_CLASS_MAPPINGS = {}\n")
        (Path(folder) / "pyproject.toml").write_text('[project]\nname = "empty"\n')
        first = load(Path(folder))
    known = set(sys.modules)
    seconds = load(PACK)
    print(f"genphoto loads in {seconds:.3f} s, after an empty pack in {first:.3f} s (ComfyUI's own first imports)")
    print("imported:", *sorted({name.partition(".")[0] for name in set(sys.modules) - known if name.isidentifier()}))
