"""What happens to light on its way from the scene to the file, one file per stage, in this order.

A new stage is a new file and its name in STAGES.
"""

from .balance import BALANCE
from .geometry import GEOMETRY
from .lens import LENS
from .readout import EXPOSURE, READOUT
from .stage import FrameStage, PixelStage
from .vignetting import VIGNETTING

STAGES: tuple[FrameStage | PixelStage, ...] = (GEOMETRY, LENS, VIGNETTING, EXPOSURE, READOUT, BALANCE)
