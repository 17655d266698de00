"""Folders of photographs as training data, with captions and depth."""
