"""From scores at a quarter of the size to a label of every pixel."""
