"""SparseRefine around a dense network: what is replaced and what is kept, its test set's figures, its training."""

from __future__ import annotations

import mxnet as mx
import numpy as np
import pytest

from repro.errors import UserError
from repro.labels.labelmap import labels_everywhere
from repro.models.build import build_refiner
from repro.models.parameters import arrays_of
from repro.sparserefine.measure import evaluate_refined
from repro.sparserefine.networks import fused_by, planes_of, refiner_of, run_refiner
from repro.sparserefine.refined import Refined, dense_scores, shrunk
from repro.sparserefine.refinement import multiply_adds, places_of
from repro.sparserefine.training import AdamW, Recipe, cross_entropy, train_refiner
from repro.training.loop import Run

CPU, CLASSES, WIDTH, SIZE = mx.cpu(), 3, 1 / 8, (32, 48)
NAMES = ("road", "sky", "pole")


def pictures(seed=0, count=2):
    """Images (N, 3, H, W) whose pixels' colours say their labels (N, H, W); a third are labelled 255."""
    random = np.random.RandomState(seed)
    labels = random.randint(0, CLASSES, (count, *SIZE)).astype(np.float32)
    images = np.stack([labels == c for c in range(CLASSES)], axis=1).astype(np.float32)
    labels[:, :, : SIZE[1] // 3] = 255
    return images, labels


def blurred(x):
    """A dense predictor that sees colours at 1/8: uncertain nearly everywhere."""
    count, channels, height, width = x.shape
    return 4 * x.reshape(count, channels, height // 8, 8, width // 8, 8).mean((3, 5))


def stream(step):
    while True:
        yield pictures(step)
        step += 1


def initialised(seed=1):
    mx.random.seed(seed)
    network = build_refiner(CLASSES, WIDTH)
    network.initialize(mx.init.Xavier())
    return refiner_of(arrays_of(network), CLASSES, WIDTH, CPU)


def sometimes(step):
    """As stream, but the first and the third batch are certain everywhere: they are refined nowhere."""
    for number, (images, labels) in enumerate(stream(step), step):
        yield images * 0 + [[[50]], [[0]], [[0]]] if number in (0, 2) else images, labels


def trained(steps=6, batches=stream, **changes):
    values = {"width": WIDTH, "recipe": Recipe(rate=0.02), "seed": 0, "ctx": CPU, **changes}
    return train_refiner(blurred, batches, steps, CLASSES, **values)


def test_the_dense_network_sees_means_of_pixels():
    x = np.random.RandomState(0).normal(size=(2, 3, 8, 12)).astype(np.float32)
    expected = mx.nd.Pooling(mx.nd.array(x), kernel=(2, 2), stride=(2, 2), pool_type="avg").asnumpy()
    np.testing.assert_allclose(shrunk(x), expected, atol=1e-6)

    asked = []
    scores = dense_scores(lambda *size: asked.append(size) or (lambda small: small * 2))
    for _ in range(2):
        np.testing.assert_allclose(scores(x), 2 * expected, atol=1e-6)
    assert asked == [(4, 6)]


@pytest.mark.parametrize("size", [SIZE, (27, 41)])
def test_selected_pixels_have_the_refined_label_and_all_others_the_dense_one(size):
    x, network = pictures()[0][:1], initialised()
    refined = Refined(blurred, fused_by(network, CPU), threshold=1.08)
    found = refined.predict(x, size)
    assert found.labels.shape == found.dense.shape == found.mask.shape == size and found.labels.dtype == np.uint8
    assert 0.1 < found.density < 0.9 and found.density == found.mask.sum() / found.mask.size
    np.testing.assert_array_equal(found.dense, labels_everywhere(blurred(x)[0], size, 8))
    np.testing.assert_array_equal(found.labels[~found.mask], found.dense[~found.mask])
    fused = run_refiner(network, found.given, CPU)[0].asnumpy()
    np.testing.assert_array_equal(found.labels[found.mask], fused.argmax(axis=1))
    assert (found.labels != found.dense).any()
    np.testing.assert_array_equal(found.given.pixels, x[0, :, :size[0], :size[1]].transpose(1, 2, 0)[found.mask])


def test_where_nothing_is_uncertain_nothing_is_run_and_where_all_is_all_is():
    def forbidden(given):
        raise AssertionError("the network was run")

    x = pictures()[0][:1]
    nothing = Refined(blurred, forbidden, threshold=10).predict(x, SIZE)
    assert nothing.given is None and nothing.density == 0
    np.testing.assert_array_equal(nothing.labels, nothing.dense)
    everything = Refined(blurred, fused_by(initialised(), CPU), threshold=-1).predict(x, SIZE)
    assert everything.density == 1 and everything.given.places.counts == (32 * 48, 16 * 24, 8 * 12, 4 * 6, 2 * 3, 2)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_not_labelled(value):
    x = pictures()[0][:1]
    for refined in (Refined(lambda x: blurred(x) * value, None), Refined(
            blurred, lambda given: given.dense * value, threshold=1.08)):
        with pytest.raises(UserError, match="scores are not finite"):
            refined.predict(x, SIZE)


def test_a_test_sets_figures_are_of_every_labelled_pixel():
    images, labels = pictures(count=3)
    sets = [(images[:2], list(labels[:2].astype(np.uint8)), [SIZE] * 2),
            (images[2:], [labels[2, :27, :41].astype(np.uint8)], [(27, 41)])]
    refined = Refined(blurred, fused_by(initialised(), CPU), threshold=1.08)
    found = evaluate_refined(refined, sets, NAMES, WIDTH)
    one = [refined.predict(x[None], size) for batch, _, sizes in sets for x, size in zip(batch, sizes)]
    truth = [label for _, every, _ in sets for label in every]
    for name, predicted in (("dense", [p.dense for p in one]), ("refined", [p.labels for p in one])):
        right = sum(int((p == t)[t != 255].sum()) for p, t in zip(predicted, truth))
        counted = sum(int((t != 255).sum()) for t in truth)
        assert found[name]["pixel_acc"] == pytest.approx(100 * right / counted, abs=1e-3)
        assert list(found[name]["class_iou"]) == list(NAMES)
    densities = [p.mask.mean() for p in one]
    assert found["density"] == pytest.approx({"mean": np.mean(densities), "spread": np.std(densities),
                                              "least": min(densities), "most": max(densities)})
    costs = [sum(multiply_adds(places_of(p.mask[None]), planes_of(WIDTH), CLASSES).values()) for p in one[:2]]
    assert found["multiply_adds"]["most"] >= max(costs) and found["images"] == 3
    assert found["multiplied"]["mean"] > found["multiply_adds"]["mean"]
    never = evaluate_refined(Refined(blurred, None, threshold=10), sets, NAMES, WIDTH)
    assert never["refined"] == never["dense"] and never["multiply_adds"]["most"] == 0
    assert never["selected_pixel_acc"] == {"dense": None, "refined": None}


def test_training_learns_what_only_pixels_show_and_moves_every_parameter():
    arrays, run = trained(40)
    assert run.loss_last < 0.5 * run.loss_first and len(run.losses) == 40
    assert all(0.5 < density <= 1 for _, density in run.history)
    images, labels = pictures(99)
    found = Refined(blurred, fused_by(refiner_of(arrays, CLASSES, WIDTH, CPU), CPU)).predict(images[:1], SIZE)
    known = labels[0] != 255
    assert (found.labels == labels[0])[known & found.mask].mean() > 0.9 > (found.dense == labels[0])[known].mean()
    before, _ = trained(1, recipe=Recipe(rate=0.0))
    assert not [name for name in before if np.array_equal(before[name].asnumpy(), arrays[name].asnumpy())]


def test_a_run_that_stops_goes_on_as_if_it_had_not(tmp_path):
    """With steps that select nothing among its own, which change nothing: Adam counts those that do."""
    whole, before = trained(6, sometimes)
    for empty in ([loss is None for loss, _ in before.history], [density == 0 for _, density in before.history]):
        assert empty == [True, False, True, False, False, False]

    def stop(step, loss):
        if step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(6, sometimes, run=Run(tmp_path, "one", 2), report=stop)
    seen = []
    resumed, run = trained(6, sometimes, run=Run(tmp_path, "one"), report=lambda step, loss: seen.append(step))
    assert seen == [4, 5] and run.history == before.history
    for name, value in whole.items():
        np.testing.assert_array_equal(resumed[name].asnumpy(), value.asnumpy(), err_msg=name)
    with pytest.raises(UserError, match="another run"):
        trained(6, run=Run(tmp_path, "other"))


def test_the_mistakes_of_a_training_are_said():
    with pytest.raises(UserError, match="threshold, 5"):
        trained(2, recipe=Recipe(threshold=5))

    def damaged(step):
        images, labels = pictures(step)
        yield images, labels
        yield images * np.float32("nan"), labels

    uncertain = blurred(pictures()[0])
    with pytest.raises(UserError, match="loss is nan at step 2 of 2"):
        train_refiner(lambda x: uncertain, damaged, 2, CLASSES, WIDTH, Recipe(), 0, CPU)


def test_cross_entropy_is_the_mean_over_labelled_pixels():
    scores = np.random.RandomState(0).normal(size=(4, CLASSES)).astype(np.float32)
    p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    found = cross_entropy(mx.nd.array(scores), mx.nd.array([2, 255, 0, 255]))
    assert float(found.asscalar()) == pytest.approx(-(np.log(p[0, 2]) + np.log(p[2, 0])) / 2, abs=1e-5)
    assert float(cross_entropy(mx.nd.array(scores), mx.nd.array([255] * 4)).asscalar()) == 0


def test_adamw_is_adam_with_the_decay_beside_it():
    parameter = mx.gluon.Parameter("w", shape=(2,), init=mx.init.One())
    parameter.initialize()
    optimizer = mx.optimizer.get_updater(AdamW(0.1, learning_rate=0.01))
    value, mean, variance = np.ones(2), np.zeros(2), np.zeros(2)
    for number, gradient in enumerate(([1.0, -2.0], [0.5, 3.0]), 1):
        optimizer(0, mx.nd.array(gradient), parameter.data())
        gradient = np.array(gradient)
        mean, variance = 0.9 * mean + 0.1 * gradient, 0.999 * variance + 0.001 * gradient ** 2
        value = value * (1 - 0.01 * 0.1)
        value -= 0.01 * (mean / (1 - 0.9 ** number)) / (np.sqrt(variance / (1 - 0.999 ** number)) + 1e-8)
        np.testing.assert_allclose(parameter.data().asnumpy(), value, rtol=1e-5)


def test_the_rate_falls_as_half_a_cosine():
    rates = [Recipe(rate=2.0).rate_at(step, 4) for step in range(4)]
    assert rates == pytest.approx([2, 1 + np.sqrt(0.5), 1, 1 - np.sqrt(0.5)])
