"""What a camera does to light: pure functions on tensors, no networks."""
