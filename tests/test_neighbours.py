"""Rows of networks that are not the paper's: read, named, built, trained, kept and used as its own are."""

from __future__ import annotations

import dataclasses
import json

import mxnet as mx
import numpy as np
import pytest
from folders import write_camvid
from made_up import made_up
from model_a import MODEL_A
from speed_records import lines_of

from experiments import export, table
from experiments.lib import paths, schedule, worker
from repro import records
from repro.config.networks import MODELS, Neighbour, network_dict, parse_network
from repro.config.presets import load_preset
from repro.config.rows import Training, load_rows, training_name
from repro.data import CITYSCAPES
from repro.errors import UserError
from repro.models.build import Plan, build
from repro.models.gluoncv_networks import Trainable, before_upsampling, gluoncv_network
from repro.models.parameters import arrays_of, assign, parameters_of
from repro.prediction import weights
from repro.prediction.load import load
from repro.training.run import inferences

LITE = load_preset(paths.HERE / "presets" / "lite.yaml", "lite")
ROWS = {row.id: row for row in load_rows(paths.HERE / "neighbours.yaml")}
SCRATCH = Training("none", None, None, False, False, False)
SIZE = (128, 128)


def names(network):
    return {name: parameter.shape for name, parameter in parameters_of(network).items()}


def test_the_rows_are_ours_and_theirs_trained_alike():
    theirs = {row.network.model: row for row in ROWS.values() if isinstance(row.network, Neighbour)}
    assert set(theirs) == set(MODELS)
    assert all(row.training == SCRATCH and row.inference == "whole" for row in theirs.values())
    ours = [(row.network, row.training) for row in ROWS.values() if row.network.sparse]
    known = [(row.network, row.training) for table in ("table3", "table4")
             for row in load_rows(paths.HERE / f"{table}.yaml")]
    assert len(ours) == 2 and all(pair in known for pair in ours)  # their trainings are not theirs alone
    others = {row.id for table in paths.TABLES.values() if table != "neighbours"
              for row in load_rows(paths.HERE / f"{table}.yaml")}
    assert not others & set(ROWS)  # so that ROW= alone says which


@pytest.mark.parametrize("network", [MODEL_A, *map(Neighbour, MODELS)], ids=lambda network: network.fusion)
def test_plain_values_are_read_back(network):
    values = json.loads(json.dumps(network_dict(network)))
    assert parse_network(values, "here") == network


@pytest.mark.parametrize("value, words", [
    ({"neighbour": "unet"}, "here: neighbour: 'unet' is not known; choose from sgcpnet, fastscnn, icnet"),
    ({"neighbour": 3}, "here: neighbour: 3 is not text"),
    ({"neighbour": "icnet", "region": 256}, "here: unknown key 'region'; choose from neighbour"),
    ({"model": "icnet"}, "here: unknown key 'model'; choose from fusion"),
    ("icnet", "here: 'icnet' is not a mapping"),
])
def test_a_mistake_is_one_line(value, words):
    with pytest.raises(UserError, match=words) as caught:
        parse_network(value, "here")
    assert "\n" not in str(caught.value)


def test_names_say_network_and_training():
    assert training_name(Neighbour("icnet"), SCRATCH) == "icnet-scratch"
    hard = dataclasses.replace(SCRATCH, bootstrapping=True)
    assert training_name(Neighbour("sgcpnet"), hard) == "sgcpnet-bootstrapping-scratch"
    row = ROWS["ours-model-a"]
    assert training_name(row.network, row.training) == \
        "isctf-half1241-full1120-optimised-r256-sparse-p0.25-l0.001"


def test_a_neighbour_has_its_own_width_and_multiple():
    plans = {name: Plan(row.network, row.training, LITE, (250, 500)) for name, row in ROWS.items()}
    assert {name: (plan.width, plan.multiple, plan.crop) for name, plan in plans.items()} == {
        "ours-isctf": (0.25, 64, (256, 512)), "ours-model-a": (0.25, 64, (256, 512)), "sgcpnet": (1, 128, (256, 512)),
        "fastscnn": (1, 32, (256, 512)), "icnet": (1, 32, (256, 512))}
    assert inferences(Neighbour("sgcpnet"), SCRATCH) == ("whole",)


@pytest.mark.parametrize("model", ["fastscnn", "icnet"])
def test_gluoncv_s_scores_are_brought_to_a_quarter(model):
    mx.random.seed(3)
    x = mx.nd.random.normal(shape=(1, 3, *SIZE))
    made = build(Neighbour(model), 5, size=SIZE)
    made.initialize(mx.init.Xavier(magnitude=4))
    scores = made(x)
    assert scores.shape == (1, 5, 32, 32)
    with mx.name.NameManager():
        network = gluoncv_network(model, SIZE, 5)
        outputs = network(mx.sym.var("data", shape=(1, 3, *SIZE)))
    own = before_upsampling(outputs[0])
    values = {p.name: p.data() for p in made.collect_params().values()}
    found, = mx.nd.CachedOp(own)(*(x if n == "data" else values[n] for n in own.list_inputs())),
    if model == "fastscnn":  # at 1/8
        found = mx.nd.contrib.BilinearResize2D(found, height=32, width=32, align_corners=False)
    np.testing.assert_allclose(scores.asnumpy(), found.asnumpy(), rtol=0, atol=1e-4 * found.abs().max().asscalar())


@pytest.mark.parametrize("model", list(MODELS))
def test_parameters_do_not_depend_on_size_or_on_what_was_built_before(model):
    first = build(Neighbour(model), 5, size=SIZE)
    Trainable("fastscnn", SIZE, 5, enlarge=lambda x: x)
    other = build(Neighbour(model), 5, size=(128, 256))
    for network, size in ((first, SIZE), (other, (128, 256))):
        network.initialize()
        network(mx.nd.zeros((1, 3, *size)))
    assert names(first) == names(other)
    assign(other, arrays_of(first))
    assert all((a == b).asnumpy().all() for a, b in zip(arrays_of(first).values(), arrays_of(other).values()))


def test_gluoncv_s_networks_need_a_size_that_suits():
    for size in (None, (100, 128)):
        with pytest.raises(ValueError, match="multiples of 32"):
            build(Neighbour("icnet"), 5, size=size)


def test_records_and_weights_keep_them(tmp_path):
    row = ROWS["sgcpnet"]
    record = made_up(row, width="1", inferences=["whole"])
    assert records.read_record(records.write_record(tmp_path, record)) == record
    assert records.find((record,), row.network, row.training) == (record,)
    file = tmp_path / "a.params"
    file.write_bytes(b"values")
    for one in record.evaluations.values():
        one["class_iou"] = dict.fromkeys(CITYSCAPES.names, 10.0)
    about = weights.of_record(file, record, LITE)
    assert (about.width, about.multiple, about.region) == (1, 128, None)
    weights.write(about)
    assert weights.read(file) == about
    with pytest.raises(UserError, match="trained at width 0.25, but preset lite has 1 now"):
        weights.of_record(file, dataclasses.replace(record, width="0.25"), LITE)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """SGCPNet, by the command, and Fast-SCNN, here, trained for two steps on a small CamVid folder: (what the command
    writes pages into, records by row)."""
    root = tmp_path_factory.mktemp("neighbours")
    data, rows = str(write_camvid(root / "street", train=2, val=0, test=2, size=(100, 120))), ("sgcpnet", "fastscnn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "CACHE", root / "cache")
        patch.setattr(paths, "RESULTS", root / "tables" / "results")
        assert table.main(["--table", "neighbours", "--data", data, "--row", "sgcpnet", "--steps", "2"]) == 0
        jobs = [job for row in rows for job in schedule.plan(
            schedule.Asked("neighbours", data=data, row=row, steps=2))]
        worker.work(jobs[1])
        return root / "tables", dict(zip(rows, schedule.finished(jobs).values()))


def test_what_was_trained_is_shown(trained):
    own = (trained[0] / "neighbours.md").read_text().split("## camvid, this machine")[1]
    assert lines_of(own, "SGCPNet")[0][2] == "2"  # steps


@pytest.mark.parametrize("row", ["sgcpnet", "fastscnn"])
def test_they_are_trained_and_measured_by_the_same_commands(trained, row):
    record = records.read_record(trained[1][row])
    assert (record.network, record.training) == (ROWS[row].network, ROWS[row].training)
    assert (record.steps, record.scale, record.width, record.budget) == (2, "128x128", "1", "full+steps2")
    assert record.evaluations["whole"]["images"] == 2 and record.evaluations["whole"]["regions"] is None
    assert record.provenance["command"] == f"make neighbours DATA=/path/to/camvid ROW={row} STEPS=2"
    assert {"recipe", "network"} <= set(json.loads(trained[1][row].read_text(encoding="utf-8")))
    # every parameter and statistic has moved, but for biases in front of a learning batch norm: these have no gradient
    fixed = {"gamma": 1, "beta": 0, "shares": 1, "running_mean": 0, "running_var": 1}
    assert not [name for name, value in mx.nd.load(str(trained[1][row].with_suffix(".params"))).items()
                for kind, start in fixed.items() if name.endswith(kind) and (value == start).asnumpy().all()]


def test_what_was_trained_segments_photos(trained):
    from experiments.weights import described

    for row in ("sgcpnet", "fastscnn"):
        about = described(trained[1][row].with_suffix(".params"))
        segmenter, other = load(about), load(about, engine="onnx")
        for size in ((1, 1), (90, 200)):
            image = np.random.RandomState(1).randint(0, 255, (*size, 3)).astype(np.uint8)
            found = segmenter.segment(image)
            assert found.labels.shape == size and found.labels.max() < 11 and found.active is None
            assert (found.labels == other.segment(image).labels).mean() > 0.999
    with pytest.raises(UserError, match="of fusion sgcpnet, which selects no regions"):
        load(described(trained[1]["sgcpnet"].with_suffix(".params")), k=3)


def test_neighbours_are_exported_as_rows(tmp_path, capsys):
    out = tmp_path / "a.onnx"
    assert export.main(["--row", "sgcpnet", "--weights", "random", "--seed", "1", "--size", "128x256",
                        "--images", "2", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "sgcpnet: random, seed 1" in said and " 0 of 65536 pixels labelled differently" in said
    assert json.loads(out.with_suffix(".json").read_text())["training"] == "sgcpnet-scratch"
    assert export.main(["--row", "sgcpnet", "--weights", "random", "--k", "3", "--out", str(out)]) == 2
    assert "sgcpnet has no regions to choose among" in capsys.readouterr().err
    assert export.main(["--row", "fastscnn", "--weights", "random", "--size", "96x160", "--images", "1",
                        "--out", str(out)]) == 0
    assert " 0 of 15360 pixels labelled differently" in capsys.readouterr().out
