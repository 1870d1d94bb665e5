from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from experiments.lib.worker import specification
from repro.config.networks import Column, network_dict, parse_network
from repro.config.presets import changed, load_preset
from repro.config.rows import Training, load_rows, parse_training, training_dict, training_name
from repro.errors import UserError

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
TABLES = {n: load_rows(EXPERIMENTS / f"table{n}.yaml") for n in range(1, 6)}
SPECS = {(row.network, training) for rows in TABLES.values() for row in rows for _, training in row.trainings}

GOOD = """rows:
  - id: a
    network:
      fusion: isctf
      columns: [{scale: 0.5, units: [3, 4, 6, 3]}, {scale: 1, units: [3, 4, 6, 3]}]
      output_stride: 32
      structure: plain
      region: 256
    training:
      {selection: sparse, p: 0.5, lambda: 0.001, bootstrapping: false, coarse: false, pretrained: true}
    inference: fast
"""


def test_counts_of_rows_and_trainings_of_which_table_5_has_none_of_its_own():
    assert {n: len(rows) for n, rows in TABLES.items()} == {1: 3, 2: 9, 3: 12, 4: 8, 5: 9}
    assert len(SPECS) == 43
    others = {(row.network, t) for n in range(1, 5) for row in TABLES[n] for _, t in row.trainings}
    assert others == SPECS


def test_shared_rows_are_the_same_training():
    table2, table3 = ({row.id: row for row in TABLES[n]} for n in (2, 3))
    for fusion in ("sctf", "isctf"):
        one, other = table2[f"{fusion}-half-full"], table3[f"{fusion}-sparse-p0.5-l0.001-r256"]
        assert (one.network, one.training) == (other.network, other.training)
        assert (one.inference, other.inference) == ("classic", "fast")


def test_table_4_columns_and_extra_trainings():
    assert [len(row.extra) for row in TABLES[4]] == [2, 2, 2, 2, 0, 1, 2, 2]
    for row in TABLES[4]:
        half, full = (sum((3, 4, 6, 3)) - sum(column.units) for column in row.network.columns)
        assert (full, half) in ((0, 0), (13, 6), (12, 8), (13, 8), (13, 10))
        assert [t.pretrained for _, t in row.trainings] == [row.id[-7:] != "scratch"] * (1 + len(row.extra))


def test_k_is_the_floor_without_float_error():
    def training(p):
        return Training("wta", p, None, False, False, True)

    assert [training(p).k(100) for p in (0.29, 0.57, 0.58, 0.999)] == [29, 57, 58, 99]
    assert training(0.01).k(32) == 0
    assert Training("none", None, None, False, False, True).k(32) is None


def test_names_are_unique_and_stable():
    assert len({training_name(*spec) for spec in SPECS}) == len(SPECS)
    assert training_name(TABLES[5][8].network, TABLES[5][8].training) == (
        "isctf-half1241-full1120-optimised-r256-sparse-p0.25-l0.001-bootstrapping-coarse"
    )


def test_name_changes_with_every_field():
    row = TABLES[3][10]
    names = {training_name(row.network, row.training)}
    half, full = row.network.columns
    for change in ({"fusion": "sctf"}, {"structure": "optimised"}, {"region": 128},
                   {"columns": (Column(0.25, (3, 4, 6, 3)), full)}, {"columns": (half, Column(1.0, (3, 4, 6, 13)))},
                   {"columns": (half, Column(1.0, (3, 4, 61, 3)))}):
        names.add(training_name(dataclasses.replace(row.network, **change), row.training))
    for change in ({"p": 0.5000001}, {"lam": 0.002}, {"selection": "wta", "lam": None}, {"coarse": True},
                   {"bootstrapping": True}, {"pretrained": False}):
        names.add(training_name(row.network, dataclasses.replace(row.training, **change)))
    assert len(names) == 13


def test_a_file_of_rows_is_read_or_not_there(tmp_path):
    path = tmp_path / "table9.yaml"
    with pytest.raises(UserError, match="table9.yaml: no such file"):
        load_rows(path)
    path.write_text(GOOD)
    row, = load_rows(path)
    assert (row.network.fusion, row.training.p, row.inference) == ("isctf", 0.5, "fast")


def test_plain_values_round_trip():
    for network, training in SPECS:
        assert parse_network(network_dict(network), "here") == network
        assert parse_training(training_dict(training), "here") == training


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("fusion: isctf", "fusion: isctff", ["row a", "network: fusion", "'isctff'", "isctf", "attention"]),
        ("structure: plain", "structur: plain", ["row a: network", "'structur'", "structure"]),
        ("      structure: plain\n", "", ["row a: network", "'structure' is missing"]),
        ("region: 256", "region: 200", ["row a: network: region", "200", "128, 256"]),
        ("region: 256", "region: null", ["row a: network: region", "128, 256"]),
        ("scale: 0.5", "scale: 0.3", ["row a: network: columns[0]: scale", "0.3", "0.25"]),
        ("scale: 0.5", "scale: 2", ["row a: network: columns", "coarse to fine"]),
        ("[3, 4, 6, 3]", "[3, 4, 6]", ["row a: network: columns[0]: units", "[3, 4, 6]"]),
        ("[3, 4, 6, 3]", "[3, 4, 6, 0]", ["row a: network: units", "finest column"]),
        ("[3, 4, 6, 3]", "[3, 4, 6, 3.5]", ["row a: network: columns[0]: units[3]", "3.5"]),
        ("output_stride: 32", "output_stride: 8", ["row a: network: output_stride", "single"]),
        ("output_stride: 32", "output_stride: true", ["row a: network: output_stride", "True"]),
        ("p: 0.5", "p: 1.5", ["row a: training: p", "1.5", "between 0 and 1"]),
        ("p: 0.5", "p: null", ["row a: training: p", "None"]),
        ("lambda: 0.001", "lambda: 1e-3", ["row a: training: lambda", "'1e-3'", "number"]),
        ("lambda: 0.001", "lambda: -1", ["row a: training: lambda", "-1"]),
        ("coarse: false", "coarse: 0", ["row a: training: coarse", "true or false"]),
        ("selection: sparse", "selection: top", ["row a: training: selection", "'top'", "wta"]),
        ("selection: sparse, p: 0.5, lambda: 0.001", "selection: none, p: null, lambda: null",
         ["row a: selection", "'none'", "sparse, wta"]),
        ("inference: fast", "inference: whole", ["row a: inference", "'whole'", "classic, fast"]),
        ("inference: fast", "inference: fast\n    inference: fast", ["'inference' is given twice", "line 12"]),
        ("inference: fast", "inference: fast\n    extra: {more: 1}",
         ["row a: extra", "'more'", "bootstrapping, coarse"]),
        ("id: a", "id: 3", ["rows[0]: id", "3"]),
        ("rows:", "columns:", ["'columns'", "rows"]),
        ("rows:", "rows: [", ["not valid YAML"]),
        (GOOD, "", ["None", "rows"]),
        (GOOD, GOOD + GOOD[6:], ["row a", "given twice"]),
    ],
)
def test_mistakes_are_one_line_naming_file_row_and_key(tmp_path, old, new, words):
    path = tmp_path / "table9.yaml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        load_rows(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    assert [word for word in words if word not in message] == [], message


@pytest.mark.parametrize("table, row, extra, preset, changes, budget, seed, split, wanted", [
    (3, "isctf-sparse-p0.25-l0.001-r256", "", "paper", {}, "full", 0, "",
     "8d47ab2542bda3e41b5c6b9796ae408c97f7ce4e6a71dcefe704b82ddcfdf5b2"),
    (4, "1120-1241", "coarse", "street", {"batch": 2, "steps": 7}, "quick", 2, "val",
     "7dd17d4f1f311a33ff8ed95c161747c27d7dd0fc514815e417bf0e71c9867014"),
    ("ablations", "model-a-entropy-gate", "", "paper", {}, "full", 0, "",
     "0c4e450c926448ae69a362beb6e41d899bfe6859c99363d8b9c5a8f0208e65b8"),
    ("neighbours", "sgcpnet", "", "street", {}, "full", 1, "",
     "85400bc528b7582631179fdc32d405c15ff49dbe2632ebb9e5c9fe95121680b8")])
def test_a_specification_is_what_it_was_for_the_first_records(table, row, extra, preset, changes, budget, seed, split,
                                                              wanted):
    """Else a record on somebody's machine is not found again, and measured anew."""
    name = f"table{table}" if isinstance(table, int) else table
    chosen = next(one for one in load_rows(EXPERIMENTS / f"{name}.yaml") if one.id == row)
    made = changed(load_preset(EXPERIMENTS / "presets" / f"{preset}.yaml", preset), changes)
    if table == 4:  # of street's recipe of before
        made = dataclasses.replace(made, recipe=dataclasses.replace(made.recipe, warmup=50, lambda_scale=6.0))
    if preset == "paper":  # of before it selected by street's recipe
        made = dataclasses.replace(made, recipe=dataclasses.replace(made.recipe, head_rate=None, head_scale=1,
                                                                    dense_share=0))

    def hashed(made):
        return specification(chosen.network, dict(chosen.trainings)[extra], seed, "content", made, made.budget(budget),
                             split, "backbone")
    assert hashed(made) == wanted
