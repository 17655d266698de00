"""Scenes that are drawn from words, with their exact depth: training data that needs no photographs."""
