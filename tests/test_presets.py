"""Presets: what they hold, what is wrong with one is one line, how sizes follow from rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from repro.config.networks import Column, Network
from repro.config.presets import load_preset, parse_preset, preset_dict
from repro.errors import UserError

PRESETS = Path(__file__).resolve().parent.parent / "experiments" / "presets"


def test_the_two_presets_are_the_issue_of_scale(lite):
    paper = load_preset(PRESETS / "paper.yaml", "paper")
    assert (lite.width, lite.size, lite.region(256), lite.region(128)) == (0.25, (256, 512), 64, 32)
    assert (paper.width, paper.size, paper.region(256), paper.region(128)) == (1, (1024, 2048), 256, 128)
    assert lite.size[0] // lite.region(256) == paper.size[0] // paper.region(256) == 4  # the same 4x8 grid
    assert lite.budget("quick").steps < lite.budget("full").steps


def test_images_are_padded_to_whole_regions_and_whole_positions_of_the_coarsest_column(lite):
    def multiple(region, *scales):
        columns = tuple(Column(scale, (3, 4, 6, 3)) for scale in scales)
        return Network("max" if len(scales) > 1 else "single", columns, 32, "plain", None).multiple(region)

    assert multiple(lite.region(256), 0.5, 1.0) == 64
    assert multiple(lite.region(128), 0.5, 1.0) == 64  # regions of 32 px, but the half column's 1/32 is 64 px wide
    assert multiple(None, 0.25) == 128
    assert multiple(None, 1.0) == multiple(None, 2.0) == 32
    assert multiple(lite.region(512), 0.5, 1.0) == 128


def test_regions_that_do_not_divide_and_an_unknown_budget_are_said(lite):
    with pytest.raises(UserError, match="regions of 200 px divided by 4 are not a multiple of 32"):
        lite.region(200)
    with pytest.raises(UserError, match="BUDGET of preset lite: 'long' is not known; choose from quick, full"):
        lite.budget("long")


@pytest.mark.parametrize("change, words", [
    (lambda v: v.update(widht=1), ("unknown key 'widht'", "width")),
    (lambda v: v.update(size=[256]), ("size", "not a pair")),
    (lambda v: v.update(width=0), ("width", "not above 0")),
    (lambda v: v["recipe"].update(batch=0), ("recipe: batch", "not above 0")),
    (lambda v: v["recipe"].update(momentum=1.5), ("recipe: momentum", "not between 0 and 1")),
    (lambda v: v["recipe"].update(warmup=-1), ("recipe: warmup", "below 0")),
    (lambda v: v["recipe"].update(stops=["half"]), ("recipe: stops[0]", "'half'", "cross, weights, sparse_head")),
    (lambda v: v["recipe"].update(lr=1), ("recipe: unknown key 'lr'", "learning_rate")),
    (lambda v: v["budgets"].update(long={"steps": 5}), ("budgets: long", "is missing")),
    (lambda v: v.update(budgets={}), ("budgets", "not a mapping")),
])
def test_what_is_wrong_with_a_preset_is_one_line(change, words, tmp_path):
    values = yaml.safe_load((PRESETS / "lite.yaml").read_text(encoding="utf-8"))
    change(values)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    with pytest.raises(UserError) as error:
        load_preset(path, "mine")
    message = str(error.value)
    assert "\n" not in message and message.startswith(str(path)) and all(word in message for word in words), message


@pytest.mark.parametrize("name", ("lite", "paper", "street"))
def test_plain_values_round_trip(name):
    preset = load_preset(PRESETS / f"{name}.yaml", name)
    assert parse_preset(json.loads(json.dumps(preset_dict(preset))), "here", name) == preset
