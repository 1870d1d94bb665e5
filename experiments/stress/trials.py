"""What befalls a run, on purpose: a process that is killed, a full disk, others at the same table.

A trial takes a tree and a random generator, and returns the seconds until what is wrong was said, None where nothing is
to be said, or raises a Fault. After each the same command is run to its end, and must leave what an uninterrupted run
leaves.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import time
from typing import Callable, Dict, Optional

from experiments.lib.paths import PRETRAINED
from experiments.stress.tree import EVERY, STEPS, Fault, Run, Tree
from repro.tables.faults import PHASES

Trial = Callable[[Tree, random.Random], Optional[float]]
MINUTE = 60  # seconds within which what is wrong is said
HOSTS = ("--hosts", "localhost,localhost")
WORKER, WAITING = "experiments.lib.worker", "another process is at it; waiting"


def _said(run: Run, words: str) -> float:
    """Return the seconds until the command ended, code 2, with its one line, in which `words` are."""
    began = time.monotonic()
    code = run.end(MINUTE)
    if code != 2 or len(run.errors()) > 1 or words not in run.text():
        raise Fault(f"code {code}, not one line with {words!r}: {run.errors()}")
    return time.monotonic() - began


def killed(victim: str, words: str, *options: str, first: int = 0) -> Trial:
    """Return a trial in which a process of the run is killed at a random step from the `first` on.

    victim  what its command line or environment holds. words: what the command then says.
    """
    def trial(tree: Tree, draw: random.Random) -> float:
        tree.fresh(*options)
        step = draw.randrange(first, STEPS)
        with tree.start(*options) as run:
            run.wait_for(lambda: tree.steps() >= step)
            run.kill_one(victim)
            seconds = _said(run, words)
        tree.same_in_the_end(*options)
        return seconds
    return trial


def command_killed(*options: str) -> Trial:
    """Return a trial in which the command is killed, whose processes are to end by themselves."""
    def trial(tree: Tree, draw: random.Random) -> None:
        tree.fresh(*options)
        step = draw.randrange(STEPS)
        with tree.start(*options) as run:
            run.wait_for(lambda: tree.steps() >= step)
            os.kill(run.pid, signal.SIGKILL)
            if not options:  # the same command, started at once, waits for that
                tree.same_in_the_end()
            run.gone()
        if options:
            tree.same_in_the_end(*options)
    return trial


def two(*options: str, at_once: bool = False, kill: bool = False) -> Trial:
    """Return a trial in which two runs are at one table: the second waits for the first, or goes on where it is killed.

    at_once  the second may begin at any moment; else as the first has come to a random step, and stands still.
    """
    def trial(tree: Tree, draw: random.Random) -> None:
        tree.fresh(*options)
        step = draw.randrange(1, STEPS + 1)
        with tree.start(*options) as one:
            if at_once:
                time.sleep(draw.uniform(0, 5))
            else:
                one.wait_for(lambda: tree.steps() >= step)
                one.signal(signal.SIGSTOP)
            with tree.start(*options) as other:
                if not at_once:
                    other.wait_for(lambda: WAITING in other.text())
                    one.signal(signal.SIGKILL if kill else signal.SIGCONT)
                for run in (other,) if kill else (one, other):
                    run.end_well("of two runs one")
        tree.as_never_stopped(*options)
    return trial


def full_disk(tree: Tree, draw: random.Random) -> float:
    """Limit the size of the worker's files between the first checkpoint and the second, as a full disk does."""
    tree.fresh()
    with tree.start() as run:
        run.wait_for(lambda: tree.checkpoint is not None)
        assert tree.checkpoint is not None
        size = draw.randrange(4096, tree.checkpoint.stat().st_size)  # the log is smaller
        worker = min(pid for pid, text in run.processes().items() if WORKER in text)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (size, size))
        seconds = _said(run, "is the disk full?")
    if tree.half_written() or not tree.checkpoint_step():
        raise Fault("no checkpoint is left, or half a one")
    tree.same_in_the_end()
    return seconds


def same_place(tree: Tree, draw: random.Random) -> None:
    """Run from other weights, so that its files have the same names; its record must not be taken for the first's."""
    tree.fresh()
    tree.run()
    weights = bytearray(PRETRAINED.read_bytes())
    weights[len(weights) // 2] ^= 1
    other, params = tree.folder / "other.params", next(tree.cache.glob("results/*/*.params"))
    other.write_bytes(weights)
    before = params.stat().st_ino
    with tree.start("--pretrained", str(other)) as run:
        run.wait_for(lambda: params.stat().st_ino != before)
        run.signal(signal.SIGKILL)
    shutil.rmtree(tree.cache / "runs")  # from which that would go on
    tree.same_in_the_end()


def drawing(kill: bool) -> Trial:
    """Return a trial in which a data set is drawn, and killed, or by two at once: there is the whole of it, or none."""
    def trial(tree: Tree, draw: random.Random) -> None:
        folder = tree.folder / "drawn"

        def start() -> Run:
            return Run("experiments.minicity", [str(folder), "--size", "128x256", "--train", "30", "--val", "5",
                                                "--coarse", "5"], tree.folder)

        def drawn() -> Dict[str, bytes]:
            return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        began = time.monotonic()
        with start() as run:
            run.end_well("drawing alone")
        seconds, whole = time.monotonic() - began, drawn()
        shutil.rmtree(folder)
        with start() as one:
            if kill:
                time.sleep(draw.uniform(0, seconds))
                one.signal(signal.SIGKILL)
                if drawn() not in ({}, whole):
                    raise Fault("half a data set is left")
            with start() as other:
                for run in (other,) if kill else (one, other):
                    run.end_well("drawing")
        if drawn() != whole:
            raise Fault("another data set is drawn")
        shutil.rmtree(folder)
    return trial


# by the names of the page's EVENTS
TRIALS: Dict[str, Trial] = {
    "full_disk": full_disk,
    "worker": killed(WORKER, "its process ended with code -9"),
    "command": command_killed(),
    "reader": killed("spawn_main", "reader 1 of 1 (process", "--readers", "1", first=1),
    "team_worker": killed("DMLC_ROLE=worker", "on localhost ended (killed by SIGKILL)", *HOSTS),
    "team_server": killed("DMLC_ROLE=server", "a server of the kvstore ended (killed by SIGKILL)", *HOSTS),
    "team_scheduler": killed("DMLC_ROLE=scheduler", "a scheduler of the kvstore ended (killed by SIGKILL)", *HOSTS),
    "team_command": command_killed(*HOSTS),
    "two": two(at_once=True),
    "two_one_killed": two(kill=True),
    "two_fresh": two("--fresh"),
    "two_teams": two(*HOSTS),
    "same_place": same_place,
    "drawing": drawing(kill=True),
    "two_drawing": drawing(kill=False),
}


def kill_in(tree: Tree, wanted: str, draw: random.Random) -> None:
    """Kill a first run a millisecond to three seconds after a phase has begun; Fault if five end before.

    A phase is waited for by its files, as its beginning varies; some take milliseconds, some seconds. Writing a
    checkpoint is that of a random step.
    """
    order = [*PHASES]

    def begun() -> bool:
        found = order.index(tree.phase()) - order.index(wanted)
        return found > 0 or found == 0 and (wanted != "checkpoint" or tree.steps() >= step)
    for _ in range(5):
        step, delay = draw.randrange(EVERY, STEPS + 1, EVERY), 10 ** draw.uniform(-3, 0.5)
        tree.fresh()
        with tree.start() as run:
            run.wait_for(begun)
            time.sleep(delay)
            if run.running:
                run.signal(signal.SIGKILL)
                return
    raise Fault(f"five runs ended before they could be killed: {wanted}")
