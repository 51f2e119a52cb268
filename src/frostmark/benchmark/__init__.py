"""One benchmark of one layer, from the configuration to the record."""
