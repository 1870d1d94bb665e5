"""What else befalls a run: full disks, other runs at the same table, processes of its own that die.

Each event takes a random generator and gives the seconds until it was said, None where nothing is to be said, or raises
a Fault. After each the same command is run to its end, and must leave what an uninterrupted run leaves.
"""

from __future__ import annotations

import random
import resource
import shutil
import signal
import time
from typing import Dict, Tuple

from experiments.lib.paths import PRETRAINED
from experiments.stress.trials.tree import MINUTE, STEPS, Fault, Run, Tree
from repro.errors import UserError
from repro.models import params_format

HOSTS = ("--hosts", "localhost,localhost")
WAITING, DRAWN = "another process is at it; waiting", "drawn"


class Trials:
    """The events in one tree; `known` is what uninterrupted runs leave, by their options."""

    def __init__(self, tree: Tree):
        self.tree = tree
        self.known: Dict[Tuple[str, ...], Dict[str, bytes]] = {}

    def _whole(self, *options: str) -> Dict[str, bytes]:
        """Return what an uninterrupted run leaves; one is run where that is not known."""
        if options not in self.known:
            self.tree.clear()
            self.tree.run(*options)
            self.known[options] = self.tree.left()
        return self.known[options]

    def _same_in_the_end(self, *options: str) -> None:
        self.tree.run(*options)
        self.tree.as_never_stopped(self._whole(*options))

    def _said(self, run: Run, words: str, began: float) -> float:
        """Seconds until the command ended, code 2, with its one line, in which `words` are."""
        code, seconds = run.end(MINUTE), time.monotonic() - began
        if code != 2 or len(run.errors()) > 1 or words not in run.text():
            raise Fault(f"code {code}, not one line with {words!r}: {run.errors()}")
        return seconds

    def _started(self, *options: str) -> None:
        self._whole(*options)
        self.tree.clear()

    def full_disk(self, draw: random.Random) -> float:
        """Limit the size of the worker's files between the first checkpoint and the second, as a full disk does."""
        self._started()
        with self.tree.start() as run:
            run.wait_for(lambda: self.tree.checkpoint is not None)
            before = self.tree.checkpoint.read_bytes()
            size = draw.randrange(4096, len(before))  # the log is smaller
            resource.prlimit(run.one("experiments.lib.worker"), resource.RLIMIT_FSIZE, (size, size))
            seconds = self._said(run, "is the disk full?", time.monotonic())
        try:
            params_format.read(self.tree.checkpoint)
        except UserError as error:
            raise Fault(str(error)) from None
        if self.tree.half_written() or not self.tree.checkpoint_step():
            raise Fault("no checkpoint is left, or half a one")
        self._same_in_the_end()
        return seconds

    def worker(self, draw: random.Random) -> float:
        self._started()
        with self.tree.start() as run:
            found = run.one("experiments.lib.worker")
            step = draw.randrange(STEPS)
            run.wait_for(lambda: self.tree.steps() >= step)
            began = time.monotonic()
            run.kill_one(found)
            seconds = self._said(run, "its process ended with code -9", began)
        self._same_in_the_end()
        return seconds

    def command(self, draw: random.Random) -> None:
        """Its worker is to end by itself, and the same command, started at once, to wait for that."""
        self._started()
        with self.tree.start() as run:
            if draw.random() < 0.5:
                run.one("experiments.lib.worker")
            time.sleep(draw.uniform(0, 1))
            run.kill_one(run.pid)
            self._same_in_the_end()
            run.gone()

    def reader(self, draw: random.Random) -> float:
        self._started()
        with self.tree.start("--readers", "1") as run:
            run.wait_for(lambda: self.tree.steps() > 0)
            found = run.one("spawn_main")
            began = time.monotonic()
            run.kill_one(found)
            seconds = self._said(run, "reader 1 of 1 (process", began)
        self._same_in_the_end()
        return seconds

    def _member(self, role: str, words: str, draw: random.Random) -> float:
        self._started(*HOSTS)
        with self.tree.start(*HOSTS) as run:
            if draw.random() < 0.7:
                run.wait_for(lambda: self.tree.steps() > 0)
            found = run.one(f"DMLC_ROLE={role}")
            began = time.monotonic()
            run.kill_one(found)
            seconds = self._said(run, words, began)
        self._same_in_the_end(*HOSTS)
        return seconds

    def team_worker(self, draw: random.Random) -> float:
        return self._member("worker", "on localhost ended (killed by SIGKILL)", draw)

    def team_server(self, draw: random.Random) -> float:
        return self._member("server", "a server of the kvstore ended (killed by SIGKILL)", draw)

    def team_scheduler(self, draw: random.Random) -> float:
        return self._member("scheduler", "a scheduler of the kvstore ended (killed by SIGKILL)", draw)

    def team_command(self, draw: random.Random) -> None:
        self._started(*HOSTS)
        with self.tree.start(*HOSTS) as run:
            run.wait_for(lambda: self.tree.steps() > 0)
            run.kill_one(run.pid)
            run.gone()
        self._same_in_the_end(*HOSTS)

    def _two(self, one: Run, other: Run, *options: str) -> None:
        for run in (one, other):
            run.end_well("of two runs one")
        self.tree.as_never_stopped(self._whole(*options))

    def two(self, draw: random.Random) -> None:
        self._started()
        with self.tree.start() as one:
            time.sleep(draw.uniform(0, 5))
            with self.tree.start() as other:
                self._two(one, other)

    def two_one_killed(self, draw: random.Random) -> None:
        """Start two: the second waits for the first, and goes on where that was killed."""
        self._started()
        step = draw.randrange(1, STEPS + 1)
        with self._waiting(step) as one, self.tree.start() as other:
            other.wait_for(lambda: WAITING in other.text())
            one.kill()
            self._two(other, other)

    def two_fresh(self, draw: random.Random) -> None:
        """Both begin anew; the second is not to take the first one's folder away."""
        self._started()
        with self._waiting(draw.randrange(1, STEPS + 1), "--fresh") as one, self.tree.start("--fresh") as other:
            other.wait_for(lambda: WAITING in other.text())
            one.signal(signal.SIGCONT)
            self._two(one, other)

    def two_teams(self, draw: random.Random) -> None:
        self._started(*HOSTS)
        with self._waiting(draw.randrange(1, STEPS + 1), *HOSTS) as one, self.tree.start(*HOSTS) as other:
            other.wait_for(lambda: WAITING in other.text())
            one.signal(signal.SIGCONT)
            self._two(one, other, *HOSTS)

    def same_place(self, draw: random.Random) -> None:
        """From other weights, so that its files have the same names; its record must not be taken for the first's."""
        self._started()
        self.tree.run()
        weights = bytearray(PRETRAINED.read_bytes())
        weights[len(weights) // 2] ^= 1
        other, params = self.tree.folder / "other.params", next(self.tree.cache.glob("results/*/*.params"))
        other.write_bytes(weights)
        before = params.stat().st_ino
        with self.tree.start("--pretrained", str(other)) as run:
            run.wait_for(lambda: params.stat().st_ino != before)
            run.kill()
        shutil.rmtree(self.tree.checkpoint.parent)  # from which that would go on
        self._same_in_the_end()

    def _waiting(self, step: int, *options: str) -> Run:
        """Start a run that is stopped, not ended, when it has come to a step."""
        run = self.tree.start(*options)
        try:
            run.wait_for(lambda: self.tree.steps() >= step)
        except Fault:
            run.kill()
            raise
        run.signal(signal.SIGSTOP)
        return run

    def _drawing(self) -> Run:
        return Run("experiments.minicity", [str(self.tree.folder / DRAWN), "--size", "128x256", "--train", "30",
                                            "--val", "5", "--coarse", "5"], self.tree.folder)

    def _drawn(self) -> Dict[str, bytes]:
        """Return the data set drawn, by file; nothing where its folder is not there."""
        folder = self.tree.folder / DRAWN
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def _draw_alone(self) -> float:
        """Draw the data set, and take it away; seconds that took."""
        began = time.monotonic()
        with self._drawing() as run:
            run.end_well("drawing alone")
        self._set = self._drawn()
        shutil.rmtree(self.tree.folder / DRAWN)
        return time.monotonic() - began

    def drawing(self, draw: random.Random) -> None:
        seconds = self._draw_alone()
        with self._drawing() as run:
            time.sleep(draw.uniform(0, seconds))
            run.kill()
        if self._drawn() not in ({}, self._set):
            raise Fault("half a data set is left")
        with self._drawing() as run:
            if run.end() or run.errors() or self._drawn() != self._set:
                raise Fault(f"not drawn, or another: {run.errors()}")
        shutil.rmtree(self.tree.folder / DRAWN)

    def two_drawing(self, draw: random.Random) -> None:
        self._draw_alone()
        with self._drawing() as one, self._drawing() as other:
            for run in (one, other):
                run.end_well("of two one")
        if self._drawn() != self._set:
            raise Fault("another data set is drawn")
        shutil.rmtree(self.tree.folder / DRAWN)
