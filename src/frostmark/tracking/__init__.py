"""Where runs are kept: a port and what is behind it."""
