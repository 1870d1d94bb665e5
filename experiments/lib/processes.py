"""A process that runs one function: what is measured there has threads and memory of its own."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import traceback
from typing import Optional

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

    def read(self, patience: Optional[float] = None):
        """Wait for what it sends next, so many seconds at most (TimeoutError), and return it."""
        try:
            if not self._pipe.poll(patience):
                raise TimeoutError
            self.last = self._pipe.recv()
        except EOFError:
            self._process.join()
            raise RuntimeError(f"{self._process.name}: ended with code {self._process.exitcode}") from None
        if isinstance(self.last, Exception):
            raise self.last
        return self.last


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
