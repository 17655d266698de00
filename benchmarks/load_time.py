"""How long ComfyUI waits for this pack, and what its import brings along.

PYTHON_OF_COMFYUI benchmarks/load_time.py PATH_OF_COMFYUI
"""

import asyncio
import logging
import sys
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
    known = set(sys.modules)
    start = time.perf_counter()
    loaded = asyncio.run(nodes.load_custom_node(str(PACK)))
    seconds = time.perf_counter() - start
    if not loaded:
        sys.exit("ComfyUI could not load the pack.")
    print(f"genphoto loads in {seconds:.3f} s; a server start imports torch, numpy and comfy_api before it")
    print("imported:", *sorted({name.partition(".")[0] for name in set(sys.modules) - known if name.isidentifier()}))
