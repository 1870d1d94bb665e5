"""Measure how fast batches are read, beside the trainings that use them, and write tables/reading.md.

    python -m experiments.reading [--data FOLDER] [--seconds 10]     measures: minicity, large scenes, a folder
    python -m experiments.reading --render                           writes the page from what was measured

Without a folder that the published measurement has, or shorter, it is written to .cache/speed/ instead.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from pathlib import Path
from typing import List, Tuple

from experiments.command import HERE, Parser, run
from experiments.measure import CACHE, RESULTS, data_folder, preset_of
from experiments.repeat import fewer, lacking, places, tell
from repro.data import open_dataset, read_image
from repro.data.loader import Batches
from repro.files import write_text
from repro.records import load_records, provenance
from repro.rows import load_table
from repro.tables.reading import CACHES, MODES, page, read_measured

MEASURED, PAGE, OWN = RESULTS / "reading.json", RESULTS.parent / "reading.md", CACHE / "speed"
SECONDS = 10.0  # as published
ROW = "isctf-sparse-p0.25-l0.001-r256"
LARGE = 12  # scenes of 1024x2048: enough for batches, and quick to write
MOST = 400  # images of a folder that are read


def rate(batches: Batches, samples: int, warm: int, workers: int, seconds: float) -> float:
    """Samples a second over `seconds`, two steps at least, after `warm` steps."""
    iterator = batches.iterate(workers=workers)
    try:
        next(itertools.islice(iterator, warm, None))
        began = time.monotonic()
        for steps, _ in enumerate(iterator, 1):
            spent = time.monotonic() - began
            if steps > 1 and spent >= seconds:
                return steps * samples / spent
    finally:
        iterator.close()


def case(folder, name: str, seconds: float) -> dict:
    """Measure the training set in `folder`, read as preset `name` reads it."""
    from repro.measure import Plan

    preset = preset_of(name)
    dataset = open_dataset(folder)
    samples, batch = dataset.train[:MOST], preset.recipe.batch
    size = read_image(samples[0].image).shape[:2]
    beside = row()
    crop = Plan(beside.network, beside.training, preset, size).crop
    rates = {}
    for cache in CACHES:
        for workers, mode in enumerate(MODES):
            batches = Batches(samples, dataset.classes, batch, crop, 0, scales=preset.recipe.scales,
                              cache_bytes=sys.maxsize if cache == "all" else 0)
            print(f"{dataset.name}, {name}: {mode}, kept decoded: {cache}", file=sys.stderr)
            value = rate(batches, batch, -(-len(samples) // batch), workers, seconds)
            rates.setdefault(cache, {})[mode] = float(f"{value:.4g}")
    return {"data": dataset.name, "preset": name, "samples": len(samples), "size": "{}x{}".format(*size),
            "crop": "{}x{}".format(*crop), "batch": batch, "rates": rates}


def row():
    """The row whose trainings stand beside."""
    return next(one for one in load_table(HERE / "table3.yaml") if one.id == ROW)


def folders_of(data: str) -> List[Tuple[str, Path]]:
    """(name of its data, folder) of minicity, and of `data` if that is given; UserError where a folder is wrong."""
    lite = preset_of("lite")
    found = (data_folder(one, lite)[0] for one in ([data] if data else []) + ["minicity"])  # drawn when `data` is right
    return [(open_dataset(folder).name, folder) for folder in found][::-1]


def measure(folders, seconds: float) -> dict:
    """Measure minicity and what else is among `folders`, as `folders_of` gives them, and large scenes."""
    import cv2

    from repro.minicity import write_minicity

    cv2.setNumThreads(1)  # as in training
    names = "".join(f" --data /path/to/{name}" for name, _ in folders[1:])
    origin = provenance(f"python -m experiments.reading{names}", os.cpu_count())
    cases = [case(folder, "lite", seconds) for _, folder in folders]
    large = CACHE / "data" / f"minicity-1024x2048-{LARGE}"
    write_minicity(large, size=(1024, 2048), train=LARGE, val=1, coarse=0)
    return {"seconds": seconds, "cases": [*cases, case(large, "paper", seconds)], "provenance": origin}


def write(given) -> None:
    """Measure unless only the page is asked for; write the page and print its path."""
    measured, target = MEASURED, PAGE
    if not given.render:
        published = read_measured(MEASURED)["cases"] if MEASURED.is_file() else ()
        folders = folders_of(given.data)
        reduced = [lacking([name for name, _ in folders], [one["data"] for one in published]),
                   fewer(given, seconds=SECONDS)]
        tell(reduced, OWN)
        measured, target = places(reduced, OWN, MEASURED, PAGE)
        write_text(measured, json.dumps(measure(folders, given.seconds), indent=1) + "\n")
    write_text(target, page(read_measured(measured), row(), load_records(RESULTS)))
    print(os.path.relpath(target))


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.reading", description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="", help="a folder in Cityscapes' or CamVid's layout, read as well")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each measurement (default %(default)g)")
    parser.add_argument("--render", action="store_true", help="write the page from what was measured before")
    return run(write, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
