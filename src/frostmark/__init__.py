"""Frostmark: a training-free benchmark of frozen vision backbones."""

__version__ = "0.1.0"
