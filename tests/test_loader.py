"""Batches: determined by seed and step, all samples used, errors brought to the consumer."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

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


def reading_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


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
    assert same(first, take(batches(data).iterate(), 9)) and same(first[4:], take(batches(data).iterate(4), 5))
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


def test_an_error_in_the_thread_reaches_the_consumer_and_closing_ends_the_thread(tmp_path):
    data = open_dataset(write_camvid(tmp_path))
    iterator = batches(data).iterate()
    next(iterator)
    assert reading_threads()
    iterator.close()
    assert not reading_threads()
    broken = data.train[2].label
    broken.write_bytes(broken.read_bytes()[:-20])
    with pytest.raises(UserError, match=broken.name):
        take(batches(data).iterate(), 3)
    assert not reading_threads()


def test_what_cannot_be_is_refused(data):
    for call, *words in (
            (lambda: Batches((), CAMVID, 2, CROP, 0), "no samples"),
            (lambda: Batches((Sample(data.train[0].image, None),), CAMVID, 2, CROP, 0).batch_at(0), "no label"),
            (lambda: batches(data, batch=0), "batch: 0"), (lambda: batches(data, crop=(16, 22)), "16x22"),
            (lambda: batches(data).iterate(workers=-1), "-1 processes", "fewer than 0"),
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


SCRIPT = """
import multiprocessing, sys, time
from repro.data import open_dataset
from repro.data.loader import Batches

if __name__ == "__main__":
    data = open_dataset(sys.argv[1])
    for x, y in Batches(data.train, data.classes, 2, (16, 24), 0).iterate(workers=2):
        print(*(process.pid for process in multiprocessing.active_children()), flush=True)
        time.sleep(60)
"""


def all_end(pids) -> bool:
    """Whether the processes end within 20 seconds; one that has ended and nobody has asked for has."""
    def running(pid):
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False
    until = time.monotonic() + 20
    while any(map(running, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    return not any(map(running, pids))


def test_processes_give_the_threads_batches(data):
    """Also from a step on, and in parts; none is left."""
    for workers, part in ((3, (0, 1)), (1, (1, 2))):
        found = take(batches(data, part=part).iterate(start=4, workers=workers), 7)
        assert same(found, [batches(data, part=part).batch_at(step) for step in range(4, 11)])
        assert not multiprocessing.active_children()


def test_a_process_that_cannot_read_is_killed_or_hangs_is_one_line(data, tmp_path, monkeypatch):
    broken = open_dataset(write_camvid(tmp_path))
    for sample in broken.train:
        sample.image.write_bytes(b"")
    reader = batches(broken, batch=5)
    with pytest.raises(UserError) as caught:
        next(reader.iterate(workers=2))
    assert str(caught.value) == f"{reader.files_at(0)[0].image}: not a PNG file"  # the first of the batch
    for end, words in ((signal.SIGKILL, r"ended with code -9 \(killed"), (signal.SIGSTOP, "no batch for 2 s from")):
        iterator = batches(data).iterate(workers=2)
        next(iterator), next(iterator)  # both have started
        monkeypatch.setattr(loader, "PATIENCE", 2)
        process = next(one for one in multiprocessing.active_children() if one.name == "reader 2 of 2")
        os.kill(process.pid, end)
        with pytest.raises(UserError, match=words) as caught:
            for _ in range(50):
                next(iterator)
        assert f"reader 2 of 2 (process {process.pid})" in str(caught.value) and "\n" not in str(caught.value)
        assert not multiprocessing.active_children()
        monkeypatch.undo()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_processes_end_with_the_one_that_started_them(data, tmp_path, end):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with subprocess.Popen([sys.executable, "-W", "error", str(script), str(data.train[0].image.parent.parent)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
                          # tests run in the background inherit that Ctrl-C is ignored
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
                          env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parent.parent)}) as process:
        pids = [int(word) for word in process.stdout.readline().split()]
        assert len(pids) == 2
        time.sleep(0.5)  # until it sleeps: Python loses an interrupt that falls into the end of an object
        if end == signal.SIGINT:
            os.killpg(process.pid, end)  # as Ctrl-C does
        else:
            process.send_signal(end)
        assert all_end(pids)
        _, error = process.communicate(timeout=20)
    assert error.count("Traceback") == error.count("KeyboardInterrupt") == (end == signal.SIGINT)
    assert "Warning" not in error and "leaked" not in error


def test_parts_are_the_batch_and_its_files_are_known(data, request):
    whole, parts = batches(data, batch=4), [batches(data, batch=4, part=(rank, 2)) for rank in range(2)]
    for step in range(6):
        assert same([tuple(np.concatenate(arrays) for arrays in zip(*(one.batch_at(step) for one in parts)))],
                    [whole.batch_at(step)])
    request.getfixturevalue("unplaced")
    for sample, image in zip(whole.files_at(2), whole.batch_at(2)[0]):
        assert np.array_equal(image, Batches([sample], data.classes, 1, CROP, 0).batch_at(0)[0][0])
