"""SparseRefine (ECCV 2024), the one neighbour with a path of its own: networks, training, use and export."""
