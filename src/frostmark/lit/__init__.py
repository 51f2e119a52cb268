"""The only rooms that know Lightning."""
