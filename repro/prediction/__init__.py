"""Label photos and videos with trained weights."""
