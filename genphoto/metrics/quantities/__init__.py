"""The quantities that are measured, one file each. A new quantity is a new file and its name in QUANTITIES.

Their order is that of rendering: what decides which pixels show the same thing first, then what a lens does, then the
sensor and the light. They are measured, and their changes undone, in this order.
"""

from ..quantity import Quantity
from .blur import BLUR
from .color_temperature import COLOR_TEMPERATURE
from .exposure import EXPOSURE
from .tint import TINT
from .vignetting import VIGNETTING
from .zoom import ZOOM

QUANTITIES: tuple[Quantity, ...] = (ZOOM, BLUR, VIGNETTING, EXPOSURE, COLOR_TEMPERATURE, TINT)
