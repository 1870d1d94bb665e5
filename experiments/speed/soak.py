"""Predict and train side by side for long, and write tables/soak.md: do memory and speed stay as they are?

    python -m experiments.speed.soak                 runs both for 30 minutes
    python -m experiments.speed.soak --minutes 1     a look; also --what training, or openvino: to .cache/speed/
    python -m experiments.speed.soak --render        writes the page from what was measured
    python -m experiments.speed.soak --draw          the page and the picture

Each runs in a process of its own, with one thread, and says what it has done and holds once a window.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Callable, Dict

from experiments.lib.command import PRETRAINED, Parser, run
from experiments.lib.processes import Process
from experiments.lib.repeat import command_of, fewer, other, places, tell
from experiments.speed.table6 import OWN
from experiments.table import RESULTS
from repro.errors import UserError, choice
from repro.files import write_text
from repro.records import provenance
from repro.tables.soak import COUNTS, PICTURE, RUNS, draw, page, read_soak

MINUTES = 30.0
USUAL = ("prediction", "training")  # of what is published
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
    """What this process holds: bytes in memory, open descriptors, threads; the files below `folder` and their bytes."""
    from repro.timing.memory import resident

    sizes = []
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                sizes.append(os.stat(os.path.join(place, name)).st_size)
            except FileNotFoundError:  # a temporary one, gone meanwhile
                continue
    return {"memory": resident(), "descriptors": len(os.listdir("/proc/self/fd")),
            "threads": len(os.listdir("/proc/self/task")), "files": len(sizes), "bytes": sum(sizes)}


class Watch:
    """Says what `folder`'s process has done and holds, a line of JSON a window; ends by an Over.

    total  seconds from now.
    """

    def __init__(self, folder: Path, total: float, say: Callable[[str], None]):
        self._folder, self._total, self._say = folder, total, say
        self._began, self._done, self._samples = time.monotonic(), 0, []
        self._window = self._due = total / WINDOWS
        self._sampled = 0.0

    def __call__(self) -> None:
        """One more is done."""
        self._done += 1
        now = time.monotonic() - self._began
        if now >= min(self._due, self._sampled + self._window / SAMPLES):
            self._sampled = now
            self._samples.append(held(self._folder))
        if now < self._due:
            return
        middle = {key: round(statistics.median(one[key] for one in self._samples)) for key in self._samples[0]}
        self._say(json.dumps({"seconds": round(now, 3), "done": self._done, **middle}))
        self._samples = []
        self._due = (now // self._window + 1) * self._window
        if now >= self._total:
            raise Over


def size_of_photo(number: int):
    """(H, W) of a photo."""
    return RARE[number // 4 % len(RARE)] if number % 4 == 3 else COMMON[number % len(COMMON)]


def prediction(folder: Path, engine: str = "mxnet") -> Callable[[Watch], None]:
    """Draw photos into `folder`, load the shipped weights; what segments the photos again and again."""
    from experiments.predict import SHIPPED, image_file, segment
    from repro.data.minicity import scene
    from repro.prediction.load import load
    from repro.prediction.photos import sources

    for number in range(PHOTOS):
        path = folder / "photos" / f"{number:02d}{('.jpg', '.png')[number % 2]}"
        # OpenVINO takes long to be made anew: in it all sizes have engines that are kept
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
    """Have the data, and the row's plan; what trains it in `folder` without an end."""
    import mxnet as mx

    from experiments.table import chosen_rows, data_folder, preset_of
    from repro.data import open_dataset, read_image
    from repro.data.images import size_of
    from repro.models import imagenet
    from repro.models.plan import Plan
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


def serve(what: str, folder: str, total: float) -> None:
    """Be the process of one run: say that it is ready, wait for a line, then say what is done and held."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started this, and ends it
    place = Path(folder)
    os.environ["TMPDIR"] = folder  # its temporary files are counted
    import cv2

    cv2.setNumThreads(1)
    made = {"prediction": prediction, "training": training, "openvino": partial(prediction, engine="openvino")}
    work = made[what](place)
    print("{}", flush=True)
    sys.stdin.readline()
    try:
        work(Watch(place, total, lambda line: print(line, flush=True)))
    except Over:
        return


def measure(chosen, minutes: float, command: str) -> dict:
    """Run what is chosen side by side; the record."""
    from tqdm import tqdm

    from repro.prediction.segmenter import ENGINES

    origin = provenance(command, 1)  # of the code that starts, whatever is committed meanwhile
    found: Dict[str, Dict[str, list]] = {
        name: {key: [] for key in ("seconds", "done", "memory", *COUNTS, "bytes")} for name in chosen}
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = {}
        for name in chosen:
            (place / name).mkdir()
            case = {"what": name, "folder": str(place / name), "total": minutes * 60}
            running[name] = Process("experiments.speed.soak", case, 1)
            stack.callback(running[name].close)
        for process in running.values():
            process.hear()
        for process in running.values():
            process.start()
        with tqdm(total=WINDOWS * len(chosen), desc="soak", unit="window", disable=None) as bar:
            while running:  # in turns: what the other says meanwhile waits in its pipe
                for name, process in list(running.items()):
                    process.hear()
                    for key, values in found[name].items():
                        values.append(process.facts[key])
                    bar.update()
                    if process.facts["seconds"] >= minutes * 60:
                        del running[name]
    return {"minutes": minutes, "windows": WINDOWS, "of": {
        "prediction": {"scenes": PHOTOS, "sizes": len(set(map(size_of_photo, range(PHOTOS)))), "engines": ENGINES},
        "training": {"table": TABLE, "row": ROW, "preset": PRESET, "data": DATA, "checkpoint": EVERY},
    }, "runs": found, "provenance": origin}


def write(given) -> None:
    """Measure unless only the page is asked for; write what was measured, the page and the picture."""
    if given.serve:
        serve(**json.loads(given.serve))
        return
    chosen = [choice(name, tuple(RUNS), "--what") for name in given.what.split(",") if name] or list(USUAL)
    if not 0 < given.minutes < 1e6:
        raise UserError(f"--minutes: {given.minutes:g} is not above 0")
    reduced = other(given, what=""), fewer(given, minutes=MINUTES)
    path, target = places(reduced, OWN, RESULTS / "soak.json", RESULTS.parent / "soak.md")
    if not (given.render or given.draw):
        write_text(path, json.dumps(measure(chosen, given.minutes, given.command), indent=1) + "\n")
    record = read_soak(path)
    if not given.render:
        draw(record, target.parent / PICTURE)
    write_text(target, page(record))
    print(os.path.relpath(target))
    tell(reduced, OWN)


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.speed.soak", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--minutes", type=float, default=MINUTES, help="of each run (default %(default)g)")
    add("--what", default="", help=f"some of {','.join(RUNS)} (default: {','.join(USUAL)})")
    add("--render", action="store_true", help="write the page from what was measured before")
    add("--draw", action="store_true", help="the picture too")
    add("--serve", default="", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    given.command = command_of(parser, given, "soak")
    return run(write, given)


if __name__ == "__main__":
    sys.exit(main())
