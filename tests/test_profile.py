"""Where the time goes: each operator of an engine's graph has its event, its block and its multiply-adds."""

from __future__ import annotations

import mxnet as mx
import pytest
from graphs import Peer, image, named_arrays, shaken

from experiments.lib import paths
from experiments.speed import profile
from repro.config.rows import load_peers
from repro.engine import Engine, Options
from repro.models import cost
from repro.tables.profile import added, blocks, read_measured
from repro.timing.blocks import BLOCKS, OTHER, blocks_of
from repro.timing.operators import FRAME, frames_of, operators_of
from repro.timing.subject import subject

ROWS = {row.id: row for row in load_peers(paths.HERE / "table6.yaml")}
SIZE, WIDTH = (128, 256), 0.25


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of Model A's profile in both precisions, small, and its record; not published, and so elsewhere."""
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "OWN", folder)
        patch.setattr(paths, "RESULTS", folder / "untouched")
        patch.setattr("repro.timing.ceiling.COPIED", 2 ** 20)
        assert profile.main(["--size", "128x256", "--width", "0.25", "--rounds", "2", "--frames", "2"]) == 0
    return folder, read_measured(folder / "profile.json")


def test_a_row_is_measured_profiled_and_written(written):
    folder, measured = written
    said = (folder / "profile.md").read_text()
    assert "## int8" in said
    assert [found["precision"] for found in measured["profiles"]] == ["float32", "int8"]
    for found in measured["profiles"]:
        assert len(found["labels"]) == len(found["scores"]) == found["frames"] == 2 and len(found["operators"]) > 150
        assert min(one["seconds"] for one in found["operators"]) >= 0
        assert min(found["filling"], found["between"], found["map"]) >= 0 and found["ceiling"] > 0
        whole = found["filling"] + found["map"] + found["between"] + sum(one["seconds"] for one in found["operators"])
        assert added(blocks(found, measured["blocks"]).values()) == (pytest.approx(whole), measured["multiply_adds"])
        assert found["memory"]["built"] >= found["memory"]["running"] > 2 ** 20
    assert all(f"| {block} " in said for block in measured["blocks"] if block != OTHER)
    assert (folder / "profile.png").stat().st_size > 10_000 and not (folder / "untouched").exists()


def test_frames_are_medians_of_their_parts_and_only_in_the_graphs_order():
    def events(*frames):
        for begin, spans, end in frames:
            yield {"cat": FRAME, "name": FRAME, "ph": "b", "ts": begin}
            for name, start, stop in spans:
                yield {"cat": "operator", "name": name, "ph": "B", "ts": start}
                yield {"cat": "operator", "name": name, "ph": "E", "ts": stop}
            yield {"cat": FRAME, "name": FRAME, "ph": "e", "ts": end}
    # what MXNet computes of the image while it is read in, as an average of it, comes before the graph
    first = (0, [("take", 0.2e6, 0.6e6), ("take", 1e6, 3e6), ("topk", 4e6, 4.5e6)], 6e6)
    slow = (10e6, [("take", 12e6, 16e6), ("topk", 17e6, 18.5e6)], 22.5e6)
    found = frames_of(list(events(first, slow)), ["take", "topk"], skipped=0)
    assert found == {"frames": 2, "filling": 1.5, "map": 2.75, "between": 1, "operators": [3, 1]}
    assert frames_of(list(events(first, slow)), ["take", "topk"], skipped=1)["operators"] == [4, 1.5]
    for names in (["topk", "take"], ["take", "take", "take", "topk"], ["take"] * 3):
        with pytest.raises(RuntimeError, match="frame 0: other operators than the graph's, or in another order"):
            frames_of(list(events(first)), names, skipped=0)
    both = (0, [("take", 1e6, 3e6), ("topk", 2e6, 4e6)], 6e6)
    with pytest.raises(RuntimeError, match="frame 0: operators ran at the same time"):
        frames_of(list(events(both)), ["take", "topk"], skipped=0)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_multiply_adds_are_those_of_the_network_and_in_its_convolutions(precision, written):
    operators, = (found["operators"] for found in written[1]["profiles"] if found["precision"] == precision)
    peer = subject(ROWS["model-a"], precision, SIZE, WIDTH).peer
    assert written[1]["multiply_adds"] == peer.true
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


@pytest.mark.parametrize("at", [0, 1], ids=["float32", "int8"])
def test_every_operator_has_a_block(at, written):
    block = {one["name"]: one["block"] for one in written[1]["profiles"][at]["operators"]}
    assert set(block.values()) == set(BLOCKS) - {OTHER}
    assert {name: block[name] for names in BELONGS.values() for name in names} == \
        {name: wanted for wanted, names in BELONGS.items() for name in names}
    for name in block:  # what quantisation puts between
        if name.endswith("_dequantize"):
            assert block[name] in ("decoder", "half column", "full column")


@pytest.mark.parametrize("row, expected", [
    ("sctf", set(BLOCKS) - {OTHER, "crops", "uncrop"}),  # SCTF runs it whole
    ("single", {"full column", "decoder"}),
    ("max", {"half column", "full column", "decoder", "fusion"}), ("classic", {"full column", "decoder"})])
def test_rows_of_other_structures_have_blocks_too(row, expected):
    made = subject(ROWS[row], "float32", SIZE, WIDTH)
    engine = made.engine()
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
