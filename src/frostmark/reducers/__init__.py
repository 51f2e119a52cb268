"""Methods that make maps of two dimensions."""
