"""onnxruntime and OpenVINO behind the engines' interface, what they refuse, and the engines timed side by side."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import cv2
import numpy as np
import onnx
import pytest
from graphs import MODEL_A, image, written
from onnx import helper

from experiments import predict
from experiments.lib import paths
from experiments.lib.subject import Competitor
from experiments.speed import engines, profile, profile_openvino
from repro.data.classes import ClassSet
from repro.engine import Engine
from repro.errors import UserError
from repro.export.carry import in_precision
from repro.prediction.load import load
from repro.runtime import openvino
from repro.runtime.metadata import KEY, Metadata
from repro.runtime.onnx import OnnxEngine
from repro.runtime.openvino import Bound, OpenvinoEngine
from repro.tables import profile_onnx as profile_page
from repro.tables.engines import WHOLE, best, page, read_engines

SMALL = ["--size", "128x256", "--width", "0.25", "--rounds", "2"]


def photo(height, width, seed=0):
    return np.random.RandomState(seed).randint(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Model A in the project's engine, and exported in float32 and int8: (engine, folder)."""
    folder = tmp_path_factory.mktemp("exported")
    symbol, arrays = written(MODEL_A, folder / "float32.onnx")
    model = onnx.load(str(folder / "float32.onnx"))
    onnx.save(in_precision(model, "int8", [image(seed=seed).asnumpy() for seed in (1, 2)]), str(folder / "int8.onnx"))
    return Engine(symbol, arrays, (1, 3, 128, 256)), folder


@pytest.mark.parametrize("kind, apart", [(OnnxEngine, 1e-4), (OpenvinoEngine, 1e-3)])
def test_labels_are_the_engines_at_every_size_from_threads_too(both, kind, apart):
    made, other = both[0], kind(both[1] / "float32.onnx")
    photos = [photo(height, width, height) for height, width in ((128, 256), (97, 131), (128, 256), (1, 1))]
    for given in photos:
        labels = other.labels(given)
        assert labels.shape == given.shape[:2] and labels.dtype == np.uint8
        assert (labels != made.labels(given)).mean() < apart
    x = image(seed=5)
    found, wanted = other.outputs(x.asnumpy())[0], made.outputs(x)[0].asnumpy()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-5 * abs(wanted).max())
    expected, order = [other.labels(one) for one in photos], (0, 1, 3, 1, 0, 3)
    with ThreadPoolExecutor(3) as pool:
        for i, found in zip(order, pool.map(lambda i: other.labels(photos[i]), order)):
            np.testing.assert_array_equal(found, expected[i])
    with pytest.raises(ValueError, match=r"\(1, 3, 64, 64\): this engine is for \(1, 3, 128, 256\)"):
        other.outputs(np.zeros((1, 3, 64, 64), np.float32))


def test_what_openvino_keeps_is_bounded_and_its_maps_are_the_callers(both, tmp_path):
    other = OpenvinoEngine(both[1] / "float32.onnx", cache=tmp_path / "cache")
    one, two = (photo(128, 256, seed)[None] for seed in (1, 2))
    first = other(one)["scores"]
    place, values = first.ctypes.data, first.copy()
    assert (other(two)["scores"] != values).any()
    np.testing.assert_array_equal(first, values)
    del first
    again = other(one)["scores"]
    assert again.ctypes.data == place  # memory that nothing refers to is used again
    np.testing.assert_array_equal(again, values)
    for side in range(40, 50):
        other.labels(photo(side, side))
    assert len(other._requests) == openvino.SIZES and 0 < len(list((tmp_path / "cache").iterdir())) <= openvino.BLOBS


def test_precisions_are_the_files_and_the_cpus(both, monkeypatch):
    made, folder = both
    quantised = OpenvinoEngine(folder / "int8.onnx")
    alike = (quantised.labels(photo(128, 256)) == made.labels(photo(128, 256))).mean()
    assert quantised.precision == "int8" and alike > 0.5
    for name, wanted, words in (("int8", "float32", "is in int8"), ("int8", "bfloat16", "is in int8"),
                                ("float32", "int8", "float32: .*PRECISION=int8|is in float32"),
                                ("float32", "float64", "PRECISION: 'float64' is not known; choose from float32")):
        with pytest.raises(UserError, match=words):
            OpenvinoEngine(folder / f"{name}.onnx", wanted)
    monkeypatch.setattr(openvino, "has_bfloat16", lambda: False)
    with pytest.raises(UserError, match="PRECISION: bfloat16: this CPU has no AMX"):
        OpenvinoEngine(folder / "float32.onnx", "bfloat16")
    with pytest.raises(UserError, match="PRECISION: bfloat16: this CPU has no AMX"):  # before an image is read
        load(paths.SHIPPED, engine="openvino", precision="bfloat16")
    assert OpenvinoEngine(folder / "int8.onnx").labels(photo(8, 8)).shape == (8, 8)


def test_bfloat16_scores_nearly_alike_or_is_refused(both):
    if not openvino.has_bfloat16():
        with pytest.raises(UserError, match="this CPU has no AMX"):
            OpenvinoEngine(both[1] / "float32.onnx", "bfloat16")
        return
    found, exact = (OpenvinoEngine(both[1] / "float32.onnx", name)(photo(128, 256)[None])["scores"]
                    for name in ("bfloat16", "float32"))
    error = np.median(np.abs(found - exact))  # of most positions: random values choose regions by a hair
    assert 0 < error < 0.05 * np.abs(exact - exact.mean()).mean()


def test_an_exported_file_is_run_by_predict(both, tmp_path, capsys):
    model = onnx.load(str(both[1] / "float32.onnx"))
    about = Metadata("model-a", "a", "random", (1, 3, 128, 256), 64, ("scores",), 4, None, None, None,
                     ClassSet("own", tuple("abcde"), tuple((i, 0, 0) for i in range(5)), tuple(range(5)), ()), "0" * 40)
    helper.set_model_props(model, {KEY: about.to_text()})
    onnx.save(model, str(tmp_path / "a.onnx"))
    for engine in ("openvino", "onnx"):
        assert predict.main(["--engine", engine, "--weights", str(tmp_path / "a.onnx"), "--output",
                             str(tmp_path / engine)]) == 0
    first, second = (cv2.imread(str(tmp_path / name / "scene_labelIds.png")) for name in ("openvino", "onnx"))
    assert (first != second).mean() < 1e-3
    with pytest.raises(UserError, match="image of 129x8: a.onnx is for up to 128x256"):
        OpenvinoEngine(tmp_path / "a.onnx").segment(photo(129, 8))
    with pytest.raises(UserError, match="no record that says what its outputs are"):
        OpenvinoEngine(both[1] / "float32.onnx").weights  # noqa: B018
    capsys.readouterr()
    file = ["--weights", str(tmp_path / "a.onnx")]
    for words, more in (("PRECISION: int8: .*is in float32", ["--precision", "int8", *file]),
                        ("PRECISION: int8 needs ranges", ["--precision", "int8"]),
                        ("GPU: '0': ENGINE=openvino computes on the CPU", ["--gpu", "0"]),
                        ("PROVIDER: cpu is for ENGINE=onnx", ["--provider", "cpu"]),
                        ("K: 2: an exported file has its own", ["--k", "2", *file])):
        assert predict.main(["--engine", "openvino", "--output", str(tmp_path / "x"), *more]) == 2
        said = capsys.readouterr().err
        assert re.search(words, said) and said.count("\n") == 1, said


def test_without_the_package_it_is_a_line():
    code = ("import sys; sys.modules['openvino'] = None\nfrom experiments import predict\n"
            "sys.exit(predict.main(['--engine', 'openvino']))")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ENGINE: openvino needs the package openvino, of requirements/openvino.txt")


def test_a_bound_file_computes_the_same_and_counts(both):
    x = image(seed=3).asnumpy()
    bound = Bound(both[1] / "float32.onnx", {"data": x})
    counted = OpenvinoEngine(both[1] / "float32.onnx", counted=True)
    np.testing.assert_array_equal(bound.run()[0], counted.outputs(x)[0])
    counted.labels(photo(128, 256))
    assert sum(one["seconds"] for one in counted.operators((128, 256))) > 0


def test_a_row_is_measured_in_openvino_and_written(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "OWN", tmp_path)
    assert profile.main(["--engine", "openvino", *SMALL, "--frames", "2"]) == 0
    said = (tmp_path / "profile-openvino.md").read_text()
    measured = profile_page.read_measured(tmp_path / "profile-openvino.json")
    assert tuple(case["precision"] for case in measured["cases"]) == profile_openvino.PRECISIONS["openvino"]
    for case in measured["cases"]:
        assert len(case["labels"]) == len(case["scores"]) == case["frames"] == 2 and case["ceiling"] > 1e8
        assert {one["block"] for one in case["operators"]} >= {"half column", "selection", "fusion", "labels"}
        assert sum(one["multiply_adds"] for one in case["operators"]) == measured["multiply_adds"] > 0
        assert case["operators"][-1]["kind"] == "label map" and case["operators"][-1]["block"] == "labels"
        assert all(one["moved"] > 0 for one in case["operators"][:-1])
    assert "run by OpenVINO 2" in said and "labels made outside" in said and "## A GPU" not in said


def test_engines_are_timed_side_by_side(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "OWN", tmp_path / "speed")
    monkeypatch.setattr(engines, "SETTLE", 0)
    monkeypatch.setattr(engines, "READY", 2)
    assert engines.main(["--row", "model-a", *SMALL]) == 0
    path = tmp_path / "speed" / engines.record_name()
    found = read_engines(path)
    ways = {(one["engine"], one["precision"]): one for one in found["rows"]}
    assert {engine for engine, _ in ways} == set(found["versions"]) == {"mxnet", "onnxruntime", "openvino"}
    assert all(len(one["labels"]) == len(one["scores"]) == len(one["pipeline"]) == 2 for one in ways.values())
    assert ways["openvino", "float32"]["alike"] > 99.9 and ways["openvino", "int8"]["row"] == "model-a"
    assert page([found]) == (tmp_path / "speed" / "engines.md").read_text() and best(found, "single") is None
    monkeypatch.setattr(paths, "RESULTS", path.parent)
    shutil.copy(path, path.with_name("engines-x.json"))
    assert engines.main(["--render"]) == 2
    path.write_text(json.dumps({**json.loads(path.read_text()), "extra": 1}))
    assert engines.main(["--render"]) == 2
    assert "unknown key 'extra'" in capsys.readouterr().err


def test_other_scores_are_not_measured():
    def network(precision, times):
        """One whose scores are so many times the image."""
        engine = SimpleNamespace(outputs=lambda x: [times * x], labels=lambda image: np.zeros((4, 4)))
        return Competitor(None, lambda: engine, {"row": "model-a", "precision": precision})
    x, found = np.ones((1, 2, 4, 4), np.float32), {"a": network("float32", 1), "b": network("int8", 1.01)}
    engines.check(found, x)
    assert [one.facts["alike"] for one in found.values()] == [100, 100]
    with pytest.raises(UserError, match="c: gives other scores, 1.0e-02 of the largest apart"):
        engines.check({**found, "c": network("float32", 1.01)}, x)


def test_rows_are_those_of_the_page_and_model_a_whole(capsys):
    whole, fast, neighbour = engines.rows_of(f"{WHOLE},model-a,sgcpnet")
    assert (whole.k, whole.network, fast.k) == (32, fast.network, 8) and whole.label.endswith(", k = 32")
    assert (fast.id, neighbour.network.model) == ("model-a", "sgcpnet")
    for arguments, words in ((["--row", "modela"], "ROW: 'modela' is not known"),
                             (["--rounds", "0"], "ROUNDS: 0 is not 1 or more")):
        assert engines.main(arguments) == 2 and words in capsys.readouterr().err
