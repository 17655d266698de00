"""Procedural scenes with exact depth, to train and to measure on."""
