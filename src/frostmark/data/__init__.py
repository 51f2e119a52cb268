"""Images with labels: one file a source; how they become input; what identifies them."""
