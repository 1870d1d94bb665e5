"""Where the time goes: each operator of an engine's graph has its event, its block and its multiply-adds."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from graphs import Peer, image, named_arrays, shaken

from repro.config.rows import load_peers
from repro.engine import Engine, Options
from repro.models import cost
from repro.timing.blocks import BLOCKS, OTHER, blocks_of
from repro.timing.operators import (
    ENVIRONMENT,
    FRAME,
    WARMUP,
    Frame,
    Operator,
    chrome_trace,
    frames_of,
    operators_of,
    profiled,
)
from repro.timing.subject import images, normalised, subject

ROOT = Path(__file__).parent.parent
ROWS = {row.id: row for row in load_peers(ROOT / "experiments" / "table6.yaml")}
SIZE, WIDTH, FRAMES = (128, 256), 0.25, 2
# Run where the profiler's settings hold. Writes the events, and the operators they belong to.
PROCESS = """
import dataclasses, json, sys
sys.path[:0] = sys.argv[1:3]
from test_profile import FRAMES, SIZE, engine_of
from repro.timing.operators import operators_of, profiled
from repro.timing.subject import images
made, engine = engine_of(sys.argv[3])
ran = []
beside = {"beside": lambda: ran.append(1)}
events, timings = profiled(engine, images(SIZE, 1)[0], FRAMES, sys.argv[4] + ".events", beside)
found = operators_of(engine.symbol, made.peer.shape, made.peer.counts)
with open(sys.argv[4], "w") as file:
    json.dump([events, [dataclasses.asdict(one) for one in found], len(ran), list(timings)], file)
"""


def engine_of(precision, row="model-a", width=WIDTH):
    made = subject(ROWS[row], precision, SIZE, width)
    return made, made.engine([normalised(images(SIZE, 1))])


@pytest.fixture(scope="module", params=["float32", "int8"])
def run(request, tmp_path_factory):
    """(the profiler's events, operators, runs of what was beside, names of the timings) of Model A."""
    target = tmp_path_factory.mktemp("profile") / "run.json"
    ended = subprocess.run([sys.executable, "-c", PROCESS, str(ROOT), str(ROOT / "tests"), request.param, str(target)],
                           env={**os.environ, **ENVIRONMENT}, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 0, ended.stderr
    events, operators, beside, names = json.loads(target.read_text())
    return events, [Operator(**one) for one in operators], beside, names


def test_every_operator_of_the_graph_has_an_event_in_every_frame(run):
    events, operators, beside, names = run
    assert len(operators) > 150 and {one.event for one in operators} >= {"_sg_mkldnn_conv", "take", "topk"}
    frames = frames_of(events, operators)
    assert len(frames) == FRAMES and beside == FRAMES + WARMUP and names == ["beside"]
    for frame in frames:
        assert len(frame.operators) == len(operators) and min(frame.operators) >= 0
        assert min(frame.filling, frame.between, frame.labels) >= 0 and sum(frame.operators) > 0
        parts = frame.filling + sum(frame.operators) + frame.between + frame.labels
        assert parts == pytest.approx(frame.whole)
    assert len(frames_of(events, operators, skipped=0)) == FRAMES + WARMUP


def test_an_order_that_is_not_the_graphs_is_refused(run):
    events, operators, _, _ = run
    first = next(i for i, one in enumerate(operators) if one.event == "topk")
    swapped = list(operators)
    swapped[first], swapped[first + 1] = swapped[first + 1], swapped[first]
    with pytest.raises(RuntimeError, match="frame 0: the event of one_hot one_hot0 is one of topk"):
        frames_of(events, swapped)
    with pytest.raises(RuntimeError, match="frame 0: the event of"):  # each moved by one
        frames_of(events, operators[:-1])
    late = [dict(e, ts=e["ts"] + 10 ** 7) if e.get("cat") == FRAME and e["ph"] == "b" else e for e in events]
    with pytest.raises(RuntimeError, match=f"frame 0: 0 events for {len(operators)} operators"):
        frames_of(late, operators)
    with pytest.raises(RuntimeError, match="4 frames, of which 4"):
        frames_of(events, operators, skipped=4)


def test_what_runs_before_the_graph_is_filling(run):
    """As an average of the image, made while it is read in."""
    events, operators, _, _ = run
    before = frames_of(events, operators)
    begins = next(i for i, e in enumerate(events) if e.get("cat") == FRAME)
    at = events[begins]["ts"]
    more = [{"cat": "operator", "name": "take", "ph": phase, "ts": at} for phase in "BE"]
    ends = next(i for i, e in enumerate(events) if e.get("cat") == "operator" and e["ph"] == "B")
    assert frames_of(events[:ends] + more + events[ends:], operators) == before


def test_multiply_adds_are_those_of_the_network_and_in_its_convolutions(run):
    _, operators, _, _ = run
    precision = "int8" if any(one.kind.endswith("int8") for one in operators) else "float32"
    peer = subject(ROWS["model-a"], precision, SIZE, WIDTH).peer
    assert sum(one.multiply_adds for one in operators) == peer.true
    assert {one.name: one.multiply_adds for one in operators if one.multiply_adds} == \
        {one.name: one.multiply_adds for one in peer.counts}
    assert all(one.kind.startswith("Convolution") for one in operators if one.multiply_adds)
    layer = next(one for one in operators if one.name == "full_decoder_hidden2_fwd")
    assert layer.shape == "8x16x30x36 -> 8x8x6x12, 3x3, dilation 12" and layer.block == "decoder"
    stem = next(one for one in operators if one.name == "full_backbone_level1_conv_conv")
    values = 8 * 3 * 32 * 32, 8 * 16 * 16 * 16, 16 * 3 * 7 * 7 + 16
    if precision == "float32":  # and one more input where something is added to the result
        assert stem.moved == 4 * sum(values) and stem.kind == "Convolution"
    else:  # the maps are of bytes, with their ranges
        assert values[0] + values[1] < stem.moved < 2 * sum(values) and stem.kind == "Convolution, int8"


def test_the_trace_opens_in_chrome(run):
    events, operators, _, _ = run
    frames = frames_of(events, operators)
    made = json.loads(json.dumps(chrome_trace(frames, operators), allow_nan=False))
    spans = [one for one in made["traceEvents"] if one["ph"] == "X"]
    assert len(spans) == FRAMES * (len(operators) + 3)
    assert all(one["dur"] >= 0 and one["ts"] >= 0 and {"pid", "tid", "name", "args"} <= one.keys() for one in spans)
    own = [one for one in spans if one["tid"] == 1]
    assert all(a["ts"] + a["dur"] <= b["ts"] + 0.2 for a, b in zip(own, own[1:]))  # one after the other
    assert {"input", "labels", "topk0", "full_decoder_hidden2_fwd"} <= {one["name"] for one in own}


BELONGS = {
    "half column": ("half_backbone_level1_conv_conv", "half_backbone_level2_unit0_conv3_conv"),
    "selection": ("sparse_head_conv0_fwd", "reshape0", "topk0", "one_hot0", "sum0"),
    "crops": ("crop_topk0", "crop_one_hot0", "crop_take1"),
    "full column": ("full_backbone_level2_unit0_shortcut_conv",),
    "uncrop": tuple(f"full_decoder_uncrop{i}_{kind}0" for i in (0, 1, "_scores") for kind in ("concat", "take")),
    "decoder": ("half_decoder_jump0_fwd", "full_decoder_surround_take1", "full_decoder_classifier_fwd"),
    "fusion": ("weights_conv0_fwd", "weights_softmax0", "weights_split0", "upsample0_deconvolution0_cut", "sigmoid0",
               "_mul0", "upsampling0", "fusion__mul1", "fusion_elemwise_add0"),
}


def test_every_operator_has_a_block(run):
    _, operators, _, _ = run
    block = {one.name: one.block for one in operators}
    assert set(block.values()) == set(BLOCKS) - {OTHER}
    assert {name: block[name] for names in BELONGS.values() for name in names} == \
        {name: wanted for wanted, names in BELONGS.items() for name in names}
    for name in block:  # what quantisation puts between
        if name.endswith("_dequantize"):
            assert block[name] in ("decoder", "half column", "full column")


@pytest.mark.parametrize("row, expected", [
    ("isctf", set(BLOCKS) - {OTHER}), ("sctf", set(BLOCKS) - {OTHER, "crops", "uncrop"}),  # SCTF runs it whole
    ("single", {"full column", "decoder"}),
    ("max", {"half column", "full column", "decoder", "fusion"}), ("classic", {"full column", "decoder"})])
def test_rows_of_other_structures_have_blocks_too(row, expected):
    made, engine = engine_of("float32", row)
    assert set(blocks_of(engine.symbol)) == expected
    assert sum(one.multiply_adds for one in operators_of(engine.symbol, made.peer.shape, made.peer.counts)) == \
        made.peer.true


def test_networks_of_others_are_one_block_and_layers_are_found_by_their_names():
    x = image()
    network = shaken(Peer(), x)
    symbol = network(mx.sym.var("data"))[0]
    engine = Engine(symbol, named_arrays(network), x.shape, Options())
    counts = cost.count(symbol, x.shape)
    found = operators_of(engine.symbol, x.shape, counts)
    assert {one.block for one in found} == {OTHER}
    assert sum(one.multiply_adds for one in found) == cost.true(counts)
    with pytest.raises(ValueError, match="not found in the graph: another"):
        operators_of(engine.symbol, x.shape, (*counts, cost.Count("another", 1)))
    with pytest.raises(ValueError, match="share a name"):
        operators_of(engine.symbol, x.shape, (*counts, counts[0]))


def test_without_its_settings_nothing_is_profiled(tmp_path, monkeypatch):
    monkeypatch.delenv("MXNET_ENGINE_TYPE", raising=False)
    with pytest.raises(RuntimeError, match="MXNET_ENGINE_TYPE=NaiveEngine"):
        profiled(None, np.zeros((1, 1, 3), np.uint8), 1, tmp_path / "x", {})


def test_a_frame_is_its_parts():
    frame = Frame(((1.0, 3.0), (4.0, 4.5)), 6.0)
    assert (frame.filling, frame.operators, frame.between, frame.labels) == (1, (2, 0.5), 1, 1.5)
    assert dataclasses.astuple(frame)[1] == 6
