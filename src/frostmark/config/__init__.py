"""The configuration: what can be chosen, what fits together, and how objects are made of it."""
