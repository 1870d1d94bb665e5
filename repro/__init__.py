"""The library: data, networks from rows, cost, training, evaluation, tables."""
