"""Reading batches ahead in processes of their own, through memory they share with the one that trains.

The processes are spawned, not forked (the training one has its engine's threads), and import repro.data alone. The
memory is a `RawArray`: a file that has no name by the time it is used, so nothing is left of it however the
processes end.
"""

from __future__ import annotations

import itertools
import multiprocessing
import signal

import cv2
import numpy as np

from repro.errors import UserError


def read_ahead(batches, start: int, ahead: int, workers: int):
    """Yield the batches of steps start, start + 1, …, as `loader.Batches.iterate` says, from `workers` processes.

    Each process reads those samples of a batch whose index is its own number modulo `workers`, so that each
    sample is in the cache of one process. The ring has `ahead` + 1 slots: one batch in use, the others being read.
    """
    context = multiprocessing.get_context("spawn")
    sizes = [int(np.prod(shape)) for shape in batches.shapes]
    memory = context.RawArray("f", (ahead + 1) * sum(sizes))
    ring = _ring(memory, batches.shapes)
    crew = []
    try:
        for number in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(batches.share(workers), memory, number, workers, theirs),
                                      name=f"batches-{number}", daemon=True)
            process.start()
            crew.append((process, ours))
            theirs.close()  # the process has the only other one: when it ends, reading `ours` does
        for step in range(start, start + ahead):
            _ask(crew, step)
        for step in itertools.count(start):
            _ask(crew, step + ahead)  # into the slot of the batch before, which is no longer used
            answers = [_answer(process, pipe) for process, pipe in crew]
            failures = [answer for answer in answers if answer]
            if failures:
                raise UserError(min(failures)[1])
            yield ring[step % len(ring)]
    finally:
        for process, pipe in crew:
            process.kill()
            process.join()
            pipe.close()


def _ring(memory, shapes):
    """The batches (x, y) that `memory` has room for, as float32 arrays of `shapes`."""
    x, y = (int(np.prod(shape)) for shape in shapes)
    slots = np.frombuffer(memory, np.float32).reshape(-1, x + y)
    return [(slot[:x].reshape(shapes[0]), slot[x:].reshape(shapes[1])) for slot in slots]


def _ask(crew, step: int) -> None:
    for process, pipe in crew:
        try:
            pipe.send(step)
        except OSError:
            raise _ended(process) from None


def _answer(process, pipe):
    """What came of the next step's share: None, or (slot, message) of the first sample that cannot be used."""
    try:
        return pipe.recv()
    except (EOFError, OSError):
        raise _ended(process) from None


def _ended(process) -> UserError:
    process.join(10)
    killed = " (killed, as the system does when memory runs out)" if process.exitcode == -signal.SIGKILL else ""
    return UserError(f"reading ahead: a data worker ended with code {process.exitcode}{killed}")


def _work(batches, memory, number: int, workers: int, pipe) -> None:
    """The process: read its samples of each step asked for, until the other end of `pipe` is closed or gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the training process's to handle, which ends this one
    cv2.setNumThreads(1)
    ring = _ring(memory, batches.shapes)
    while True:
        try:
            step = pipe.recv()
        except (EOFError, OSError):
            return
        x, y = ring[step % len(ring)]
        failure = None
        for slot, position in enumerate(batches.positions(step)):
            if batches.index_at(position) % workers == number:
                try:
                    batches.read_into(x[slot], y[slot], position)
                except UserError as error:
                    failure = (slot, str(error))
                    break
        try:
            pipe.send(failure)
        except OSError:
            return
