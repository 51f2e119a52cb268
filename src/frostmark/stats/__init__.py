"""Statistics that metrics and reducers share: pure functions and values."""
