"""A private copy of the project whose ablations are one tiny row: what `make ablations` runs is run there, and killed.

It has a cache, results and pages of its own, so that nothing is measured or lost outside.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from experiments.lib.paths import ROOT
from repro.data.minicity import write_minicity

STEPS, EVERY = 12, 2  # of training, and between checkpoints
PATIENCE = 600       # seconds of a whole run, after which it hangs
ROWS = """\
rows:
  - id: tiny
    network:
      fusion: isctf
      columns:
        - {scale: 0.5, units: [1, 1, 1, 1]}
        - {scale: 1, units: [1, 1, 1, 0]}
      output_stride: 32
      structure: optimised
      region: 256
    training: {selection: sparse, p: 0.25, lambda: 0.001, bootstrapping: true, coarse: false, pretrained: true}
    inference: fast
"""


class Run:
    """A command in a session of its own, all processes of which are ended when this context is left."""

    def __init__(self, arguments, folder: Path):
        handle, self._said = tempfile.mkstemp()
        # threads that wait without spinning, as there may be more of them than cores
        self._process = subprocess.Popen([sys.executable, "-W", "ignore::DeprecationWarning", "-m", *arguments],
                                         cwd=folder, stdout=subprocess.DEVNULL, stderr=handle,
                                         start_new_session=True, env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"})
        os.close(handle)
        self.pid = self._process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.signal(signal.SIGKILL)
        os.unlink(self._said)

    def signal(self, number: int) -> None:
        """Send a signal to all processes; after SIGKILL, wait until the command has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)
        if number == signal.SIGKILL:
            self._process.wait()

    def wait_for(self, condition) -> None:
        """Wait until a condition holds, before the command ends."""
        until = time.monotonic() + PATIENCE
        while not condition():
            assert self._process.poll() is None, self.errors()
            assert time.monotonic() < until, "hangs"
            time.sleep(0.002)

    def end(self, patience: float = PATIENCE) -> int:
        """Return the exit code; nothing of it is left running."""
        code = self._process.wait(patience)
        self.gone()
        return code

    def end_well(self) -> None:
        assert self.end() == 0 and not self.errors(), self.errors()

    def end_with(self, words: str) -> None:
        """Wait for its end within a minute, code 2, with one line, in which `words` are."""
        assert self.end(60) == 2 and len(self.errors()) == 1 and words in self.text(), self.errors()

    def gone(self) -> None:
        """Wait until no process of the session is left, ten seconds at most."""
        until = time.monotonic() + 10
        while self.processes():
            assert time.monotonic() < until, f"left running: {[*self.processes().values()][0][:100]}"
            time.sleep(0.05)

    def processes(self):
        """Return the command line and environment of each process of the session."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                line = (path / "cmdline").read_bytes()  # empty of one that has ended
                if line and os.getsid(int(path.name)) == self.pid:
                    text = line + (path / "environ").read_bytes()
                    found[int(path.name)] = text.replace(b"\0", b" ").decode("utf-8", "replace")
        return found

    def find(self, holding: str) -> int:
        """Wait for a process with `holding` in its command line or environment; return the first's number."""
        found = []

        def there() -> bool:
            found.extend(pid for pid, text in self.processes().items() if holding in text)
            return bool(found)
        self.wait_for(there)
        return min(found)

    def text(self) -> str:
        """Return what it has said so far."""
        return Path(self._said).read_bytes().decode("utf-8", "replace")

    def errors(self):
        """Return what it said was wrong, without progress bars."""
        return re.findall(r"(?:error: |Traceback|\w+Error\b).*", self.text().replace("\r", "\n"))


class Tree:
    """The copy of the project, in a folder, beside its images; and what an uninterrupted run leaves in it."""

    def __init__(self, folder: Path):
        self.folder, self.cache, self.data = folder / "tree", folder / "tree" / ".cache", folder / "city"
        write_minicity(self.data, seed=5, size=(128, 128), train=4, val=2, coarse=0, progress=False)
        for name in ("experiments", "repro", "symbols"):
            shutil.copytree(ROOT / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        (self.folder / "tables").mkdir()
        (self.folder / "experiments" / "ablations.yaml").write_text(ROWS, encoding="utf-8")
        with self.start() as run:
            run.end_well()
        self._whole = self._left()
        self.clear()

    def clear(self) -> None:
        """Leave it as before the first run."""
        shutil.rmtree(self.cache, ignore_errors=True)
        for path in (self.folder / "tables").iterdir():
            path.unlink()

    def start(self, *options: str) -> Run:
        """Return the command that measures the row and renders the page."""
        return Run(["experiments.table", "--table", "ablations", "--budget", "quick", "--data", str(self.data),
                    "--steps", str(STEPS), "--checkpoint", str(EVERY), *options], self.folder)

    def _left(self):
        """By name what runs left, but for dates and durations: parameters, log, curves, record and page."""
        found = {}
        for path in (*self.cache.glob("results/*/[!.]*"), *(self.folder / "tables").iterdir()):
            data = path.read_bytes()
            if path.suffix == ".json":
                record = json.loads(data)
                for value, name in ((record["train"], "seconds"), (record["train"], "core_seconds"),
                                    (record["provenance"], "date")):
                    del value[name]
                data = json.dumps(record).encode()
            found[path.name] = re.sub(rb"\d{4}-\d\d-\d\d", b"date", data) if path.suffix == ".md" else data
        return found

    def as_never_stopped(self) -> None:
        """Hold that all that is left is what an uninterrupted run leaves."""
        found = self._left()
        wrong = [name for name in {*found, *self._whole} if found.get(name) != self._whole.get(name)]
        assert not wrong, f"left by one run alone, or not the same: {wrong}"
        assert not [path for path in self.cache.glob("runs/*") if path.is_dir()]

    def nearly_as_never_stopped(self) -> None:
        """Hold that files of the same names are left, and the same losses of the same steps, but for float error."""
        found = self._left()
        assert found.keys() == self._whole.keys()
        name = next(name for name in found if name.endswith(".jsonl.gz"))
        one, other = ([json.loads(line) for line in gzip.decompress(left[name]).splitlines()]
                      for left in (found, self._whole))
        assert [line["step"] for line in one] == [line["step"] for line in other]
        assert [line["loss"] for line in one] == pytest.approx([line["loss"] for line in other], rel=1e-3)

    @property
    def checkpoint(self):
        return next(iter(self.cache.glob("runs/*/checkpoint.params")), None)

    def log(self) -> bytes:
        """Return the log of the run that is under way, a line a step."""
        return b"".join(path.read_bytes() for path in self.cache.glob("runs/*/log.jsonl"))

    def steps(self) -> int:
        """Return how many steps the log has."""
        return self.log().count(b"\n")
