"""Training: of the tiny model from nothing, and of camera adapters on a frozen lifted model of any size."""
