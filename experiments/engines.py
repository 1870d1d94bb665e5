"""Measure the same graphs in this project's engine, onnxruntime and PyTorch, and write tables/results/engines.json.

    python -m experiments.engines [--torch PYTHON]      Model A and the 786g single column, at 1024x2048

From the image to the score maps, on the same threads, in turns. Each engine but this project's lives in a process of
its own, which runs when it is asked and else is idle, and is measured only if its scores are ours. Table 6's page shows
the result. Some of the rows or engines, another size or width, or fewer rounds, are written to .cache/speed/ instead.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from experiments.command import Parser, at_least_one, run
from experiments.measure import RESULTS
from experiments.repeat import command_of, fewer, other, places, tell
from experiments.table6 import OWN, chosen_rows, parse_size
from repro.errors import UserError
from repro.files import write_text
from repro.records import provenance
from repro.rows import HEIGHT, WIDTH
from repro.tables.table6 import OWN_ENGINE
from repro.timing.clock import rounded

ROWS = "model-a,single"
ROUNDS, LEAST, SECONDS = 15, 5, 60.0  # turns of each engine; the fewest, if they take more than so many seconds
ALIKE = 1e-4  # of the largest score
TORCH = Path(sys.prefix).parent / ".venv-torch" / "bin" / "python"


def case(row, size, width: float, rounds: int, others, folder) -> tuple:
    """Time one row in every engine: (the entries of its record, versions of the engines)."""
    import numpy as np
    from tqdm import tqdm

    from repro.engine import prepared
    from repro.export import PORTABLE, to_onnx
    from repro.others.worker import Worker
    from repro.timing.clock import interleaved
    from repro.timing.subject import images, normalised, subject

    made = subject(row, "float32", size, width)
    image = normalised(images(size, 1, "val"))
    path, picture = Path(folder) / f"{row.id}.onnx", Path(folder) / "image.npy"
    np.save(picture, image)
    to_onnx(*prepared(made.peer.symbol, made.peer.arrays, image.shape, PORTABLE), image.shape, path)
    engine = made.engine()
    with ExitStack() as stack:
        own = engine.outputs(image)[0].asnumpy()
        runs = {OWN_ENGINE: lambda: engine.outputs(image)[0].asnumpy()}
        versions = {}
        for name, python in others.items():
            print(f"{row.id}: {name}", file=sys.stderr)
            worker = stack.enter_context(Worker(python, name, path, picture))
            apart = abs(worker.outputs()[0] - own).max() / abs(own).max()
            if not apart <= ALIKE:
                raise UserError(f"{row.id}: {name} gives other scores, {apart:.1e} of the largest apart")
            versions[name.split(",")[0]] = worker.version
            runs[name] = worker.run
        once = interleaved(runs, 1, 1)
        turns = int(SECONDS * len(runs) / sum(one.median for one in once.values()))
        timings = interleaved(runs, min(rounds, max(LEAST, turns)), 1,
                              progress=lambda every: tqdm(every, f"{row.id}, rounds", disable=None))
    return [{"row": row.id, "engine": name, "precision": "float32",
             "seconds": rounded(timing.seconds, 4)}
            for name, timing in timings.items()], versions


def measure(rows, size, width: float, rounds: int, others, command: str) -> dict:
    """Time these rows, one after the other."""
    origin = provenance(command)  # of the code that starts, whatever is committed meanwhile
    entries, versions = [], {"mxnet": origin["versions"]["mxnet"]}
    with tempfile.TemporaryDirectory() as folder:
        for row in rows:
            made, found = case(row, size, width, rounds, others, folder)
            entries += made
            versions.update(found)
    return {"rows": entries, "provenance": origin, "versions": versions}


def write(given) -> None:
    """Measure, write the record and print its path."""
    from repro.others.worker import ENGINES
    from repro.tables.table6 import read_engines

    rows, size = chosen_rows(given.rows), parse_size(given.size)
    at_least_one(given.rounds, "--rounds")
    names = [name.strip() for name in given.engines.split(";")] if given.engines else list(ENGINES)
    for name in names:
        if name not in ENGINES:
            raise UserError(f"--engines: {name!r} is not known; choose from {'; '.join(ENGINES)}")
    others = {name: given.torch if name.startswith("torch") else sys.executable for name in names}
    if given.torch in others.values() and not os.access(given.torch, os.X_OK):
        raise UserError(f"--torch: {given.torch} is not there; `make engines` sets it up")
    reduced = (other(given, rows=ROWS, engines="", size=f"{HEIGHT}x{WIDTH}", width=1.0), fewer(given, rounds=ROUNDS))
    path, = places(reduced, OWN, RESULTS / "engines.json")
    measured = measure(rows, size, given.width, given.rounds, others, given.command)
    write_text(path, json.dumps(measured, indent=1) + "\n")
    read_engines(path)
    print(os.path.relpath(path))
    tell(reduced, OWN)


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.engines", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--rows", default=ROWS, help="ids of experiments/table6.yaml (default %(default)s)")
    add("--engines", default="", help="some of them, divided by ; (default: all)")
    add("--torch", default=str(TORCH), help="the Python of an environment with PyTorch (requirements/others.txt)")
    add("--size", default=f"{HEIGHT}x{WIDTH}", help="height x width of the image (default %(default)s)")
    add("--width", type=float, default=1.0, help="of this project's networks, for a quick look (default %(default)s)")
    add("--rounds", type=int, default=ROUNDS, help="turns of each engine (default %(default)s)")
    given = parser.parse_args(arguments)
    given.command = command_of(parser, given, "engines", but=("torch",))
    return run(write, given)


if __name__ == "__main__":
    sys.exit(main())
