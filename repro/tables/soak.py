"""The page on long runs: whether memory and speed of prediction and of training stay flat; its picture."""

from __future__ import annotations

import statistics
from typing import Any, Dict, List, Mapping, Sequence

from repro.errors import UserError
from repro.plot import figure, save
from repro.tables.markdown import markdown_table
from repro.tables.speed import mebibytes, origin, reader

PICTURE = "soak.png"
RUNS = {"prediction": "images", "training": "steps"}  # and what each does one after the other
WARM = 1 / 6  # of a run: what is kept by size of image, or read ahead, is filled
MEMORY, SPEED = 0.02, 0.05  # that memory may grow by, and speed fall by, in the rest of a flat run
LEAST = 6  # windows after it
COUNTS = ("descriptors", "threads", "files")
Run = Mapping[str, Sequence[float]]
# what experiments.speed.soak writes
read_soak = reader("minutes", "windows", "of", "runs", "provenance")


def rates(run: Run) -> List[float]:
    """Return what was done a second, in each window."""
    ends = [(0.0, 0.0), *zip(run["seconds"], run["done"])]
    return [(done - before) / (end - begin) for (begin, before), (end, done) in zip(ends, ends[1:])]


def after(run: Run) -> Dict[str, Sequence[float]]:
    """Return the windows after the warm-up, with their `rates`."""
    first = sum(end <= run["seconds"][-1] * WARM for end in run["seconds"])
    return {key: values[first:] for key, values in {**run, "rates": rates(run)}.items()}


def steepness(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the median of the slopes between any two points (Theil-Sen), which a few far ones do not move; x rises."""
    return statistics.median((y[j] - y[i]) / (x[j] - x[i]) for i in range(len(x)) for j in range(i + 1, len(x)))


def _thirds(values: Sequence[float]):
    """Return the medians of the first and of the last third."""
    third = len(values) // 3
    return statistics.median(values[:third]), statistics.median(values[-third:])


def findings(run: Run) -> Dict[str, Any]:
    """Return what the rule is about, and whether it holds.

    memory      bytes, the median after the warm-up; grown: what the line through it gains from there to the end.
    slower      share of the speed that the last third lacks of the first one's; below 0 it is quicker.
    more        the counts that are higher in the last third.
    """
    rest = after(run)
    if len(rest["seconds"]) < LEAST:
        raise UserError(f"MINUTES: {len(run['seconds'])} windows are too few to say what is flat")
    span = rest["seconds"][-1] - rest["seconds"][0]
    memory, grown = statistics.median(rest["memory"]), steepness(rest["seconds"], rest["memory"]) * span
    first, last = _thirds(rest["rates"])
    slower = 1 - last / first if first else 1.0
    thirds = {name: _thirds(rest[name]) for name in COUNTS}
    more = [name for name, (one, other) in thirds.items() if other > one]
    return {"memory": memory, "grown": grown, "hours": span / 3600, "first": first, "last": last, "slower": slower,
            "thirds": thirds, "more": more, "flat": grown <= MEMORY * memory and slower <= SPEED and not more}


def _signed(value: float, digits: int) -> str:
    text = f"{value:+.{digits}f}"
    return text.replace("-", "+") if float(text) == 0 else text


def _table(name: str, run: Run) -> str:
    found, unit = findings(run), RUNS[name]
    mib = found["grown"] / 2 ** 20
    cells = {
        name.capitalize(): f"{run['done'][-1]:.0f} {unit} in {run['seconds'][-1] / 60:.1f} minutes",
        "A second, first third": f"{found['first']:.2f} {unit}",
        "A second, last third": f"{found['last']:.2f} {unit} ({_signed(-100 * found['slower'], 1)}%)",
        "Memory (median)": f"{mebibytes(found['memory'])} MiB",
        "Memory grown, by the line": f"{_signed(mib, 1)} MiB ({_signed(100 * found['grown'] / found['memory'], 2)}%), "
                                     f"{_signed(mib / found['hours'], 1)} MiB an hour",
        **{f"{count.capitalize()}, first and last third": " and ".join(f"{one:g}" for one in both)
           for count, both in found["thirds"].items()},
        "Written and kept, at the end": f"{run['bytes'][-1] / 2 ** 20:.1f} MiB",
        "**Flat**": "**yes**" if found["flat"] else "**no**",
    }
    (header, cell), *rest = cells.items()
    return markdown_table([(header, [key for key, _ in rest]), (cell, [text for _, text in rest])], 1)


def page(record: Mapping[str, Any]) -> str:
    """Return the page of a record."""
    photos, trained = record["of"]["prediction"], record["of"]["training"]
    engine = photos.get("engine", "mxnet")
    sizes = (f"{photos['sizes']} sizes, of which {photos['engines']} engines at most are kept: "
             "some are made anew each time")
    words = {
        "prediction": f"what `make predict` does with a folder of photos, again and again, with the shipped weights: "
        f"{photos['scenes']} drawn scenes in "
        f"{sizes if engine == 'mxnet' else f'sizes whose engines are all kept (ENGINE={engine})'}.",
        "training": f"the row {trained['row']} of Table {trained['table']}, preset {trained['preset']}, on "
        f"{trained['data']}: images read and augmented ahead, a line of the log a step, a checkpoint every "
        f"{trained['checkpoint']} steps. Files and memory thus grow a little, by a line of the log and a loss a step."}
    runs = record["runs"]
    return (
        f"# Long runs: {record['minutes']:g} minutes of {' and of '.join(runs)}\n\n"
        "Two processes side by side, a thread each (`make soak`).\n\n"
        + "".join(f"* **{name.capitalize()}**: {words[name]}\n" for name in runs)
        + f"* **Flat**: after the first sixth, memory grows by no more than {100 * MEMORY:g}% to the end, by a line "
        f"through it (Theil-Sen); speed in the last third of the rest is not more than {100 * SPEED:g}% below that in "
        "its first; open descriptors, threads and files (temporary ones too) are not more. Medians of "
        f"{record['windows']} windows.\n"
        f"* {origin(record['provenance'])}\n\n"
        f"![Memory and speed]({PICTURE})\n\n" + "\n".join(_table(name, run) for name, run in runs.items()))


def draw(record: Mapping[str, Any], folder) -> None:
    """Draw memory above, speed below, over time, a column a run; grey: the warm-up."""
    runs = record["runs"]
    made = figure(4.5 * len(runs), 4.5)
    above, below = made.subplots(2, len(runs), squeeze=False)
    for upper, lower, (name, run) in zip(above, below, runs.items()):
        minutes = [end / 60 for end in run["seconds"]]
        upper.plot(minutes, [value / 2 ** 20 for value in run["memory"]], color="tab:red")
        lower.plot(minutes, rates(run))
        upper.set_title(name, fontsize=9)
        upper.set_ylabel("MiB", fontsize=8)
        lower.set_ylabel(f"{RUNS[name]} a second", fontsize=8)
        lower.set_xlabel("minutes", fontsize=8)
        for axes in (upper, lower):
            axes.axvspan(0, minutes[-1] * WARM, color="0.92")
            axes.set_xlim(0, minutes[-1])
            axes.set_ylim(0, 1.08 * axes.get_ylim()[1])
            axes.tick_params(labelsize=8)
    save(made, folder / PICTURE)
