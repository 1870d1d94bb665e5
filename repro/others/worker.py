"""An engine in a process of its own, so that several can be timed in turn, each with its own threads.

    with Worker(sys.executable, "onnxruntime", "network.onnx", "image.npy") as worker:
        worker.run()
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, Tuple

import numpy as np

from repro.errors import UserError, choice

SOURCE = Path(__file__).resolve().parents[2]


def _onnxruntime(path) -> Tuple[Any, str]:
    import onnxruntime

    from repro.others.onnx import OnnxEngine

    return OnnxEngine(path), onnxruntime.__version__


def _torch(**settings) -> Callable[[Any], Tuple[Any, str]]:
    def make(path):
        import torch

        from repro.others.torch import TorchEngine

        return TorchEngine(path, **settings), torch.__version__
    return make


# by the names of the engines that are measured: what makes one of a file, with its version
ENGINES: Dict[str, Callable[[Any], Tuple[Any, str]]] = {
    "onnxruntime": _onnxruntime,
    "torch, traced": _torch(),
    "torch, traced, channels last": _torch(channels_last=True),
    "torch, compiled": _torch(channels_last=True, compiled=True),
}


class Worker:
    """A process that has made `engine` of a file of repro.export.to_onnx; it is idle unless asked.

    python  the interpreter of an environment that has the engine.
    images  a file of numpy.save, float32 of the engine's shape, normalised, that it is run on.

    UserError says that it did not start, or ended, after what it wrote to stderr itself.
    """

    def __init__(self, python, engine: str, path, images):
        self.engine = choice(engine, ENGINES, "engine")
        try:
            self._process = subprocess.Popen(
                [str(python), "-W", "ignore", "-m", "repro.others.worker", engine, os.path.abspath(path),
                 os.path.abspath(images)],
                cwd=SOURCE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        except OSError as error:
            raise UserError(f"{engine}: {python} cannot be run: {error.strerror}") from None
        self._lines = iter(self._process.stdout or ())
        self.version: str = self._answer()

    def run(self) -> float:
        """One inference, from images in memory to outputs in memory; seconds, as it measures them."""
        return self._ask("run")

    def outputs(self) -> Tuple[np.ndarray, ...]:
        """What it computes."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "outputs.npz")
            self._ask(path)
            with np.load(path) as made:
                return tuple(made[name] for name in made.files)

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()
        for pipe in filter(None, (self._process.stdin, self._process.stdout)):
            with contextlib.suppress(OSError):
                pipe.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _ask(self, line: str):
        with contextlib.suppress(OSError):  # if it has ended, no answer comes
            print(line, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self):
        line = next(self._lines, "")
        if not line:
            code = self._process.wait()
            self.close()
            raise UserError(f"{self.engine}: its process ended with exit code {code}")
        return json.loads(line)


def serve(name: str, path: str, images: str) -> None:
    """Make the engine, then answer each line of stdin by one of stdout until there is no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started this, and ends it
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer

    def answer(value) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()
    image = np.load(images)
    engine, version = ENGINES[name](path)
    engine.outputs(image)
    answer(version)
    for line in sys.stdin:
        began = time.perf_counter()
        outputs = engine.outputs(image)
        spent = time.perf_counter() - began
        if line.strip() != "run":
            np.savez(line.strip(), *outputs)
        answer(spent)


if __name__ == "__main__":
    serve(*sys.argv[1:])
