"""Regions chosen by the half column's entropy, and fused by SparseRefine's gate: rows of experiments/ablations.yaml."""

from __future__ import annotations

import dataclasses

import mxnet as mx
import numpy as np
import pytest
from graphs import CLASSES, MODEL_A, built, image, outputs, sparse
from model_a import EXPERIMENTS

from repro.config.networks import network_dict, parse_network
from repro.config.rows import Row, Training, load_rows, training_name
from repro.errors import UserError
from repro.models.build import build
from repro.models.parameters import assign, parameters_of
from repro.sparserefine.refinement import entropy
from symbols.others.combined import GatedMaps, RegionEntropy

ENTROPY = dataclasses.replace(MODEL_A, selector="entropy")
GATED = dataclasses.replace(ENTROPY, weighting="gate")
WTA = Training("wta", 0.25, None, False, False, True)


def test_s_is_the_mean_entropy_of_a_region():
    scores = np.random.RandomState(0).standard_normal((2, CLASSES, 8, 16)).astype(np.float32) * 3
    block = RegionEntropy(4)
    block.initialize()
    given = mx.nd.array(scores)
    given.attach_grad()
    with mx.autograd.record():
        s = block(given)
    s.backward()
    wanted = np.stack([entropy(one) for one in scores]).reshape(2, 2, 4, 4, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(s.asnumpy()[:, 0], wanted, rtol=1e-4)
    assert (given.grad.asnumpy() == 0).all()  # what is chosen teaches the half column nothing


def test_the_gate_fuses_in_the_selected_regions_and_the_half_column_stands_elsewhere():
    x = image(1, seed=4)
    arrays, settings = built(GATED, x)
    out = outputs(GATED, arrays, settings, x)
    chosen = out["mask"].repeat(16, axis=2).repeat(16, axis=3)[0, 0] > 0
    np.testing.assert_array_equal(out["scores"][0][:, ~chosen], out["half"][0][:, ~chosen])
    gate = GatedMaps(CLASSES)
    assign(gate, {name[len("gate."):]: one for name, one in arrays.items() if name.startswith("gate.")}, ctx=mx.cpu())
    rows = [mx.nd.array(out[name][0][:, chosen].T) for name in ("half", "full")]
    wanted = gate.ensembler(*rows).asnumpy().T
    np.testing.assert_allclose(out["scores"][0][:, chosen], wanted, rtol=0, atol=1e-5)
    assert abs(wanted - out["half"][0][:, chosen]).max() > 1e-2
    assert "z2" not in out


def test_they_have_no_sparse_head_and_the_gate_has_no_scale_weights():
    def boxes(spec):
        network = build(spec, CLASSES, 0.25, (2, 4), 64, k=3)
        return {name.split(".")[0] for name in parameters_of(network)}

    assert boxes(MODEL_A) - boxes(ENTROPY) == {"sparse_head"} and boxes(ENTROPY) < boxes(MODEL_A)
    assert boxes(ENTROPY) - boxes(GATED) == {"weights"} and boxes(GATED) - boxes(ENTROPY) == {"gate"}


def test_rows_name_them_and_refuse_what_does_not_suit():
    assert len({training_name(spec, WTA) for spec in (MODEL_A, ENTROPY, GATED)}) == 3
    for spec in (MODEL_A, ENTROPY, GATED):
        assert parse_network(network_dict(spec), "here") == spec
    assert set(network_dict(MODEL_A)) == {"fusion", "columns", "output_stride", "structure", "region"}
    with pytest.raises(UserError, match="selector: 'most'.*head, entropy"):
        dataclasses.replace(MODEL_A, selector="most")
    with pytest.raises(UserError, match="selector: entropy needs fusion isctf, not sctf"):
        dataclasses.replace(sparse("sctf"), selector="entropy")
    with pytest.raises(UserError, match="weighting: gate needs selector entropy"):
        dataclasses.replace(MODEL_A, weighting="gate")
    with pytest.raises(UserError, match="selection: sparse does not suit selector entropy"):
        Row("a", ENTROPY, Training("sparse", 0.25, 0.001, False, False, True), "fast")


def test_the_ablation_s_rows_differ_in_what_they_say_alone():
    rows = {row.id: row for row in load_rows(EXPERIMENTS / "ablations.yaml")}
    plain = rows["model-a-head"].network
    assert rows["model-a-wta"].network == plain
    assert rows["model-a-entropy"].network == dataclasses.replace(plain, selector="entropy")
    assert rows["model-a-entropy-gate"].network == dataclasses.replace(plain, selector="entropy", weighting="gate")
    assert rows["model-a-head"].training.selection == "sparse"
    for name in ("wta", "entropy", "entropy-gate"):
        assert rows[f"model-a-{name}"].training == WTA
