"""A private copy of the project whose ablations are one tiny row: what `make ablations` runs is run there, and killed.

It has a cache, results and pages of its own, so that nothing is measured or lost outside.
"""

from __future__ import annotations

import contextlib
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
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from experiments.lib.paths import HERE
from repro.data.minicity import write_minicity
from repro.errors import UserError
from repro.models import params_format
from repro.training.checkpoints import META

STEPS, EVERY = 6, 2  # of training, and between checkpoints
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
LATEST = {  # by phase, files that its first act writes; from the last phase back
    "end": "tables/[!.]*.md", "page": ".cache/results/*/[!.]*.json", "record": ".cache/results/*/*.png",
    "evaluation": ".cache/results/*/*", "checkpoint": ".cache/runs/*/.writing-*.params",
}
_DATE = re.compile(rb"\d{4}-\d\d-\d\d")


class Fault(UserError):
    """What should not have come of it."""


class Run:
    """A command in a session of its own, all processes of which are ended when this context is left."""

    def __init__(self, module: str, arguments: Sequence[str], folder: Path):
        handle, self._said = tempfile.mkstemp()
        # threads that wait without spinning, as there may be more of them than cores
        self._process = subprocess.Popen([sys.executable, "-W", "ignore::DeprecationWarning", "-m", module, *arguments],
                                         cwd=folder, stdout=subprocess.DEVNULL, stderr=handle,
                                         start_new_session=True, env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"})
        os.close(handle)
        self.pid = self._process.pid

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_) -> None:
        self.signal(signal.SIGKILL)
        self._process.wait()
        os.unlink(self._said)

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal to all processes; after SIGKILL, wait until the command has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)
        if number == signal.SIGKILL:
            self._process.wait()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds; Fault if the command ends before."""
        until = time.monotonic() + PATIENCE
        while not condition():
            if not self.running:
                raise Fault(f"ended early with code {self._process.returncode}: {self.errors()}")
            if time.monotonic() > until:
                raise Fault("hangs")
            time.sleep(0.0005)

    def end(self, patience: float = PATIENCE) -> int:
        """Return the exit code, nothing of it left running; Fault if it takes more than so many seconds."""
        try:
            code = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            raise Fault(f"no end after {patience:.0f} s") from None
        self.gone()
        return code

    def end_well(self, who: str = "it") -> None:
        """Wait for its end; Fault, on `who`, unless that is with code 0 and without an error said."""
        code = self.end()
        if code or self.errors():
            raise Fault(f"{who} ended with code {code}: {self.errors()}")

    def gone(self) -> None:
        """Wait until no process of the session is left; Fault if one is after ten seconds."""
        until = time.monotonic() + 10
        while self.processes():
            if time.monotonic() > until:
                raise Fault(f"left running: {[*self.processes().values()][0][:100]}")
            time.sleep(0.05)

    def processes(self) -> Dict[int, str]:
        """Return the command line and environment of each process of the session."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                line = (path / "cmdline").read_bytes()  # empty of one that has ended
                if line and os.getsid(int(path.name)) == self.pid:
                    text = line + (path / "environ").read_bytes()
                    found[int(path.name)] = text.replace(b"\0", b" ").decode("utf-8", "replace")
        return found

    def kill_one(self, holding: str) -> None:
        """Kill -9 the first process with `holding` in its command line or environment, which is waited for."""
        found: List[int] = []

        def there() -> bool:
            found.extend(pid for pid, text in self.processes().items() if holding in text)
            return bool(found)
        self.wait_for(there)
        with contextlib.suppress(ProcessLookupError):
            os.kill(min(found), signal.SIGKILL)

    def text(self) -> str:
        """Return what it has said so far."""
        return Path(self._said).read_bytes().decode("utf-8", "replace")

    def errors(self) -> List[str]:
        """Return what it said was wrong, without progress bars."""
        found = re.findall(r"(?:error: |Traceback|\w+Error\b).*", self.text().replace("\r", "\n"))
        return [line.strip() for line in found]


class Tree:
    """The copy of the project, in a folder, beside its images."""

    def __init__(self, folder: Path):
        self.folder, self.cache, self.data = folder / "tree", folder / "tree" / ".cache", folder / "city"
        write_minicity(self.data, seed=5, size=(128, 256), train=6, val=4, coarse=0, progress=False)
        for name in ("experiments", "repro", "symbols"):
            shutil.copytree(HERE.parent / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        (self.folder / "tables").mkdir()
        (self.folder / "experiments" / "ablations.yaml").write_text(ROWS, encoding="utf-8")
        self._whole: Dict[Tuple[str, ...], Dict[str, bytes]] = {}

    def clear(self) -> None:
        """Leave it as before the first run."""
        shutil.rmtree(self.cache, ignore_errors=True)
        for path in (self.folder / "tables").iterdir():
            path.unlink()

    def start(self, *options: str) -> Run:
        """Return the command that measures the row and renders the page."""
        return Run("experiments.table", ["--table", "ablations", "--budget", "quick", "--data", str(self.data),
                                         "--steps", str(STEPS), "--checkpoint", str(EVERY), *options], self.folder)

    def run(self, *options: str) -> None:
        """Run the command to its end; Fault unless it ends well."""
        with self.start(*options) as run:
            run.end_well()

    def fresh(self, *options: str) -> None:
        """Leave it as before the first run, and know what an uninterrupted one with these options leaves."""
        self.clear()
        if options not in self._whole:
            self.run(*options)
            self._whole[options] = self.left()
            self.clear()

    def left(self) -> Dict[str, bytes]:
        """By name what runs left, but for dates and durations: parameters, log, curves, record and page."""
        found = {}
        for path in (*self.cache.glob("results/*/*"), *(self.folder / "tables").iterdir()):
            if path.name.startswith(".writing-"):
                continue
            data = path.read_bytes()
            if path.suffix == ".json":
                record = json.loads(data)
                for value, name in ((record["train"], "seconds"), (record["train"], "core_seconds"),
                                    (record["provenance"], "date")):
                    del value[name]
                data = json.dumps(record).encode()
            found[path.name] = _DATE.sub(b"date", data) if path.suffix == ".md" else data
        return found

    def as_never_stopped(self, *options: str) -> None:
        """Fault unless all that is left is what an uninterrupted run leaves."""
        found, whole = self.left(), self._whole[options]
        for name in sorted({*found, *whole}):
            if found.get(name) != whole.get(name):
                how = "is not there" if name not in found else "is there" if name not in whole else "differs"
                raise Fault(f"{name} {how}")
        kept = [path.name for path in self.cache.glob("runs/*") if path.is_dir()]
        if kept:
            raise Fault(f"the run's folder {kept[0]} is left")

    def same_in_the_end(self, *options: str) -> None:
        """Run the command to its end; Fault unless it leaves what an uninterrupted run does."""
        self.run(*options)
        self.as_never_stopped(*options)

    def half_written(self) -> int:
        """Return how many temporary files lie about."""
        return sum(1 for _ in self.folder.rglob(".writing-*"))

    @property
    def checkpoint(self) -> Optional[Path]:
        return next(iter(self.cache.glob("runs/*/checkpoint.params")), None)

    def checkpoint_step(self) -> int:
        """Return the step of the checkpoint, which must be whole (UserError); 0 without one."""
        path = self.checkpoint
        return json.loads(params_format.read(path)[META].tobytes())["step"] if path else 0

    def steps(self) -> int:
        """Return how many steps the log has."""
        return sum(path.read_bytes().count(b"\n") for path in self.cache.glob("runs/*/log.jsonl"))

    def phase(self) -> str:
        """Return which of the page's PHASES the first run in this tree is in, by the files that are there."""
        for phase, files in LATEST.items():
            if any(self.folder.glob(files)):
                return phase
        steps = self.steps()
        if steps == STEPS and self.checkpoint_step() == STEPS:
            return "evaluation"
        return "training" if steps else "building" if any(self.cache.glob("runs/*.lock")) else "start"
