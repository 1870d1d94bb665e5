"""The density-time curve: selections of a given density, and what is measured on them."""

from __future__ import annotations

import numpy as np

from repro.sparserefine.networks import planes_of
from repro.sparserefine.refinement import multiply_adds, places_of
from repro.timing.density import bands, density_curve


def test_bands_have_their_density_and_lie_together_each_within_the_next():
    for density in (0.01, 0.3, 1):
        mask = bands((64, 96), density)
        assert mask.sum() == round(density * 64 * 96)
        np.testing.assert_array_equal(mask, bands((64, 96), density))
        neighbours = (mask[:, 1:] & mask[:, :-1]).sum() / mask.sum()
        assert neighbours > min(0.5, 5 * density)  # of pixels scattered at random, `density` have one
    assert not (bands((32, 64), 0.1) & ~bands((32, 64), 0.4)).any()


def test_a_curve_has_a_case_for_each_density_with_its_counts():
    found = density_curve((32, 64), 1 / 16, 5, 3, densities=(0.05, 1))
    assert [case["density"] for case in found["cases"]] == [0.05, 1] and len(found["select"]) == 3
    for case in found["cases"]:
        places = places_of(bands((32, 64), case["density"])[None])
        assert case["pixels"] == case["positions"][0] == round(case["density"] * 32 * 64)
        assert case["positions"] == list(places.counts)
        assert case["multiply_adds"] == sum(multiply_adds(places, planes_of(1 / 16), 5).values()) < case["multiplied"]
        assert len(case["seconds"]) == len(case["places"]) == 3 and min(case["places"]) > 0
    thin, full = found["cases"]
    assert thin["multiply_adds"] < full["multiply_adds"] and full["positions"][:2] == [32 * 64, 16 * 32]
