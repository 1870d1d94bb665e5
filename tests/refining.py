"""A small data set that experiments.refine trains on, all of it in a folder of a test's own."""

from __future__ import annotations

from folders import write_camvid

from experiments import refine
from experiments.lib import lookup, paths
from repro.config.presets import changed


def street_in(tmp_path, monkeypatch):
    """The data set; everything is written under tmp_path, and budgets have two steps."""
    presets = lookup.preset_of
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "tables" / "results")
    monkeypatch.setattr(lookup, "preset_of", lambda name: changed(presets(name), {"steps": 2}))
    return write_camvid(tmp_path / "street", train=3, val=1, test=2, size=(64, 128))


def run(*arguments) -> int:
    """experiments.refine with a small refiner; its exit code."""
    return refine.main(["--width", "0.0625", *map(str, arguments)])
