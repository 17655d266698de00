"""Peak memory and time of one frame of a large photograph, per setting, each in a process of its own.

python benchmarks/memory.py [MEGAPIXELS]
"""

import resource
import subprocess
import sys
import time

SETTINGS = {"focal_length": 50.0, "aperture": 2.0, "shutter_speed": 0.25, "color_temperature": 3000.0}


def measure(setting: str, megapixels: float) -> None:
    import torch

    from genphoto.camera.imaging import Photo, photograph
    from genphoto.camera.sweep import CameraSweep

    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    size = (height, round(height * 1.5))
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(3, *size, generator=generator)
    disparity = torch.linspace(0.01, 1, size[0])[:, None].expand(size).contiguous()
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sweep = CameraSweep({setting: [SETTINGS[setting]]})
    start = time.perf_counter()
    photograph(Photo(image, disparity, sweep.base), sweep.cameras[0], generator=generator)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{setting:18} {size[1]}x{size[0]}  {seconds:6.1f} s  peak {peak:.2f} GiB (photograph loaded: {loaded:.2f})")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        measure(sys.argv[1], float(sys.argv[2]))
    else:
        for name in SETTINGS:
            subprocess.run([sys.executable, __file__, name, *(sys.argv[1:] or ["24"])], check=True)
