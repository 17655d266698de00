"""Does a sequence of frames obey the camera, and is it one scene? Start at `sweep_metrics.measure_sweep`."""
