"""The page on engines, from made-up measurements: targets, the best engine of each network, one kind of CPU a block."""

from __future__ import annotations

import pytest
from made_up import PROVENANCE
from speed_records import lines_of

from repro.errors import UserError
from repro.tables.engines import PIPELINED, WHOLE, best_table, page

# row -> 10^9 multiply-adds; (engine, precision) -> seconds of an image, and of all regions
ROWS = {"icnet": 180, "single": 879, PIPELINED: 36, WHOLE: 61.2}
SECONDS = {"icnet": (1.6, 1.2, 0.9), "single": (9.0, 6.0, 4.4), PIPELINED: (0.5, 0.25, 0.2), WHOLE: (0.8, 0.42, 0.3)}
CPU = {"vendor": "Some", "family": "6", "model": "143", "stepping": "8", "flags": "avx2 amx"}


def measured(model="143", **changes):
    """OpenVINO in its three precisions; beside it MXNet in float32, in half again the time, but quicker for ICNet."""
    def line(row, engine, precision, spent):
        return {"row": row, "label": f"The {row}", "engine": engine, "precision": precision,
                "multiply_adds": round(ROWS[row] * 1e9), "paper": 1, "alike": 99.0, "labels": [spent],
                "scores": [spent * 0.9], "pipeline": [spent / 2] if row == PIPELINED else []}
    lines = [line(row, "openvino", precision, spent) for row, both in SECONDS.items()
             for precision, spent in zip(("float32", "bfloat16", "int8"), both)]
    lines += [line(row, "mxnet", "float32", 1.4 if row == "icnet" else 1.5 * both[0]) for row, both in SECONDS.items()]
    return {"size": [1024, 2048], "width": 1.0, "threads": 2, "versions": {"mxnet": "1.9.1", "openvino": "2024.6"},
            "rows": lines, "provenance": {**PROVENANCE, "cpu": {**CPU, "model": model}}, **changes}


def test_targets_are_judged_in_float32_and_in_any_precision_of_the_best_engine():
    text = page([measured()])
    assert [line[1:] for line in (*lines_of(text, "Model A"), *lines_of(text, "Model A,"))] == [
        ["15.0/s", "4.0/s", "not reached"], ["20.0/s", "5.0/s", "not reached"], ["25.0/s", "10.0/s", "not reached"],
        ["3.00x", "2.80x", "not reached"], ["3.00x", "4.50x", "reached"],  # ICNet: MXNet's float32; int8
        ["20.00x", "18.00x", "not reached"], ["20.00x", "22.00x", "reached"],
        ["95.0%", "94.1% (1.60x of 1.70x)", "not reached"], ["95.0%", "98.8% (1.68x of 1.70x)", "reached"]]
    few = page([measured(rows=[one for one in measured()["rows"] if one["row"] == "icnet"])])
    assert {tuple(line[2:]) for line in lines_of(few, "Model A")} == {("-", "not measured")}


def test_each_network_stands_in_the_engine_that_serves_it_best():
    table = best_table(measured())
    assert lines_of(table, "The icnet") == [
        ["The icnet", "5.00", "mxnet float32", "1400", "2.80", "openvino int8", "900", "4.50"]]
    assert lines_of(table, "The single")[0][2:] == [
        "openvino float32", "9000", "18.00", "openvino int8", "4400", "22.00"]


def test_kinds_of_cpu_have_blocks_of_their_own():
    slow = measured("1", rows=[{**one, "labels": [9.9 * one["labels"][0]]} for one in measured()["rows"]])
    blocks = page([measured(), slow]).split("\n## ")
    assert len(blocks) == 3 and "model 143" in blocks[1] and "model 1," in blocks[2]
    alone = [page([one]).split("\n## ")[1] for one in (measured(), slow)]
    assert [block.strip() for block in blocks[1:]] == [block.strip() for block in alone]  # none changes another's
    with pytest.raises(UserError, match="two records are of one kind of CPU: Some CPU, 2 threads .Some family 6, mod"):
        page([measured(), slow, measured()])
