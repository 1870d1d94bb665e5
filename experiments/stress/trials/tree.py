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
import threading
import time
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from experiments.lib.paths import HERE
from repro.data.minicity import write_minicity
from repro.errors import UserError
from repro.models import params_format
from repro.tables import faults
from repro.training.checkpoints import META

STEPS, EVERY = 6, 2  # of training, and between checkpoints
PATIENCE = 600       # seconds of a whole run, after which it hangs
MINUTE = 60          # seconds within which what is wrong is said
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
PHASES = tuple(faults.PHASES)
_DATE = re.compile(rb"\d{4}-\d\d-\d\d")


class Fault(UserError):
    """What should not have come of it."""


class Run:
    """A command in a session of its own, all processes of which are ended when this context is left."""

    def __init__(self, module: str, arguments: Sequence[str], folder: Path):
        # threads that wait without spinning, as there may be more of them than cores
        self._process = subprocess.Popen([sys.executable, "-W", "ignore::DeprecationWarning", "-m", module, *arguments],
                                         cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                         start_new_session=True, env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"})
        self.pid, self._said = self._process.pid, bytearray()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        for line in self._process.stderr:
            self._said += line

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_) -> None:
        self.kill()
        self._process.stderr.close()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """kill -9 to the whole process group, and wait until it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._listener.join()

    def signal(self, number: int) -> None:
        """To the whole process group."""
        os.killpg(self.pid, number)

    def kill_one(self, pid: int) -> None:
        """kill -9 to one process."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Until a condition holds; Fault if the command ends before."""
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
                raise Fault(f"left running: {self.processes()[0][1][:100]}")
            time.sleep(0.05)
        self._listener.join()

    def processes(self, holding: str = "") -> List[Tuple[int, str]]:
        """(process, its command line and environment) of the session's that have `holding` in these."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                state, _, _, session = (path / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(session) != self.pid or state == "Z":
                    continue
                text = b"".join((path / name).read_bytes() for name in ("cmdline", "environ")).replace(b"\0", b" ")
            except (OSError, ValueError):
                continue
            if holding in text.decode("utf-8", "replace"):
                found.append((int(path.name), text.decode("utf-8", "replace")))
        return found

    def one(self, holding: str) -> int:
        """Return the first process of the session with `holding` in its command line or environment, which is waited
        for."""
        found: List[int] = []

        def there():
            found.extend(pid for pid, _ in self.processes(holding))
            return bool(found)
        self.wait_for(there)
        return min(found)

    def text(self) -> str:
        """Return what it has said so far."""
        return self._said.decode("utf-8", "replace")

    def errors(self) -> List[str]:
        """Return what it said was wrong, without progress bars."""
        found = re.findall(r"(?:error: |Traceback|\w+Error\b).*", self.text().replace("\r", "\n"))
        return [line.strip() for line in found]


class Tree:
    """The copy, in `folder`, with images of `data`; see `draw_data`."""

    def __init__(self, folder: Path, data: Path):
        self.folder, self.cache, self.data = folder, folder / ".cache", data
        for name in ("experiments", "repro", "symbols"):
            shutil.copytree(HERE.parent / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "tables").mkdir()
        (folder / "experiments" / "ablations.yaml").write_text(ROWS, encoding="utf-8")

    def clear(self) -> None:
        """As before the first run."""
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

    def half_written(self) -> int:
        """How many temporary files lie about."""
        return sum(1 for _ in self.folder.rglob(".writing-*"))

    def as_never_stopped(self, whole: Dict[str, bytes]) -> None:
        """Fault unless what is left is what an uninterrupted run left, `whole`, and no run's folder besides."""
        found = self.left()
        for name in sorted({*found, *whole}):
            if found.get(name) != whole.get(name):
                how = "is not there" if name not in found else "is there" if name not in whole else "differs"
                raise Fault(f"{name} {how}")
        kept = [path.name for path in self.cache.glob("runs/*") if path.is_dir()]
        if kept:
            raise Fault(f"the run's folder {kept[0]} is left")

    @property
    def checkpoint(self) -> Optional[Path]:
        return next(iter(self.cache.glob("runs/*/checkpoint.params")), None)

    def checkpoint_step(self) -> int:
        """Of the checkpoint, which must be whole (UserError); 0 without one."""
        path = self.checkpoint
        return json.loads(params_format.read(path)[META].tobytes())["step"] if path else 0

    def steps(self) -> int:
        """How many steps the log has."""
        return sum(path.read_bytes().count(b"\n") for path in self.cache.glob("runs/*/log.jsonl"))

    def phase(self) -> str:
        """Which of PHASES the first run in this tree is in, by the files that are there."""
        if any(path.suffix == ".md" and not path.name.startswith(".") for path in (self.folder / "tables").iterdir()):
            return "end"
        results = [path.name for path in self.cache.glob("results/*/*")]
        if results:
            if any(name.endswith(".json") and not name.startswith(".") for name in results):
                return "page"
            return "record" if any(name.endswith(".png") for name in results) else "evaluation"  # parameters first
        if any(self.cache.glob("runs/*/.writing-*.params")):
            return "checkpoint"
        steps = self.steps()
        if steps == STEPS and self.checkpoint_step() == STEPS:
            return "evaluation"
        return "training" if steps else "building" if any(self.cache.glob("runs/*.lock")) else "start"


def draw_data(folder: Path) -> Path:
    """Ten small scenes in Cityscapes' layout."""
    write_minicity(folder, seed=5, size=(128, 256), train=6, val=4, coarse=0, progress=False)
    return folder
