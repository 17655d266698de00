"""What sampling takes, lowest and highest: the same for nodes, command line and library."""

STEPS = (1, 100)  # beyond, whole-numbered step widths start far below the last timestep
GUIDANCE_SCALE = (0.0, 100.0)
STRENGTH = (0.0, 2.0)  # of a camera: 0 is off, 1 as trained
