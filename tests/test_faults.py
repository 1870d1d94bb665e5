"""Runs that are killed, whose disk is full, or that are two at once: what experiments/stress/faults.py counts."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import subprocess
import sys
from pathlib import Path

import pytest
from folders import write_camvid
from made_up import PROVENANCE, made_up
from test_loader import all_end

from experiments import table as measure
from experiments.lib import paths, schedule, tables, worker
from experiments.stress import faults
from experiments.stress.tree import Fault, Tree
from experiments.stress.trials import TRIALS
from repro import records
from repro.data.minicity import write, write_minicity
from repro.errors import UserError
from repro.models import parameters
from repro.tables.faults import EVENTS, KILLS, PHASES, page, read_faults
from repro.training import run as library

ROOT = Path(__file__).resolve().parent.parent


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


@pytest.mark.parametrize("late", (0, 3))
def test_a_killed_command_leaves_no_process_of_its_cluster(late):
    """Neither servers, nor a worker that was starting, whose parent was another by the time it asked for it."""
    code = ("import os, time; from repro.training.cluster import PARENT, end_with_parent; time.sleep({}); "
            "end_with_parent(int(os.environ[PARENT])); time.sleep(300)")
    script = f"""
import os, signal, sys, time
from pathlib import Path
from repro.training.cluster import Cluster
made = Cluster([sys.executable, "-c", {code!r}.format({late})], ["localhost"], {{}}, Path({str(ROOT)!r}))
print(*(one.pid for one in (*made.helpers, *made.workers)), flush=True)
time.sleep({3 - late})
os.kill(os.getpid(), signal.SIGKILL)
"""
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        pids = [int(word) for word in process.stdout.readline().split()]
    assert len(pids) == 3 and all_end(pids)


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


def test_a_kill_a_full_disk_and_two_at_once_end_as_they_should(tmp_path):
    """One trial of each kind; make faults runs them many times."""
    made = Tree(tmp_path)
    found, wrong = faults.count_kills(made, 1, 0)
    events, more = faults.count_events(made, ("full_disk", "two"), 1, 0)
    assert not wrong + more
    assert sum(one["kills"] for one in found["phases"].values()) == 1
    assert events["full_disk"]["seconds"] and events["two"] == {"times": 1, "faults": 0, "seconds": None}


@pytest.fixture()
def tree(tmp_path, monkeypatch):
    """A tree without the project in it."""
    monkeypatch.setattr("experiments.stress.tree.write_minicity", lambda *_, **__: None)
    monkeypatch.setattr("experiments.stress.tree.shutil.copytree",
                        lambda source, target, ignore: target.mkdir(parents=True))
    return Tree(tmp_path)


def put(path: Path, data: str = "x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data)


def test_phases_are_told_by_files(tree):
    assert tree.phase() == "start" and tree.checkpoint_step() == 0
    for name, text, phase in (("runs/a.lock", "", "building"), ("runs/a/log.jsonl", "", "building"),
                              ("runs/a/log.jsonl", "{}\n", "training"), ("runs/a/.writing-x.params", "", "checkpoint"),
                              ("results/g/.writing-x.params", "", "evaluation"),
                              ("results/g/a.params", "", "evaluation"), ("results/g/.writing-x.png", "", "record"),
                              ("results/g/.writing-x.json", "", "record"), ("results/g/a.json", "", "page"),
                              ("../tables/.writing-x.md", "", "page"), ("../tables/ablations.md", "", "end")):
        put(tree.cache / name, text)
        assert tree.phase() == phase and phase in PHASES, name
    assert tree.half_written() == 5
    tree.clear()
    assert tree.phase() == "start" and not tree.half_written()


def test_what_differs_from_an_uninterrupted_run_is_a_fault(tree):
    def write(seconds, date, steps=6):
        put(tree.cache / "results/g/a.json", json.dumps({
            "steps": steps, "train": {"seconds": seconds, "core_seconds": seconds}, "provenance": {"date": date}}))
        put(tree.folder / "tables/ablations.md", f"measured {date}; 3")
    params = tree.cache / "results/g/a.params"
    put(params, "values")
    write(3, "2026-01-02")
    tree._whole[()] = tree.left()

    def fault(words):
        with pytest.raises(Fault, match=words):
            tree.as_never_stopped()
    write(3, "2026-01-02", steps=7)
    fault("a.json differs")
    write(4, "2026-01-03")
    put(tree.cache / "results/g/.writing-x.json", "{")
    tree.as_never_stopped()
    put(params, "value")
    fault("a.params differs")
    params.rename(params.with_name("b.params"))
    fault("a.params is not there")
    put(params, "values")
    fault("b.params is there")
    params.with_name("b.params").unlink()
    (tree.cache / "runs" / "a").mkdir(parents=True)
    fault("the run's folder a is left")


def counted():
    phases = {name: dict(zip(KILLS, (4, 3, 2, 1))) for name in PHASES}
    events = {name: {"times": 3, "faults": 1, "seconds": None if "two" in name else 4.25} for name in EVENTS}
    return {"seed": 7, "left": 5, "phases": phases, "events": events, "provenance": PROVENANCE}


def test_the_page_counts_and_a_wrong_count_is_named(tmp_path):
    path = tmp_path / "a.json"
    put(path, json.dumps(counted()))
    text = page(read_faults(path))
    lines = [[cell.strip() for cell in line.strip("| \n").split("|")] for line in text.splitlines() if "|" in line]
    assert "at 32 random moments" in text and "Seed of the moments: 7." in text and "5 temporary files" in text
    assert ["training", "4", "3", "2", "3", "1"] in lines and ["all", "32", "24", "16", "24", "8"] in lines
    assert [EVENTS["reader"], "3", "2", "1", "4.2"] in lines and [EVENTS["two"], "3", "2", "1", "-"] in lines
    put(path, "{}")
    with pytest.raises(UserError, match="a.json: key 'seed' is missing"):
        read_faults(path)


def test_faults_of_events_are_said_and_counted(monkeypatch, capsys):
    def two(tree, draw):
        raise Fault("code 1")
    assert TRIALS.keys() == EVENTS.keys()
    monkeypatch.setitem(TRIALS, "two", two)
    monkeypatch.setitem(TRIALS, "reader", lambda tree, draw: 1.26)
    found, wrong = faults.count_events(None, ["two", "reader"], 2, 0)
    assert found == {"two": {"times": 2, "faults": 2, "seconds": None},
                     "reader": {"times": 2, "faults": 0, "seconds": 1.3}}
    assert wrong == [f"{EVENTS['two']}: code 1"] * 2 and f"  {wrong[0]}\n" in capsys.readouterr().err
    assert faults.main(["--moments", "-1"]) == 2 and "--moments: -1 is below 0" in capsys.readouterr().err


def test_what_is_counted_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "OWN", tmp_path / "own")
    monkeypatch.setattr(faults, "Tree", lambda folder: None)
    monkeypatch.setattr(faults, "count_kills", lambda *of: ({name: counted()[name] for name in ("phases", "left")}, []))
    monkeypatch.setattr(faults, "count_events", lambda *of: (counted()["events"], []))
    assert faults.main(["--moments", "1"]) == 0 and capsys.readouterr().out.endswith("own/faults.md\n")
    found = read_faults(tmp_path / "own" / "faults.json")
    assert found["left"] == 5 and found["provenance"]["command"] == "make faults MOMENTS=1"
    assert (tmp_path / "own" / "faults.md").read_text() == page(found)


def test_a_run_that_ends_before_it_is_killed_is_a_fault(tree, capsys):
    """Here at once, as there is no program in the tree."""
    tree._whole[()] = {}
    found, wrong = faults.count_kills(tree, 2, 0)
    assert len(wrong) == 2 and all("ended" in one for one in wrong)
    assert wrong[0] in capsys.readouterr().err and sum(one["faults"] for one in found["phases"].values()) == 2


def test_the_committed_page_is_its_rendering():
    found = faults.MEASUREMENT.read(paths.RESULTS)
    assert page(found) == (paths.RESULTS.parent / "faults.md").read_text(encoding="utf-8")
    assert not sum(one["faults"] for part in ("phases", "events") for one in found[part].values())
