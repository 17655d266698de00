"""Generative photography: one scene under different focal lengths, apertures, shutter speeds and color temperatures."""

__version__ = "0.1.0"
