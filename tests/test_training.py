"""Short trainings on a small minicity: they learn, start from the backbone and give fast = classic.

That they repeat exactly is test_determinism.py's and test_checkpoints.py's.
"""

from __future__ import annotations

import dataclasses

import mxnet as mx
import numpy as np
import pytest
from model_a import MODEL_A

from repro.config.networks import Column, Network
from repro.config.presets import Budget
from repro.config.rows import Training
from repro.data import open_dataset
from repro.data.loader import evaluation_batches
from repro.data.minicity import write_minicity
from repro.errors import UserError
from repro.labels.labelmap import labels_everywhere
from repro.models import parameters
from repro.models.build import Plan
from repro.training.run import measure, network_factory, scale_head, set_rates, train_network

CPU = [mx.cpu()]
SPARSE = Training("sparse", 0.25, 0.001, bootstrapping=True, coarse=True, pretrained=True)
WTA = Training("wta", 0.25, None, bootstrapping=False, coarse=False, pretrained=True)
PLAIN = Training("none", None, None, bootstrapping=False, coarse=False, pretrained=False)


@pytest.fixture(scope="module")
def preset(lite):
    # a rate that six steps learn something by wants a clip
    return dataclasses.replace(lite, recipe=dataclasses.replace(
        lite.recipe, batch=2, warmup=2, learning_rate=0.02, clip=5))


@pytest.fixture(scope="module")
def dataset(city):
    return open_dataset(city)


@pytest.mark.parametrize("training", (SPARSE, WTA), ids=("sparse", "wta"))
def test_a_trained_network_gives_the_same_labels_fast_and_classic(training, dataset, preset, backbone):
    """Equality with trained weights, from the shipped backbone: images of 128x256 have 2x4 regions, k = 2."""
    losses = []
    result, arrays, _ = measure(MODEL_A, training, dataset, preset, Budget(6, 6, None), 0, CPU, backbone,
                                     lambda step, value: losses.append(value))
    assert len(losses) == 6 and losses[-1] < losses[0]
    classic, fast = result["evaluations"]["classic"], result["evaluations"]["fast"]
    assert fast["k"] == 2 and fast["regions"] == 8 and fast["images"] == 3
    assert ("active" in result["evaluations"]) == (training is SPARSE)
    if training is SPARSE:
        active = result["evaluations"]["active"]
        counts = {int(n): images for n, images in active["active_counts"].items()}
        assert sum(counts.values()) == 3 and active["active_mean"] == pytest.approx(
            sum(n * images for n, images in counts.items()) / 3)
    for key in ("pixel_acc", "mean_acc", "mean_iou", "active_mean", "z2_mean", "z2_computed"):
        assert fast[key] == pytest.approx(classic[key], abs=0.02), key
    plan = Plan(MODEL_A, training, preset, (128, 256))
    nets = [network_factory(plan, arrays, 19, how, mx.cpu())(128, 256) for how in ("classic", "fast")]
    for x, _, _ in evaluation_batches(dataset.val, dataset.classes, 2):
        one, other = (net(mx.nd.array(x))[0].asnumpy() for net in nets)
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4 * np.abs(one).max())


def test_another_seed_is_another_training_and_bootstrapping_takes_the_hard_pixels(dataset, preset, backbone):
    recipe = dataclasses.replace(preset.recipe, threshold=0.01, keep=500)  # of 4096 pixels
    plans = [Plan(MODEL_A, dataclasses.replace(SPARSE, bootstrapping=on), dataclasses.replace(preset, recipe=recipe),
                  (128, 256)) for on in (False, True)]
    plain, other, hard = (train_network(plans[on], dataset, 1, seed, CPU, backbone)[1].losses[0]
                          for on, seed in ((False, 0), (False, 1), (True, 0)))
    assert plain != other and hard > 1.05 * plain


def test_pretrained_rows_start_from_the_backbone_unit_by_unit(preset, backbone):
    network = Plan(MODEL_A, WTA, preset, (256, 512)).build(19, (256, 512))
    network.initialize()
    done = parameters.assign_backbones(network, backbone)
    own = parameters.parameters_of(network)
    for name in ("half_column.level4.3.conv2.weight", "full_column.level4.1.conv1.gamma", "full_column.stem.0.weight"):
        assert name in done
        assert (own[name].data() == backbone[name.partition(".")[2]]).min().asscalar() == 1
    assert not any(name.startswith("full_column.level5") for name in own)  # removed with its values
    assert {name.partition(".")[0] for name in own.keys() - set(done)} == {
        "half_decoder", "full_decoder", "weights", "sparse_head"}


def test_frozen_statistics_stay_and_scratch_learns_them(dataset, preset, backbone):
    scratch = dataclasses.replace(SPARSE, pretrained=False, coarse=False)
    name = "half_column.level2.0.conv1.running_mean"
    for training, moved in ((SPARSE, False), (scratch, True)):
        plan = Plan(MODEL_A, training, preset, (128, 256))
        arrays, _ = train_network(plan, dataset, 1, 0, CPU, backbone)
        before = mx.nd.zeros_like(arrays[name]) if moved else backbone[name.partition(".")[2]]
        assert bool(abs(arrays[name] - before).max().asscalar() > 0) == moved


def test_rates_of_biases_new_layers_and_the_sparse_head_which_begins_small(preset):
    network = Plan(MODEL_A, WTA, preset, (128, 256)).build(19, (128, 256))
    network.initialize(mx.init.One())
    network(mx.nd.zeros((1, 3, 128, 256)))
    recipe = dataclasses.replace(preset.recipe, new_rate=10.0, head_rate=0.5, head_scale=0.1)
    scale_head(network, recipe)
    set_rates(network, recipe, {"weights.conv.weight", "weights.conv.bias", "sparse_head.conv.weight"})
    own = parameters.parameters_of(network)
    rates = {"weights.conv.weight": (10, 1), "weights.conv.bias": (20, 0), "half_column.stem.0.beta": (2, 0),
             "half_column.stem.0.gamma": (1, 1), "sparse_head.conv.weight": (0.5, 1)}
    assert {name: (own[name].lr_mult, own[name].wd_mult) for name in rates} == rates
    assert own["sparse_head.conv.weight"].data().asnumpy().max() == np.float32(0.1)
    assert own["weights.conv.weight"].data().asnumpy().min() == 1


def test_the_schedule_is_fixed_then_falls_linearly(preset):
    recipe = dataclasses.replace(preset.recipe, learning_rate=1.0, warmup=4, fixed_share=0.5, tail=0.5)
    rates = [recipe.rate(step, 20) for step in range(20)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[5:10] == [1.0] * 5
    assert rates[10:] == pytest.approx([0.05 * n for n in range(10, 0, -1)])


def test_weights_of_another_network_are_named(preset, backbone):
    plan = Plan(Network("single", (Column(1.0, (3, 4, 6, 3)),), 32, "plain", None), PLAIN, preset, (128, 256))
    network = plan.build(19, (128, 256))
    with pytest.raises(UserError, match="of another network: it lacks"):
        parameters.assign(network, backbone, "x.params", CPU)
    wrong = {name: mx.nd.zeros((3,) if p.shape is None else tuple(s + 1 for s in p.shape))
             for name, p in parameters.parameters_of(network).items()}
    with pytest.raises(UserError, match="x.params: full_column.* has shape"):
        parameters.assign(network, wrong, "x.params", CPU)
    with pytest.raises(UserError, match="lacks level5.2"):
        parameters.assign_backbones(network, {k: v for k, v in backbone.items() if not k.startswith("level5.2")})


def test_sizes_that_do_not_divide_are_padded_and_cut_back(preset):
    """100x200 images: padded to 128x256, labels of 100x200."""
    plan = Plan(MODEL_A, WTA, preset, (100, 200))
    assert plan.crop == (128, 256) and plan.multiple == 64
    with pytest.raises(UserError, match="keeps none of the 2 regions"):
        Plan(MODEL_A, WTA, preset, (64, 128)).build(19, (64, 128))
    scores = np.random.RandomState(0).standard_normal((19, 32, 64)).astype(np.float32)
    whole = labels_everywhere(scores, (128, 256))
    np.testing.assert_array_equal(labels_everywhere(scores, (100, 199)), whole[:100, :199])
    big = mx.nd.contrib.BilinearResize2D(mx.nd.array(scores[None]), height=128, width=256, align_corners=False)
    assert (big.asnumpy()[0].argmax(axis=0) == whole).mean() > 0.9999


def test_images_of_odd_sizes_are_measured_whole(tmp_path, preset, backbone):
    """100x200 pixels: padded to 128x256, of which k = 2 of 8 regions, and measured on their 20,000 pixels."""
    write_minicity(tmp_path / "odd", seed=6, size=(100, 200), train=2, val=2, coarse=0, progress=False)
    dataset = open_dataset(tmp_path / "odd")
    result, *_ = measure(MODEL_A, WTA, dataset, preset, Budget(1, 1, None), 0, CPU, backbone)
    fast = result["evaluations"]["fast"]
    assert result["scale"] == "128x256" and (fast["k"], fast["regions"], fast["images"]) == (2, 8, 2)
    assert fast["pixel_acc"] == pytest.approx(result["evaluations"]["classic"]["pixel_acc"], abs=0.02)
