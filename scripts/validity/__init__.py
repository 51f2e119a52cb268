"""How well scores order networks: the parts of ``scripts/validate.py``."""
