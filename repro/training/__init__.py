"""Train one row: the loop, its losses, logs and checkpoints, on one machine or several."""
