"""An exported network's profile in onnxruntime: providers, what is bound, what is measured, and the page."""

from __future__ import annotations

import copy

import numpy as np
import onnx
import onnxruntime
import pytest
from graphs import MODEL_A, STRIDE_8, image, written
from made_up import PROVENANCE
from onnx import TensorProto
from speed_records import lines_of

from experiments import predict
from experiments.lib import paths
from experiments.speed import profile, profile_onnx
from repro.errors import UserError
from repro.export.labels import with_labels
from repro.export.operators import CONVERTERS
from repro.labels.labelmap import labels_of
from repro.runtime import ceiling
from repro.runtime.bound import Bound
from repro.runtime.onnx import OnnxEngine
from repro.runtime.profile import frames_of
from repro.runtime.providers import CPU, card_name, check_used, names, on_card, providers
from repro.tables.profile_onnx import page, read_measured
from repro.timing.clock import Timing

GPU_BUILD = ["TensorrtExecutionProvider", "CUDAExecutionProvider", CPU]
SMALL = ["--engine", "onnx", "--size", "128x256", "--width", "0.25", "--rounds", "2", "--frames", "2"]


def test_providers_are_decided_by_name_and_card(monkeypatch):
    assert providers() == providers("cpu") == (CPU,) and not on_card(providers())
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: GPU_BUILD)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    monkeypatch.setattr("ctypes.CDLL", lambda name: None)
    found = providers("", 1)
    assert names(found) == ("CUDAExecutionProvider", CPU) and on_card(found)
    assert (found[0][1]["device_id"], found[0][1]["use_tf32"]) == ("1", "0")
    assert providers("cuda", tf32=True)[0][1]["use_tf32"] == "1" and providers("cuda")[0][1]["device_id"] == "0"
    assert names(providers("tensorrt", 0)) == tuple(GPU_BUILD)


def test_a_provider_that_cannot_compute_is_a_line(monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    with pytest.raises(UserError, match=f"cuda: .* has {CPU}, not CUDAExecutionProvider; install onnxruntime-gpu"):
        providers("", 0)
    with pytest.raises(UserError, match="PROVIDER: 'rocm' is not known; choose from cpu, cuda, tensorrt"):
        providers("rocm")
    with pytest.raises(UserError, match="PROVIDER: cpu computes on no card; leave out GPU=0"):
        providers("cpu", 0)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: GPU_BUILD)

    def missing(name):
        raise OSError(name)
    monkeypatch.setattr("ctypes.CDLL", missing)
    for call in (lambda: providers("tensorrt"), lambda: card_name(0)):
        with pytest.raises(UserError, match=r"needs NVIDIA's driver \(libcuda.so.1\), which this machine"):
            call()
    with pytest.raises(UserError, match="cannot start CUDAExecutionProvider: libraries of CUDA"):
        check_used((("CUDAExecutionProvider", {}), CPU), [CPU])
    check_used((CPU,), [CPU])


@pytest.mark.parametrize("module, arguments, message", [
    (profile, ["--engine", "onnx", "--gpu", "0"], "PROVIDER: cuda: the installed onnxruntime"),
    (profile, ["--engine", "onnx", "--gpu", "0,1"], "GPU: '0,1': onnxruntime computes on one card"),
    (profile, ["--engine", "onnx", "--row", "fastscnn", "--size", "64x64"], "ROW: fastscnn cannot be exported: no"),
    (profile, ["--engine", "openvino", "--gpu", "0"], "GPU: '0': ENGINE=openvino computes on the CPU"),
    (predict, ["--engine", "onnx", "--gpu", "0"], "PROVIDER: cuda: the installed onnxruntime"),
    (predict, ["--engine", "onnx", "--provider", "tensorrt"], "PROVIDER: tensorrt: the installed onnxruntime"),
    (predict, ["--provider", "cuda"], "PROVIDER: cuda is for ENGINE=onnx"),
])
def test_mistakes_are_a_line(module, arguments, message, capsys, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    monkeypatch.delitem(CONVERTERS, "_contrib_AdaptiveAvgPooling2D")  # of fastscnn alone here
    assert module.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1, error


@pytest.mark.parametrize("spec", [MODEL_A, STRIDE_8], ids=["model-a", "stride8"])
def test_labels_in_the_graph_are_those_of_the_scores(spec, tmp_path):
    written(spec, tmp_path / "network.onnx")
    onnx.save(with_labels(onnx.load(str(tmp_path / "network.onnx"))), str(tmp_path / "labels.onnx"))
    x = image(seed=8).asnumpy()
    made = Bound(tmp_path / "labels.onnx", {"data": x})
    made.run()
    labels, = made.outputs()
    scores = OnnxEngine(tmp_path / "network.onnx").outputs(x)[0][0]
    assert labels.dtype == np.uint8 and labels.shape == (1, 128, 256) and len(np.unique(labels)) > 1
    assert (labels[0] != labels_of(scores, (128, 256), 128 // scores.shape[1])).mean() < 1e-4


def test_the_ceilings_graphs_are_a_product_and_a_copy(tmp_path, monkeypatch):
    monkeypatch.setattr(ceiling, "SIDE", 32)
    monkeypatch.setattr(ceiling, "COPIED", 1000)
    best = ceiling.Best({"float32": (CPU,), "float16": (CPU,)}, tmp_path)
    assert list(best.runs()) == ["product, float32", "product, float16", "copy"]
    for run in best.runs().values():
        run()
    times = {name: Timing((0.5,)) for name in best.runs()}
    assert best.rates(times) == {"float32": 2 * 32 ** 3, "float16": 2 * 32 ** 3}
    assert best.bandwidth(times) == 2 * 2 * 4 * 1000
    ceiling.one_node("MatMul", ("a", "b"), (8, 8), TensorProto.FLOAT, tmp_path / "x.onnx")
    a, b = np.random.RandomState(0).randn(2, 8, 8).astype(np.float32)
    made = Bound(tmp_path / "x.onnx", {"a": a, "b": b})
    made.run()
    np.testing.assert_allclose(made.outputs()[0], a @ b, rtol=1e-5, atol=1e-5)


def event(name, at, took, cat="Node", **more):
    about = {"op_name": "Conv", "input_type_shape": [{"float": [1, 3]}], "output_type_shape": [{"float": [1, 8]}],
             "activation_size": "12", "parameter_size": "4", "output_size": "32", "provider": CPU}
    return {"cat": cat, "name": name, "ts": at, "dur": took, "args": {**about, **more}}


def run_at(at, took=2):
    return [event("model_run", at, 100, "Session"),
            event("InsertedPrecisionFreeCast_conv:3_nchwc_kernel_time", at + 10, 20 * took),
            event("ReorderOutput_token_3_kernel_time", at + 60, took, op_name="ReorderOutput")]


def test_a_profiles_events_are_read_run_by_run():
    found = frames_of([*run_at(0), *run_at(200), *run_at(400, 1), *run_at(600)])
    assert (found["frames"], found["before"]) == (2, pytest.approx(10e-6))
    first, second = found["operators"]
    assert first == {"node": "conv:3", "kind": "Conv", "shape": "float 1x3 -> float 1x8", "moved": 48, "provider": CPU,
                     "seconds": pytest.approx(30e-6)}
    assert (second["node"], second["kind"]) == ("", "ReorderOutput")
    assert found["between"] == pytest.approx((30 + 10) / 2 * 1e-6) and found["after"] == pytest.approx(38.5e-6)
    with pytest.raises(RuntimeError, match="no runs but the 2"):
        frames_of([*run_at(0), *run_at(200)])
    with pytest.raises(RuntimeError, match="other operators than the first"):
        frames_of([*run_at(0), *run_at(200)[:2]], skipped=0)


def operator(name, block, milliseconds, multiply_adds=0, moved=10 ** 7, kind="Conv"):
    return {"name": name, "kind": kind, "block": block, "shape": "float 1x3 -> float 1x8", "moved": moved,
            "multiply_adds": round(multiply_adds * 1e9), "seconds": milliseconds / 1e3}


CASE = {"precision": "float32", "batch": 1, "labels": [0.5, 0.5, 0.8], "scores": [0.4] * 3, "photo": [0.45] * 3,
        "ceiling": 100e9, "frames": 10, "before": 0.01, "after": 0.02, "between": 0.03,
        "memory": {"built": 900 * 2 ** 20, "running": 512 * 2 ** 20},
        "operators": [operator("conv", "half column", 300, 30, 4 * 10 ** 9),
                      operator("labels", "labels", 140, moved=10 ** 12, kind="ArgMax")]}
MEASURED = {"row": "model-a", "label": "Model A", "size": "1024x2048", "width": 1.0, "device": "CPU", "provider": CPU,
            "onnxruntime": "1.31.1", "multiply_adds": 30 * 10 ** 9, "paper": 28 * 10 ** 9,
            "ceiling": "the best float32 convolution, for all", "bandwidth": 40e9, "blocks": ["half column", "labels"],
            "cases": [CASE], "provenance": PROVENANCE}
EIGHT = {**copy.deepcopy(CASE), "precision": "float16", "batch": 8, "labels": [0.02], "scores": [0.015], "photo": [],
         "ceiling": 400e12}
CARD = {**MEASURED, "device": "NVIDIA H200", "provider": "CUDAExecutionProvider", "cases": [EIGHT]}


def test_the_page_has_what_was_measured_and_says_what_was_not(tmp_path, monkeypatch, capsys):
    text = page([MEASURED], 0.068)
    assert "| float32   |     1 |     2.00 | 1.25 |       500.0 |            400.0 |" in text
    assert "Not run: none was at hand." in text and "The paper has 14.7 on a GTX 980" in text
    assert "2.2 frames a second with labels of every pixel (float32, batch 1, labels made outside)." in text
    assert "float32, batch 1: 300.0 ms at the ceiling; layers below it 0.00, other operators 0.00, labels 140.0" in text
    assert "200.0 GFLOP/s for float32; a copy: 40.0 GB/s" in text and "300 are aimed at" not in text
    assert "bounds it**: float32, batch 1: arithmetic (75% of the arithmetic's ceiling, 25% of the memory's)." in text
    assert "memory (75% of the arithmetic's ceiling, 91% of the memory's)" in page([{**MEASURED, "bandwidth": 11e9}])
    assert "neither arithmetic (4% of the ceiling)" in page([{**CARD, "bandwidth": 4e12}])
    assert lines_of(text, "before the first operator")[0][1] == "10.00" and lines_of(text, "all")[0][1] == "500.0"
    assert "is below 0" not in text and "is below 0" in page([{**MEASURED, "cases": [{**CASE, "between": -0.01}]}])
    both = page([MEASURED, CARD])
    assert "Not run" not in both and "## NVIDIA H200" in both and "GTX" not in both
    assert "400.0 frames a second with labels of every pixel (float16, batch 8, labels made in the graph); 300" in both
    assert "on an H200-class card: reached" in both and "210g multiply-adds are of operators whose layer" in both
    slow = {**CARD, "cases": [{**EIGHT, "labels": [0.03]}]}
    assert "H200-class card: not reached" in page([slow])
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    assert profile.main(["--engine", "onnx", "--render"]) == 2
    assert "profile-onnx.json: not there; `make profile ENGINE=onnx` measures it" in capsys.readouterr().err


def test_a_row_is_measured_and_written(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "OWN", tmp_path)
    monkeypatch.setattr("repro.timing.ceiling.COPIED", 2 ** 20)
    assert profile.main(SMALL) == 0
    said = (tmp_path / "profile-onnx.md").read_text()
    assert "### int8, batch 1" in said
    measured = read_measured(tmp_path / "profile-onnx.json")
    assert [case["precision"] for case in measured["cases"]] == ["float32", "int8"]
    for case in measured["cases"]:
        assert len(case["labels"]) == len(case["scores"]) == len(case["photo"]) == case["frames"] == 2
        assert {one["block"] for one in case["operators"]} >= {"half column", "selection", "fusion", "labels"}
        assert all(one["moved"] > 0 and one["seconds"] >= 0 for one in case["operators"] if one["multiply_adds"])
        assert min(case["before"], case["after"]) >= 0 and case["memory"]["running"] > 2 ** 20
    counted, eight = (sum(one["multiply_adds"] for one in case["operators"]) for case in measured["cases"])
    assert counted == measured["multiply_adds"] > 0
    assert ("whose layer" in said) == (eight < counted)  # onnxruntime 1.19 leaves int8 operators without names
    assert measured["provenance"]["command"] == \
        "make profile FRAMES=2 ENGINE=onnx SIZE=128x256 WIDTH=0.25 ROUNDS=2"


def test_what_a_card_is_measured_by_runs(tmp_path, monkeypatch):
    """All of it but the card: the CPU stands in."""
    monkeypatch.setattr(paths, "OWN", tmp_path)
    monkeypatch.setattr(profile_onnx, "place_of", lambda *_: profile_onnx.Place("gpu"))
    monkeypatch.setattr("repro.runtime.providers.card_name", lambda card: "a card")
    monkeypatch.setattr(ceiling, "SIDE", 64)
    monkeypatch.setattr(ceiling, "COPIED", 4096)
    monkeypatch.setitem(profile_onnx.BATCHES, "gpu", (2,))
    assert profile.main(SMALL) == 0
    measured = read_measured(tmp_path / "profile-onnx-gpu.json")
    assert [(case["precision"], case["batch"]) for case in measured["cases"]] == [
        (precision, 2) for precision in ("float32", "tf32", "float16")]
    assert measured["device"] == "a card" and measured["ceiling"] == "large matrix products"
    assert len({case["ceiling"] for case in measured["cases"]}) == 3
    for case in measured["cases"]:
        assert len(case["labels"]) == 2 and case["photo"] == []  # a photo is labelled alone
        assert sum(one["multiply_adds"] for one in case["operators"]) == 2 * measured["multiply_adds"]
    assert "## a card" in (tmp_path / "profile-onnx.md").read_text()
