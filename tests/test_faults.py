"""Runs that are killed, whose disk is full, or that are two at once: each ends as one that was left alone."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from folders import write_camvid
from made_up import made_up
from trials import EVERY, Tree

from experiments import table as measure
from experiments.lib import paths, schedule, tables, worker
from repro import records
from repro.data.minicity import write, write_minicity
from repro.errors import UserError
from repro.files import write_text
from repro.models import parameters, params_format
from repro.training import run as library
from repro.training.checkpoints import META

WORKER = "experiments.lib.worker"


@pytest.fixture()
def job(tmp_path, monkeypatch):
    """A job of Table 1 that has a run's folder."""
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    job, = schedule.plan(schedule.Asked("1", data=str(write_camvid(tmp_path / "street")), row="stride32"))
    job.folder.mkdir(parents=True)
    (job.folder / "log.jsonl").write_text("")
    return job


def locked_by_another(job) -> bool:
    with open(job.folder.with_suffix(".lock"), "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_job_is_read_as_it_is_written(job):
    write_text(job.file, job.text())
    assert worker.read_job(job.file) == job


def test_a_fresh_run_leaves_the_folder_to_the_one_that_holds_its_lock(job, monkeypatch):
    """It used to take it away at once, and the other failed for want of its log."""
    def measured(jobs, *_):
        assert jobs[0].fresh and jobs[0].folder.exists()
        raise KeyboardInterrupt
    monkeypatch.setattr(schedule, "measure_all", measured)
    monkeypatch.setattr(schedule, "plan", lambda given: [dataclasses.replace(job, fresh=given.fresh)])
    assert measure.main(["--table", "1", "--fresh"]) == 130
    with worker.alone(dataclasses.replace(job, fresh=True)) as due:
        assert due and not job.folder.exists() and locked_by_another(job)
    with worker.alone(job) as due:
        assert due


def test_a_folder_left_behind_a_record_goes_unless_it_is_in_use(job, monkeypatch):
    monkeypatch.setattr(schedule, "plan", lambda given: [job])
    monkeypatch.setattr(schedule, "finished", lambda jobs: {job.specification: Path("a.json")})
    monkeypatch.setattr("experiments.lib.tables.write", lambda table, local: None)
    with open(job.folder.with_suffix(".lock"), "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert measure.main(["--table", "1"]) == 0 and job.folder.exists()
    assert measure.main(["--table", "1"]) == 0 and not job.folder.exists()


def test_two_teams_are_not_at_one_training_at_once(job, monkeypatch):
    class Cluster:
        failed = ""

        def __init__(self, *_):
            seen.append(locked_by_another(job))

        def poll(self):
            return len(seen) - 1

        def stop(self):
            pass
    seen = []
    monkeypatch.setattr(schedule, "Cluster", Cluster)
    schedule.measure_all([job], 1, ["localhost", "localhost"])
    assert seen == [True] and not locked_by_another(job) and not job.folder.exists()
    job.folder.mkdir()
    with pytest.raises(UserError, match="its process ended with code 1"):
        schedule.measure_all([job], 1, ["localhost", "localhost"])
    assert not locked_by_another(job) and job.folder.exists()


def test_a_record_goes_before_another_measurements_parameters_take_their_place(job, monkeypatch):
    """A kill between the two left the old record with the new parameters."""
    class Stopped(Exception):
        pass

    def saved(path, arrays):
        assert path.parent == old.parent and not old.exists()
        raise Stopped
    row, = tables.chosen_rows("1", "stride32")
    made = made_up(row, data="camvid", budget=job.label, recipe={"content": job.content})
    old = records.write_record(job.results, made)
    monkeypatch.setattr(library, "measure", lambda *given: given[-1]({}))
    monkeypatch.setattr(parameters, "save_arrays", saved)
    with pytest.raises(Stopped):
        worker.work(job)


def all_end(pids) -> bool:
    """Return True if the processes end within 20 seconds; one that has ended has no command line."""
    def running(pid):
        try:
            return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
        except (FileNotFoundError, ProcessLookupError):
            return False
    until = time.monotonic() + 20
    while any(map(running, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    return not any(map(running, pids))


def test_a_killed_command_leaves_no_process_of_its_cluster():
    """Neither servers, nor a worker that was starting, whose parent was another by the time it asked for it."""
    code = ("import os, time; from repro.training.cluster import PARENT, end_with_parent; time.sleep({}); "
            "end_with_parent(int(os.environ[PARENT])); time.sleep(300)")
    script = f"""
import os, signal, sys, time
from pathlib import Path
from repro.training.cluster import LOCAL, Cluster, worker
root = Path({str(paths.ROOT)!r})
made = Cluster([sys.executable, "-c", {code.format(0)!r}], ["localhost"], {{}}, root)
time.sleep(3)  # until servers serve
late = worker([sys.executable, "-c", {code.format(1)!r}], LOCAL[0], {{}}, root)
print(*(one.pid for one in (*made.helpers, *made.workers, late)), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    with subprocess.Popen([sys.executable, "-c", script], cwd=paths.ROOT, stdout=subprocess.PIPE, text=True) as process:
        pids = [int(word) for word in process.stdout.readline().split()]
    assert len(pids) == 4 and all_end(pids)


def test_a_data_set_drawn_by_another_process_meanwhile_is_taken(tmp_path, monkeypatch):
    counts = {"size": (32, 64), "train": 2, "val": 1, "coarse": 1, "progress": False}
    real = write.draw

    def drawn(*arguments):
        monkeypatch.setattr(write, "draw", real)
        write_minicity(tmp_path / "city", **counts)
        real(*arguments)
    monkeypatch.setattr(write, "draw", drawn)
    write_minicity(tmp_path / "city", **counts)
    assert len(list((tmp_path / "city").rglob("*_leftImg8bit.png"))) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["city"]
    monkeypatch.setattr(write, "draw", lambda *_: (tmp_path / "other").mkdir() or (tmp_path / "other" / "a").mkdir())
    with pytest.raises(UserError, match="other is not empty and is not a minicity folder"):
        write_minicity(tmp_path / "other", **counts)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return Tree(tmp_path_factory.mktemp("faults"))


def test_a_run_goes_on_as_if_it_had_never_stopped_whatever_ends_it(tree):
    """One run: its disk is full, the process that trains is killed, and so is the command, while a second one waits."""
    with tree.start() as run:
        trains = run.find(WORKER)
        run.wait_for(lambda: tree.checkpoint is not None)
        size = tree.checkpoint.stat().st_size // 2  # the log is smaller
        resource.prlimit(trains, resource.RLIMIT_FSIZE, (size, size))
        run.end_with("is the disk full?")
    assert not [*tree.folder.rglob(".writing-*")] and META in params_format.read(tree.checkpoint)
    with tree.start() as run:
        trains = run.find(WORKER)
        run.wait_for(lambda: tree.steps() > 2 * EVERY)
        os.kill(trains, signal.SIGKILL)
        run.end_with("its process ended with code -9")
    before = tree.log()
    with tree.start() as one:
        one.wait_for(lambda: tree.log() != before)
        one.signal(signal.SIGSTOP)
        with tree.start() as other:
            other.wait_for(lambda: "another process is at it; waiting" in other.text())
            os.kill(one.pid, signal.SIGKILL)
            one.signal(signal.SIGCONT)
            other.end_well()
        one.gone()
    tree.as_never_stopped()


def test_a_killed_worker_of_a_team_is_one_line_and_its_run_goes_on(tree):
    """To float error what one process trains, as its gradients are summed in another order."""
    options = ("--hosts", "localhost,localhost")
    tree.clear()
    with tree.start(*options) as run:
        trains = run.find("DMLC_ROLE=worker")
        run.wait_for(lambda: tree.steps() > EVERY)
        os.kill(trains, signal.SIGKILL)
        run.end_with("on localhost ended (killed by SIGKILL)")
    with tree.start(*options) as run:
        run.end_well()
    tree.nearly_as_never_stopped()
