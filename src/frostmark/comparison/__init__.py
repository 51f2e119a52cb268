"""Finished runs side by side: groups that may be compared, a verdict on each, and the page that shows it."""
