"""The networks of the lift: what turns an image model into a model of camera sweeps."""
