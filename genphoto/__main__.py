"""`python -m genphoto`."""

from .cli import program

program()
