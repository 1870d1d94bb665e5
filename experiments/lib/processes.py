"""Processes that each run one function: what is measured in turns has threads and memory of its own."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import traceback

from repro.errors import UserError

SPAWN = multiprocessing.get_context("spawn")


class Process:
    """A process that calls function(pipe, *values) and whose `pipe.send` is read here, with variables of its own.

    It ends with its context. What the function raises, `read` raises here. last: what was read last.
    """

    def __init__(self, function, *values, **variables):
        self.last = None
        self._pipe, there = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_call, args=(there, function, values), daemon=True)
        before = dict(os.environ)
        os.environ.update({name: str(value) for name, value in variables.items()})
        try:
            self._process.start()
        finally:
            os.environ.clear()
            os.environ.update(before)
            there.close()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_) -> None:
        self._process.terminate()
        self._pipe.close()
        self._process.join()

    def read(self):
        """Wait for what it sends next, and return it."""
        try:
            self.last = self._pipe.recv()
        except EOFError:
            self._process.join()
            raise RuntimeError(f"{self._process.name}: ended with code {self._process.exitcode}") from None
        if isinstance(self.last, Exception):
            raise self.last
        return self.last

    def start(self) -> None:
        """Let it run once."""
        self._pipe.send(None)

    def run(self):
        """Let it run once, and return what it sends."""
        self.start()
        return self.read()


def serve(pipe, run) -> None:
    """Be such a process, once it is ready: send what run() returns for each time that the other end starts it."""
    while True:
        pipe.recv()
        pipe.send(run())


def _call(pipe, function, values) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one, and ends it
    with contextlib.suppress(EOFError, BrokenPipeError):  # which has ended
        try:
            function(pipe, *values)
        except EOFError:
            pass
        except UserError as error:
            pipe.send(error)
        except Exception:
            pipe.send(RuntimeError(traceback.format_exc()))
