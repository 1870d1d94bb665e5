"""Rows of the tables, presets and other networks' rows: YAML in, frozen and checked objects out; imports no MXNet."""
