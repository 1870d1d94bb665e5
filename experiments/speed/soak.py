"""Predict and train side by side for long, and write soak.md: do memory and speed stay as they are?

    python -m experiments.speed.soak                 runs both for 30 minutes
    python -m experiments.speed.soak --minutes 1     a look; also --engine openvino
    python -m experiments.speed.soak --render        writes the page from what was published

Each runs in a process of its own, with one thread, and sends what it has done and holds once a window.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict

from experiments.lib.command import Parser, run
from experiments.lib.lookup import data_folder, preset_of
from experiments.lib.measurement import options
from experiments.lib.pages import SOAK
from experiments.lib.paths import PRETRAINED, SHIPPED
from experiments.lib.processes import Process
from experiments.lib.tables import chosen_rows
from repro.errors import UserError, choice
from repro.tables.soak import COUNTS, RUNS
from repro.timing.memory import resident

MINUTES = 30.0
WINDOWS, SAMPLES = 60, 10  # of a run; at most, of a window
TABLE, ROW, PRESET, DATA = "3", "isctf-sparse-p0.25-l0.001-r256", "lite", "minicity"  # trained
EVERY = 50  # steps between its checkpoints
ENDLESS = 10 ** 6  # steps
PHOTOS = 24
# (H, W) that most photos have, and those of every fourth: together three more than engines are kept
COMMON = ((256, 512), (240, 320), (320, 240), (192, 640), (450, 800))
RARE = ((384, 512), (300, 500), (600, 800), (512, 512), (128, 256), (480, 640))


class Over(Exception):
    """The time is up."""


def held(folder: Path) -> Dict[str, int]:
    """Return what this process holds: bytes in memory, open descriptors, threads; files below `folder`, their bytes."""
    sizes = []
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # a temporary one, gone meanwhile
                sizes.append(os.stat(os.path.join(place, name)).st_size)
    return {"memory": resident(), "descriptors": len(os.listdir("/proc/self/fd")),
            "threads": len(os.listdir("/proc/self/task")), "files": len(sizes), "bytes": sum(sizes)}


class Watch:
    """Sends what `folder`'s process has done and holds once a window; ends by an Over, `total` seconds from now."""

    def __init__(self, folder: Path, total: float, send: Callable[[Dict[str, Any]], None]):
        self._folder, self._total, self._send = folder, total, send
        self._began, self._done, self._samples = time.monotonic(), 0, []
        self._window = self._due = total / WINDOWS
        self._sampled = 0.0

    def __call__(self) -> None:
        """Count one more as done."""
        self._done += 1
        now = time.monotonic() - self._began
        if now >= min(self._due, self._sampled + self._window / SAMPLES):
            self._sampled = now
            self._samples.append(held(self._folder))
        if now < self._due:
            return
        middle = {key: round(statistics.median(one[key] for one in self._samples)) for key in self._samples[0]}
        self._send({"seconds": round(now, 3), "done": self._done, **middle})
        self._samples = []
        self._due = (now // self._window + 1) * self._window
        if now >= self._total:
            raise Over


def size_of_photo(number: int):
    """Return the (H, W) of a photo."""
    return RARE[number // 4 % len(RARE)] if number % 4 == 3 else COMMON[number % len(COMMON)]


def prediction(folder: Path, engine: str = "mxnet") -> Callable[[Watch], None]:
    """Draw photos into `folder`, load the shipped weights; return what segments the photos again and again."""
    from repro.data.minicity import scene
    from repro.prediction.load import load
    from repro.prediction.photos import sources
    from repro.prediction.results import image_file, segment

    for number in range(PHOTOS):
        path = folder / "photos" / f"{number:02d}{('.jpg', '.png')[number % 2]}"
        # other engines take long to be made anew: there all sizes have engines that are kept
        size = size_of_photo(number) if engine == "mxnet" else COMMON[number % len(COMMON)]
        image_file(path, scene(0, "test", number, size)[0])
    segmenter = load(SHIPPED, engine=engine)

    def work(watch: Watch) -> None:
        while True:
            for source in sources(str(folder / "photos")):
                for _ in segment(source, segmenter, folder / "out", False):
                    watch()
    return work


def training(folder: Path) -> Callable[[Watch], None]:
    """Have the data, and the row's plan; return what trains it in `folder` without an end."""
    import mxnet as mx

    from repro.data import open_dataset, read_image
    from repro.data.images import size_of
    from repro.models import imagenet
    from repro.models.build import Plan
    from repro.training.loop import Run
    from repro.training.run import train_network

    row, preset = chosen_rows(TABLE, ROW)[0], preset_of(PRESET)
    dataset = open_dataset(data_folder(DATA, preset)[0])
    plan = Plan(row.network, row.trainings[0][1], preset, size_of(read_image(dataset.train[0].image)))
    backbone = imagenet.load_backbone(PRETRAINED)

    def work(watch: Watch) -> None:
        train_network(plan, dataset, ENDLESS, 0, [mx.cpu()], backbone, lambda step, loss: watch(),
                      Run(folder / "run", "soak", EVERY))
    return work


def serve_run(pipe, what: str, folder: Path, total: float, engine: str) -> None:
    """Be the process of one run: send that it is ready, wait, then send what is done and held."""
    import cv2

    cv2.setNumThreads(1)
    work = prediction(folder, engine) if what == "prediction" else training(folder)
    pipe.send({})
    pipe.recv()
    with suppress(Over):
        work(Watch(folder, total, pipe.send))


def measure(given) -> dict:
    """Run both side by side; return the record."""
    from tqdm import tqdm

    from repro.prediction.segmenter import ENGINES

    total = given.minutes * 60
    found: Dict[str, Dict[str, list]] = {
        name: {key: [] for key in ("seconds", "done", "memory", *COUNTS, "bytes")} for name in RUNS}
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = {}
        for name in RUNS:
            folder = place / name
            folder.mkdir()
            running[name] = stack.enter_context(Process(  # its temporary files are counted
                serve_run, name, folder, total, given.engine, OMP_NUM_THREADS=1, TMPDIR=folder))
        for step in (Process.read, Process.start):
            for process in running.values():
                step(process)
        with tqdm(total=WINDOWS * len(RUNS), desc="soak", unit="window", disable=None) as bar:
            while running:  # in turns: what the other sends meanwhile waits in its pipe
                for name, process in list(running.items()):
                    facts = process.read()
                    for key, values in found[name].items():
                        values.append(facts[key])
                    bar.update()
                    if facts["seconds"] >= total:
                        del running[name]
    return {"minutes": given.minutes, "windows": WINDOWS, "of": {
        "prediction": {"scenes": PHOTOS, "sizes": len(set(map(size_of_photo, range(PHOTOS)))), "engines": ENGINES,
                       "engine": given.engine},
        "training": {"table": TABLE, "row": ROW, "preset": PRESET, "data": DATA, "checkpoint": EVERY},
    }, "runs": found}


def write(given) -> None:
    """Measure what is asked for."""
    from repro.prediction.load import ENGINES

    choice(given.engine, ENGINES, "ENGINE")
    if not 0 < given.minutes < 1e6:
        raise UserError(f"MINUTES: {given.minutes:g} is not above 0")
    SOAK.run(given, partial(measure, given), threads=1)


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.speed.soak", description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of each run (default %(default)g)")
    parser.add_argument("--engine", default="mxnet", help="of prediction: mxnet, onnx, openvino (default %(default)s)")
    options(parser)
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
