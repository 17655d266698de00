"""What the project reads from files and writes to them: photographs, depth, frames, sweeps, contact sheets."""
