"""The record of an exported network is read as it was written, and what is no such record is named."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from repro.data import CITYSCAPES
from repro.errors import UserError
from repro.runtime.metadata import Check, Metadata, parse

RECORD = Metadata("model-a", "isctf", "random", (1, 3, 128, 256), 64, ("scores", "mask"), 4, 64, (2, 4), 3, CITYSCAPES,
                  "0" * 40, Check(2, 0, 4096, 0, 1e-7, {"mxnet": "1.9.1"}))


def changed(*keys_and_value):
    *keys, last, value = keys_and_value
    made = json.loads(RECORD.to_text())
    inner = made
    for key in keys:
        inner = inner[key]
    inner[last] = value
    return json.dumps(made)


def test_a_record_is_read_as_written():
    assert parse(RECORD.to_text(), "x") == RECORD
    without = replace(RECORD, region=None, grid=None, k=None, check=None)
    assert parse(without.to_text(), "x") == without


@pytest.mark.parametrize("text, message", [
    ("{", "x: not valid JSON"), ("[]", "x: [] is not a mapping"), (changed("format", 2), "x: format 2 is not known"),
    (changed("more", 1), "x: unknown key 'more'"), (changed("row", 3), "x: row: 3 is not text"),
    (changed("input", "order", "BGR"), "x: input: order: 'BGR' is not known; choose from RGB"),
    (changed("input", "layout", "NHWC"), "choose from NCHW"),
    (changed("input", "std", [1, 1, 0]), "x: input: std[2]: 0 is not above 0"),
    (changed("input", "mean", [1, 1]), "x: input: mean: [1, 1] are not 3"),
    (changed("input", "normalisation", "value / 255"), "x: input: normalisation"),
    (changed("input", "shape", [1, 3, 100, 256]), "x: input: shape [1, 3, 100, 256] is not"),
    (changed("outputs", "names", ["mask", "scores"]), "do not begin with scores"),
    (changed("regions", "k", 9), "x: regions: k: 9 is more than the grid of 2x4 has"),
    (changed("regions", "grid", [4, 4]), "x: regions: 4x4 of 64 pixels are not 128x256"),
    (changed("classes", "ids", [1]), "19 names, 19 colours and 1 ids"),
    (changed("check", "labels", -1), "x: check: labels: -1 is below 0"),
])
def test_a_wrong_record_is_a_line(text, message):
    with pytest.raises(UserError) as error:
        parse(text, "x")
    assert message in str(error.value) and "\n" not in str(error.value)
