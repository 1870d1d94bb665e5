"""Batches: determined by seed and step, all samples used, errors brought to the consumer."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest
from folders import refused, write_camvid, write_png

from repro.data import CAMVID, Sample, loader, open_dataset, read_sample
from repro.data.augment import MEAN, STD, Placement
from repro.data.loader import Batches, evaluation_batches, majority_map
from repro.errors import UserError

CROP = (16, 24)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return open_dataset(write_camvid(tmp_path_factory.mktemp("camvid")))


def batches(data, **changes):
    values = {"batch": 2, "crop": CROP, "seed": 3, **changes}
    return Batches(data.train, data.classes, **values)


def take(iterator, count):
    taken = list(itertools.islice(iterator, count))
    iterator.close()
    return taken


def same(first, second):
    return all(np.array_equal(a, b) for one, other in zip(first, second) for a, b in zip(one, other))


@pytest.fixture()
def unplaced(monkeypatch):
    """Crops are the images' top left, neither scaled nor mirrored."""
    monkeypatch.setattr(loader, "draw", lambda random, size, crop, scales: Placement())


def test_labels_are_sub_sampled_with_offset_2(data, unplaced):
    x, y = batches(data, batch=5).batch_at(0)
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((5, 3, *CROP), np.float32, (5, 4, 6), np.float32)
    pairs = [read_sample(sample, CAMVID) for sample in data.train]
    for image, label in zip(x, y):
        pixels = np.rint((image.transpose(1, 2, 0) * STD + MEAN) * 255).astype(np.uint8)
        match = [labels for source, labels in pairs if np.array_equal(source[:16, :24], pixels)]
        assert len(match) == 1 and np.array_equal(match[0][2:16:4, 2:24:4], label)
    x, sampled = batches(data).batch_at(1)
    fine, every = batches(data, stride=1).batch_at(1)  # labels of every pixel
    assert np.array_equal(x, fine) and every.shape == (2,) + CROP and np.array_equal(every[:, 2::4, 2::4], sampled)


def test_same_seed_same_batches_other_seed_others_and_iteration_continues_anywhere(data, monkeypatch):
    first = [batches(data).batch_at(step) for step in range(9)]
    assert same(first[::-1], [batches(data).batch_at(step) for step in range(8, -1, -1)])
    other = [batches(data, seed=4).batch_at(step) for step in range(9)]
    assert not any(np.array_equal(a[0], b[0]) for a, b in zip(first, other))
    for readers in (0, 1, 3):
        assert same(first, take(batches(data).iterate(readers=readers), 9))
        assert same(first[4:], take(batches(data).iterate(4, readers), 5))
    monkeypatch.setattr(loader, "CACHE", 0)
    assert same(first, [batches(data).batch_at(step) for step in range(9)])


def test_every_epoch_holds_every_sample_once_in_new_order(data):
    reader = batches(data, batch=2)
    order = [reader.index_at(position) for position in range(5 * 20)]
    epochs = [tuple(order[start:start + 5]) for start in range(0, 100, 5)]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs)
    assert len(set(epochs)) > 10
    x, _ = Batches(data.train[:1], data.classes, 4, CROP, 0).batch_at(0)
    assert len({image.tobytes() for image in x}) == 4  # augmented anew


def test_cache_is_bounded(data, monkeypatch):
    monkeypatch.setattr(loader, "CACHE", 2 * (24 * 32 * 4) + 1)  # bytes of two images and their labels
    reader = batches(data)
    for step in range(5):
        reader.batch_at(step)
    assert len(reader._cache) == 2
    assert not np.shares_memory(reader.batch_at(0)[0], reader.batch_at(0)[0])


def test_an_error_in_a_thread_reaches_the_consumer_and_closing_ends_all_threads(tmp_path):
    data, before = open_dataset(write_camvid(tmp_path)), threading.active_count()
    iterator = batches(data).iterate()
    next(iterator)
    assert threading.active_count() > before
    iterator.close()
    assert threading.active_count() == before
    broken = data.train[2].label
    broken.write_bytes(broken.read_bytes()[:-20])
    for readers in (0, 2):
        with pytest.raises(UserError, match=broken.name):
            take(batches(data).iterate(readers=readers), 3)
        assert threading.active_count() == before


def test_what_cannot_be_is_refused(data):
    for call, *words in (
            (lambda: Batches((), CAMVID, 2, CROP, 0), "no samples"),
            (lambda: Batches((Sample(data.train[0].image, None),), CAMVID, 2, CROP, 0).batch_at(0), "no label"),
            (lambda: batches(data, batch=0), "batch: 0"), (lambda: batches(data, crop=(16, 22)), "16x22"),
            (lambda: batches(data, batch=4, part=(0, 3)), "batch: 4", "part 0", "3 processes"),
            (lambda: batches(data, batch=4, part=(2, 2)), "batch: 4", "part 2", "2 processes"),
            (lambda: batches(data, batch=4, part=(-1, 2)), "batch: 4", "part -1", "2 processes")):
        refused(call, *words)


def test_evaluation_batches_pad_keep_order_and_hold_one_size_each(data, tmp_path):
    write_png(tmp_path / "wide.png", np.zeros((8, 12, 3), np.uint8))
    samples = (*data.test, Sample(tmp_path / "wide.png", None), data.test[0])
    groups = list(evaluation_batches(samples, data.classes, 2, multiple=(16, 20)))
    assert [sizes for _, _, sizes in groups] == [[(24, 32)] * 2, [(24, 32)], [(8, 12)], [(24, 32)]]
    images = [image for x, _, _ in groups for image in x]
    labels = [label for _, group, _ in groups for label in group]
    for image, label, (source, expected) in zip(images, labels, [read_sample(sample, CAMVID) for sample in samples]):
        height, width = source.shape[:2]
        assert image.shape == ((3, 32, 40) if height > 8 else (3, 16, 20))
        assert label is None if expected is None else np.array_equal(label, expected)
        normal = ((source / 255.0 - MEAN) / STD).transpose(2, 0, 1)
        np.testing.assert_allclose(image[:, :height, :width], normal, atol=1e-5)
        assert not image[:, height:].any() and not image[:, :, width:].any()
    assert list(evaluation_batches([], CAMVID, 4)) == []


def test_majority_map(tmp_path):
    labels = np.array([[[3, 1, 11, 2]], [[3, 2, 11, 1]], [[0, 2, 11, 11]]], np.uint8)
    samples = []
    for number, label in enumerate(labels):
        write_png(tmp_path / f"{number}.png", label)
        samples.append(Sample(tmp_path / f"{number}.png", tmp_path / f"{number}.png"))
    # Majority; majority; void everywhere: the lowest id; a tie of 1 and 2: the lower.
    assert majority_map(samples, CAMVID, (1, 4)).tolist() == [[3, 2, 0, 1]]
    assert majority_map(samples, CAMVID, (2, 8)).tolist() == [[3, 3, 2, 2, 0, 0, 1, 1]] * 2
    assert majority_map(samples, CAMVID, (1, 4)).dtype == np.uint8


def test_parts_are_the_batch_and_its_files_are_known(data, request):
    whole, parts = batches(data, batch=4), [batches(data, batch=4, part=(rank, 2)) for rank in range(2)]
    for step in range(6):
        assert same([tuple(np.concatenate(arrays) for arrays in zip(*(one.batch_at(step) for one in parts)))],
                    [whole.batch_at(step)])
    request.getfixturevalue("unplaced")
    for sample, image in zip(whole.files_at(2), whole.batch_at(2)[0]):
        assert np.array_equal(image, Batches([sample], data.classes, 1, CROP, 0).batch_at(0)[0][0])
