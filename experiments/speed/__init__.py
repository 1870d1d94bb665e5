"""Measure time and memory: make table6, profile, engines, precision."""
