"""Where the time goes: each operator of an engine's graph has its event, its block and its multiply-adds."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest
from graphs import Peer, image, named_arrays, shaken

from experiments.lib.paths import HERE
from experiments.lib.processes import Process
from repro.config.rows import load_peers
from repro.engine import Engine, Options
from repro.models import cost
from repro.timing.blocks import BLOCKS, OTHER, blocks_of
from repro.timing.operators import ENVIRONMENT, FRAME, WARMUP, frames_of, operators_of, profiled
from repro.timing.subject import images, normalised, subject

ROWS = {row.id: row for row in load_peers(HERE / "table6.yaml")}
SIZE, WIDTH, FRAMES = (128, 256), 0.25, 2


def engine_of(precision, row="model-a", width=WIDTH):
    made = subject(ROWS[row], precision, SIZE, width)
    return made, made.engine([normalised(images(SIZE, 1))])


def serve(pipe, precision):
    """Run where the profiler's settings hold: send the events, the operators, and how often what was beside ran."""
    made, engine = engine_of(precision)
    ran = []
    events, timings = profiled(engine, images(SIZE, 1)[0], FRAMES, {"beside": lambda: ran.append(1)})
    pipe.send((precision, events, *operators_of(engine.symbol, made.peer.shape, made.peer.counts), len(ran),
               list(timings)))


@pytest.fixture(scope="module", params=["float32", "int8"])
def run(request):
    """What `serve` sends of Model A."""
    with Process(serve, request.param, **ENVIRONMENT) as process:
        return process.read()


def test_every_operator_of_the_graph_has_an_event_in_every_frame(run):
    _, events, names, operators, beside, timed = run
    assert len(operators) == len(names) > 150 and set(names) >= {"_sg_mkldnn_conv", "take", "topk"}
    assert beside == FRAMES + WARMUP and timed == ["beside"]
    found = frames_of(events, names)
    assert found["frames"] == FRAMES and frames_of(events, names, skipped=0)["frames"] == FRAMES + WARMUP
    assert len(found["operators"]) == len(operators) and min(found["operators"]) >= 0
    assert min(found["filling"], found["between"], found["map"]) >= 0
    # what MXNet computes of the image while it is read in, as an average of it, comes before the graph
    begins = next(i for i, one in enumerate(events) if one.get("cat") == FRAME)
    more = [{"cat": "operator", "name": "take", "ph": phase, "ts": events[begins]["ts"]} for phase in "BE"]
    first = next(i for i, one in enumerate(events) if one.get("cat") == "operator" and one["ph"] == "B")
    assert frames_of(events[:first] + more + events[first:], names) == found


def test_frames_are_medians_of_their_parts_and_only_in_the_graphs_order():
    def events(*frames):
        for begin, spans, end in frames:
            yield {"cat": FRAME, "name": FRAME, "ph": "b", "ts": begin}
            for name, start, stop in spans:
                yield {"cat": "operator", "name": name, "ph": "B", "ts": start}
                yield {"cat": "operator", "name": name, "ph": "E", "ts": stop}
            yield {"cat": FRAME, "name": FRAME, "ph": "e", "ts": end}
    first = (0, [("take", 1e6, 3e6), ("topk", 4e6, 4.5e6)], 6e6)
    slow = (10e6, [("take", 12e6, 16e6), ("topk", 17e6, 18.5e6)], 22.5e6)
    found = frames_of(list(events(first, slow)), ["take", "topk"], skipped=0)
    assert found == {"frames": 2, "filling": 1.5, "map": 2.75, "between": 1, "operators": [3, 1]}
    assert frames_of(list(events(first, slow)), ["take", "topk"], skipped=1)["operators"] == [4, 1.5]
    for names in (["topk", "take"], ["take", "take", "topk"], ["take"] * 2):
        with pytest.raises(RuntimeError, match="frame 0: other operators than the graph's, or in another order"):
            frames_of(list(events(first)), names, skipped=0)
    both = (0, [("take", 1e6, 3e6), ("topk", 2e6, 4e6)], 6e6)
    with pytest.raises(RuntimeError, match="frame 0: operators ran at the same time"):
        frames_of(list(events(both)), ["take", "topk"], skipped=0)


def test_multiply_adds_are_those_of_the_network_and_in_its_convolutions(run):
    precision, _, _, operators, _, _ = run
    peer = subject(ROWS["model-a"], precision, SIZE, WIDTH).peer
    assert sum(one["multiply_adds"] for one in operators) == peer.true
    assert {one["name"]: one["multiply_adds"] for one in operators if one["multiply_adds"]} == \
        {one.name: one.multiply_adds for one in peer.counts}
    assert all(one["kind"].startswith("Convolution") for one in operators if one["multiply_adds"])
    layer = next(one for one in operators if one["name"] == "full_decoder_hidden2_fwd")
    assert layer["shape"] == "8x16x30x36 -> 8x8x6x12, 3x3, dilation 12" and layer["block"] == "decoder"
    stem = next(one for one in operators if one["name"] == "full_backbone_level1_conv_conv")
    values = 8 * 3 * 32 * 32, 8 * 16 * 16 * 16, 16 * 3 * 7 * 7 + 16
    if precision == "float32":  # and one more input where something is added to the result
        assert stem["moved"] == 4 * sum(values) and stem["kind"] == "Convolution"
    else:  # the maps are of bytes, with their ranges
        assert values[0] + values[1] < stem["moved"] < 2 * sum(values) and stem["kind"] == "Convolution, int8"


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
    block = {one["name"]: one["block"] for one in run[3]}
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
    assert set(blocks_of(engine.symbol).values()) == expected
    _, found = operators_of(engine.symbol, made.peer.shape, made.peer.counts)
    assert sum(one["multiply_adds"] for one in found) == made.peer.true


def test_networks_of_others_are_one_block_and_layers_are_found_by_their_names():
    x = image()
    network = shaken(Peer(), x)
    symbol = network(mx.sym.var("data"))[0]
    engine = Engine(symbol, named_arrays(network), x.shape, Options())
    counts = cost.count(symbol, x.shape)
    _, found = operators_of(engine.symbol, x.shape, counts)
    assert {one["block"] for one in found} == {OTHER}
    assert sum(one["multiply_adds"] for one in found) == cost.true(counts)
    with pytest.raises(ValueError, match="not found in the graph: another"):
        operators_of(engine.symbol, x.shape, (*counts, cost.Count("another", 1)))
    with pytest.raises(ValueError, match="share a name"):
        operators_of(engine.symbol, x.shape, (*counts, counts[0]))


def test_without_its_settings_nothing_is_profiled(monkeypatch):
    monkeypatch.delenv("MXNET_ENGINE_TYPE", raising=False)
    with pytest.raises(RuntimeError, match="MXNET_ENGINE_TYPE=NaiveEngine"):
        profiled(None, np.zeros((1, 1, 3), np.uint8), 1, {})
