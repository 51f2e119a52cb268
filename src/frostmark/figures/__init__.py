"""Functions from arrays to a figure."""
