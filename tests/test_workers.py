"""Reading ahead in processes: the same batches, errors as one line, and nothing left however it ends."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mxnet  # noqa: F401  that it is loaded here and not in the processes is what one test is about
import numpy as np
import pytest
from folders import write_camvid

from repro.data import open_dataset
from repro.data.loader import Batches
from repro.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
CROP = (16, 24)
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


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return open_dataset(write_camvid(tmp_path_factory.mktemp("camvid")))


def batches(data, **changes):
    return Batches(data.train, data.classes, **{"batch": 4, "crop": CROP, "seed": 3, **changes})


def running(pid: int) -> bool:
    """Whether a process is there and is not one that has ended and nobody has asked for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def all_end(pids) -> bool:
    """Whether the processes end within 20 seconds."""
    until = time.monotonic() + 20
    while any(map(running, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    return not any(map(running, pids))


def children():
    return [process.pid for process in multiprocessing.active_children()]


@pytest.mark.parametrize("workers, ahead, cache_bytes", [(1, 2, 0), (2, 0, 1 << 20), (3, 3, 24 * 32 * 4 * 3)])
def test_batches_are_those_of_the_thread(data, workers, ahead, cache_bytes):
    iterator = batches(data, cache_bytes=cache_bytes).iterate(start=1, ahead=ahead, workers=workers)
    try:
        for step, (x, y) in zip(range(1, 12), iterator):
            expected = batches(data).batch_at(step)
            assert x.dtype == y.dtype == np.float32
            assert np.array_equal(x, expected[0]) and np.array_equal(y, expected[1])
    finally:
        iterator.close()
    assert not children()


def test_arrays_outlive_the_iterator(data):
    iterator = batches(data).iterate(workers=1)
    x, _ = next(iterator)
    iterator.close()
    assert np.array_equal(x, batches(data).batch_at(0)[0])


def test_processes_do_not_load_mxnet(data):
    iterator = batches(data).iterate(workers=2)
    next(iterator)
    try:
        assert len(children()) == 2
        assert "libmxnet" in Path("/proc/self/maps").read_text()
        for pid in children():
            loaded = Path(f"/proc/{pid}/maps").read_text()
            assert "cv2" in loaded and "mxnet" not in loaded
    finally:
        iterator.close()


@pytest.mark.parametrize("script", ["worker", "pretrain", "reading"])
def test_scripts_that_start_processes_do_not_load_mxnet_when_imported(script):
    """The processes import them as their main module."""
    code = f"import sys, experiments.{script}; sys.exit('mxnet' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_an_error_is_raised_at_its_step_as_the_same_line(tmp_path, workers):
    data = open_dataset(write_camvid(tmp_path))
    reader = batches(data, batch=2)
    step = next(step for step in itertools.count() if data.train[2] in reader.files_at(step))
    for broken in (data.train[2].label, data.train[2].image):
        broken.write_bytes(broken.read_bytes()[:-20])
    iterator = reader.iterate(workers=workers)
    for _ in range(step):
        next(iterator)
    with pytest.raises(UserError) as caught:
        next(iterator)
    assert str(caught.value) == f"{data.train[2].image}: the PNG file is truncated"
    assert not children()


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_of_several_bad_files_the_first_of_the_batch_is_named(tmp_path, workers):
    data = open_dataset(write_camvid(tmp_path))
    for sample in data.train:
        sample.image.write_bytes(b"")
    reader = batches(data, batch=5)
    with pytest.raises(UserError) as caught:
        next(reader.iterate(workers=workers))
    assert str(caught.value) == f"{reader.files_at(0)[0].image}: not a PNG file"


def test_a_killed_process_is_an_error_with_its_code(data):
    iterator = batches(data).iterate(workers=2)
    next(iterator)
    pids = children()
    os.kill(pids[0], signal.SIGKILL)
    with pytest.raises(UserError, match=r"data worker ended with code -9 \(killed") as caught:
        for _ in range(10):
            next(iterator)
    assert "\n" not in str(caught.value)
    assert all_end(pids)


def test_nothing_is_left_in_shared_memory(data):
    before = set(os.listdir("/dev/shm"))
    iterator = batches(data).iterate(workers=2)
    next(iterator)
    assert set(os.listdir("/dev/shm")) <= before  # not even while it is used
    iterator.close()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_processes_end_with_the_one_that_started_them(data, tmp_path, end):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    folder = data.train[0].image.parent.parent
    with subprocess.Popen([sys.executable, "-W", "error", str(script), str(folder)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, start_new_session=True,
                          # tests run in the background inherit that Ctrl-C is ignored
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
                          env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        pids = [int(word) for word in process.stdout.readline().split()]
        assert len(pids) == 2 and all(map(running, pids))
        time.sleep(0.5)  # until it sleeps: Python loses an interrupt that falls into the end of an object
        if end == signal.SIGINT:
            os.killpg(process.pid, end)  # as Ctrl-C does
        else:
            process.send_signal(end)
        assert all_end(pids)
        _, error = process.communicate(timeout=20)
    assert error.count("Traceback") == error.count("KeyboardInterrupt") == (end == signal.SIGINT)
    assert "Warning" not in error and "leaked" not in error


@pytest.mark.parametrize("workers", [0, 2])
def test_parts_are_the_batch(data, workers):
    parts = [batches(data, part=(rank, 2)).iterate(workers=workers) for rank in range(2)]
    try:
        for step in range(6):
            x, y = (np.concatenate(arrays) for arrays in zip(*map(next, parts)))
            expected = batches(data).batch_at(step)
            assert np.array_equal(x, expected[0]) and np.array_equal(y, expected[1])
    finally:
        for part in parts:
            part.close()


def test_files_of_a_step(data):
    reader = batches(data, augment=False)
    for step in range(4):
        files = reader.files_at(step)
        assert files == batches(data, part=(1, 2)).files_at(step)
        for sample, image in zip(files, reader.batch_at(step)[0]):
            alone = Batches([sample], data.classes, 1, CROP, 0, augment=False).batch_at(0)[0][0]
            assert np.array_equal(image, alone)


@pytest.mark.parametrize("part", [(0, 3), (2, 2), (-1, 2)])
def test_parts_that_cannot_be(data, part):
    with pytest.raises(UserError, match=f"batch: 4 .* part {part[0]} .* {part[1]} processes"):
        batches(data, part=part)


def test_numbers_below_0_are_refused(data):
    for wrong in ({"workers": -1}, {"ahead": -1}):
        with pytest.raises(UserError, match="-1 .*below 0"):
            batches(data).iterate(**wrong)
