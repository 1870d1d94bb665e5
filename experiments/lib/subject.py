"""What is timed: rows of Table 6, networks that take turns in memory, and what the machine does at best."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Dict

from tqdm import tqdm

from experiments.lib.paths import HERE
from repro.config.rows import load_peers
from repro.errors import choice
from repro.timing.clock import interleaved
from repro.timing.memory import resident

CALIBRATION = 2  # scenes that give int8's ranges
LEAST, SHARE = 3, 45.0  # turns of the slowest; seconds that one's turns may take, if there are more of them
FREE = 0.6  # of the memory that is free at the start, that engines stay in
FINALISTS = 3  # convolutions timed beside the networks, of those that a quick trial finds best
MEMORY = Path("/proc/meminfo")


def chosen_rows(text: str = ""):
    """Return the measured rows of table6.yaml, or those with these ids, "a,b"."""
    rows = {row.id: row for row in load_peers(HERE / "table6.yaml") if row.measured}
    names = text.split(",") if text else [*rows]
    for name in names:
        choice(name, [*rows], "ROW")
    return [row for name, row in rows.items() if name in names]


def progress(what: str, unit: str = "it") -> Callable:
    """Return what shows a bar while something iterable is gone through."""
    return lambda things: tqdm(things, what, unit=unit, disable=None)


def available() -> int:
    """Return the bytes of memory that are free (Linux)."""
    line = next(line for line in MEMORY.read_text().splitlines() if line.startswith("MemAvailable:"))
    return int(line.split()[1]) * 1024


class Competitor:
    """A network that is timed from `image` to labels, with its engine where there is memory for it.

    make   makes the engine. facts: what its record has; "multiply_adds" among them.
    keep   it stays, whatever memory it takes.
    """

    def __init__(self, image, make, facts, keep=False):
        self.image, self.facts, self.keep, self.engine, self._make = image, facts, keep, None, make

    def run(self):
        """Label the image."""
        return self.engine.labels(self.image)

    def stay(self):
        """Keep this engine, and no second copy of its parameters."""
        self._make = None

    @contextmanager
    def present(self):
        """Have its engine, which has run once; it is made for the time unless it stays."""
        if self._make is None:
            yield
            return
        self.engine = self._make()
        try:
            self.run()
            yield
        finally:
            if self._make is not None:
                self.engine = None


def enter(found: Dict[str, Competitor]):
    """Make and try each of the competitors, by name; those that there is memory for stay.

    Returns (seconds of one run by name, `during` of those that do not stay in memory).
    """
    most = resident() + FREE * available()
    estimates, during = {}, {}
    # those that are kept first; then those with the fewest multiply-adds, which run most often
    order = sorted(found, key=lambda name: (not found[name].keep, found[name].facts["multiply_adds"]))
    for name in progress("made and tried", "network")(order):
        one = found[name]
        with one.present():
            estimates[name] = interleaved({"": one.run}, 1, warmup=0)[""].median
            if one.keep or resident() < most:
                one.stay()
            else:
                during[name] = one.present
    return estimates, during


def turns(seconds: float, anew: bool = False) -> int:
    """Return how many turns what takes so long has at most; anew: it is made for each."""
    return max(LEAST, int(SHARE / (seconds * (2 if anew else 1))))


def machine(peers, ctx=None):
    """Return the Ceiling of the best convolutions of these networks, and seconds of its runs, both by a quick trial.

    ctx  MXNet's device (default: the CPU).
    """
    import mxnet as mx

    from repro.timing.ceiling import LENGTH, Ceiling, layers_of

    rates = {}
    layers = dict.fromkeys(layer for peer in peers for layer in layers_of(peer.symbol, peer.shape))
    for layer in progress("convolutions tried", "layer")(list(layers)):
        one = Ceiling([layer], ctx or mx.cpu(), LENGTH // 2)
        rates[layer] = one.best(interleaved(one.runs(), 1, 1)).rate
    chosen = sorted(rates, key=rates.get)[-FINALISTS:]
    made = Ceiling(chosen, ctx or mx.cpu())
    return made, {name: LENGTH * layer.multiply_adds / rates[layer] for name, layer in zip(made.runs(), chosen)}
