"""The page on faults: what became of runs that were killed, and of what else befell them."""

from __future__ import annotations

from typing import Any, Mapping

from repro.tables.markdown import markdown_table
from repro.tables.speed import origin, reader

# what a run is at, and what befalls it, by the names of experiments.stress.trials
PHASES = {
    "start": "starting; looking at the data's files",
    "building": "building the network, reading the first batch",
    "training": "training",
    "checkpoint": "writing a checkpoint",
    "evaluation": "evaluating",
    "record": "writing parameters, curves and record",
    "page": "rendering the page",
    "end": "ending, the page being written",
}
EVENTS = {
    "full_disk": "the disk is full in the middle of a checkpoint",
    "worker": "the process that trains is killed",
    "command": "the command is killed, not its processes",
    "reader": "a process that reads data is killed (`READERS=1`)",
    "team_worker": "one of two workers is killed (`HOSTS=localhost,localhost`)",
    "team_server": "a server of the kvstore is killed (`HOSTS=`)",
    "team_scheduler": "the scheduler of the kvstore is killed (`HOSTS=`)",
    "team_command": "the command is killed, not its processes (`HOSTS=`)",
    "two": "two runs of the same table at once",
    "two_one_killed": "two at once, of which one is killed",
    "two_fresh": "two at once, both with `FRESH=1`",
    "two_teams": "two at once, both with `HOSTS=`",
    "same_place": "a run from other weights, whose files have the same names, is killed as it writes them",
    "drawing": "minicity is being drawn, and killed",
    "two_drawing": "minicity is drawn by two at once",
}
KILLS = ("kills", "checkpoint", "record", "faults")
# what `make faults` writes: by phase so many of each of KILLS, by event how it went
read_faults = reader("seed", "left", "phases", "events", "provenance")


def page(found: Mapping[str, Any]) -> str:
    """Return the page; `found` as `read_faults` gives it."""
    phases, events = list(found["phases"].values()), [found["events"][name] for name in EVENTS]
    total = {name: sum(one[name] for one in phases) for name in KILLS}
    lines = [*phases, total]
    kills = markdown_table([
        ("Killed while", [*PHASES.values(), "all"]),
        ("Kills", [str(one["kills"]) for one in lines]),
        ("With a checkpoint", [str(one["checkpoint"]) for one in lines]),
        ("With its record", [str(one["record"]) for one in lines]),
        ("Same in the end", [str(one["kills"] - one["faults"]) for one in lines]),
        ("Fault", [str(one["faults"]) for one in lines])], 1)
    others = markdown_table([
        ("What happens", [*EVENTS.values()]),
        ("Times", [str(one["times"]) for one in events]),
        ("As it should", [str(one["times"] - one["faults"]) for one in events]),
        ("Fault", [str(one["faults"]) for one in events]),
        ("Said within, s", ["-" if one["seconds"] is None else f"{one['seconds']:.1f}" for one in events])], 1)
    return (
        "# Faults, on purpose\n\n"
        "A table of one tiny row is trained, evaluated and rendered by the command of `make ablations`, and killed "
        f"with -9, all its processes at once, at {total['kills']} random moments; the same command is then run to its "
        f"end (`experiments/stress/trials.py`). Seed of the moments: {found['seed']}. {origin(found['provenance'])}\n\n"
        f"{kills}\n"
        "*Same in the end*: parameters, log, curves and page are byte for byte those of a run that was never stopped, "
        "and so is the record but for its date and duration; a checkpoint found after the kill is whole, and the run's "
        "folder is gone in the end. Each phase is aimed at in turn, at a random moment; which was hit is told by "
        f"the files left. {found['left']} temporary files were left by kills (`.writing-*`); none is taken for a "
        "result.\n\n"
        f"{others}\n"
        "*As it should*: what must be said is said in one line, exit code 2, within a minute (*said within*: the "
        "longest), no process is left behind, and the same command, run again where one was stopped, ends as above; "
        "two at once both end with code 0. A full disk is a limit on the size of files (RLIMIT_FSIZE), set between two "
        "checkpoints.\n")
