"""Numbers computed from rows and labels, without training."""
