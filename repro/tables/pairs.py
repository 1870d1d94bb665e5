"""Two rows against each other, and one by itself, from what each test image gave: `make compare` and `make row`."""

from __future__ import annotations

from functools import partial
from typing import Any, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from repro.evaluation.metrics import class_iou, mean_iou
from repro.records import Record
from repro.tables.intervals import Interval, bootstrap, sequences
from repro.tables.markdown import markdown_table
from repro.tables.verdicts import FAILS, GAINS, HOLDS, Figure, Ours, difference, judged, seeds_of

LISTED = 10  # images of each kind
WORDS = {HOLDS: "B is above A", FAILS: "B is below A"}


def names_of(beside: Mapping[str, Any], images: int, given: Sequence[str] = ()) -> List[str]:
    """Return the images' names: as kept, else as `given`, else their numbers in the order of the data."""
    found = beside.get("images", given)
    return [str(one) for one in found] if len(found) == images else [f"image {one + 1}" for one in range(images)]


def missing(records: Sequence[Record], source: Ours, inference: str) -> str:
    """Return in a line which of the records have no images' results beside them; "" where all have."""
    without = [str(one.seed) for one in records if inference not in source.images(one)]
    return f"no per-image results are kept of seed {', '.join(without)}" if without else ""


def _interval(found: Optional[Interval]) -> str:
    return "-" if found is None else f"{found[0]:+.2f} to {found[1]:+.2f}"


def compare(source: Ours, one: Figure, other: Figure, given: Sequence[str] = ()) -> str:
    """Return B - A (`other` - `one`) of two trainings in their rows' inferences: by seed, by class, by image.

    Intervals are of 90%: t's over seeds and the bootstrap over images, as in tables/claims.md. given: the images'
    names, where no record has them.
    """
    values = seeds_of(source, one), seeds_of(source, other)
    seeds = [seed for seed in values[0] if seed in values[1]]
    found = difference(source, one, other)
    if found is None:
        return "no seed is published of both"
    text = markdown_table([
        ("Seed", [*map(str, seeds), "mean"]),
        *((name, [*(f"{some[seed]:.2f}" for seed in seeds), f"{sum(some[seed] for seed in seeds) / len(seeds):.2f}"])
          for name, some in zip("AB", values)),
        ("B - A", [*(f"{values[1][seed] - values[0][seed]:+.2f}" for seed in seeds), f"{found.mean:+.2f}"])], 1)
    verdict = WORDS.get(judged(found, GAINS), "not decidable: t's interval holds 0, or is unknown")
    text += (f"\nMean IoU, B - A: {found.mean:+.2f} points; t {_interval(found.interval)}; images "
             f"{_interval(found.images)}: {verdict}.\n")
    pairs = [([record for record in source.found(figure) if record.seed in seeds], source.inference(figure))
             for figure in (one, other)]
    lacks = [f"{name}: {words}" for name, pair in zip("AB", pairs) for words in [missing(pair[0], source, pair[1])]
             if words]
    terms = [] if lacks else [(sign / len(seeds), source.images(record)[inference]) for sign, (records, inference) in
                              zip((-1, 1), pairs) for record in records]
    if len({matrices.shape for _, matrices in terms}) > 1:
        lacks, terms = ["A and B were measured on different images"], []
    beside = source.images(pairs[1][0][0])
    text += f"\n{_by_class(pairs, terms, beside)}"
    return text + (f"\nNot by image: {'; '.join(lacks)}.\n" if lacks else f"\n{_by_image(terms, beside, given)}")


def _by_class(pairs, terms, beside) -> str:
    """Return the difference of each class's IoU, means over the seeds."""
    means = [{name: [record.evaluations[inference]["class_iou"].get(name) for record in records]
              for name in records[0].evaluations[inference]["class_iou"]} for records, inference in pairs]
    columns: List[Tuple[str, List[str]]] = [(header, []) for header in ("Class", "A", "B", "B - A", "Images")]
    for number, name in enumerate(means[0]):
        some = [one.get(name, [None]) for one in means]
        if None in some[0] + some[1]:
            continue
        a, b = (sum(values) / len(values) for values in some)
        interval = bootstrap(terms, sequences(list(beside.get("images", ())), len(terms[0][1])),
                             partial(_of_class, number)) if terms else None
        for column, cell in zip(columns, (name, f"{a:.2f}", f"{b:.2f}", f"{b - a:+.2f}", _interval(interval))):
            column[1].append(cell)
    return markdown_table(columns, 1)


def _of_class(number: int, matrices: np.ndarray) -> np.ndarray:
    """Return the IoU of a class, percent, of confusion matrices (N, K, K): (N,); 0 where the class is not there."""
    return np.nan_to_num(class_iou(matrices)[:, number])


def _by_image(terms, beside, given) -> str:
    """Return how the images' own mean IoU differ, and those where most."""
    changes = sum(weight * mean_iou(matrices) for weight, matrices in terms)
    names, order = names_of(beside, len(changes), given), np.argsort(changes, kind="stable")
    low, middle, high = np.percentile(changes, (25, 50, 75))
    text = (f"By image: B above A in {(changes > 0).sum()} of {len(changes)}, below in {(changes < 0).sum()}; "
            f"quartiles {low:+.2f}, {middle:+.2f}, {high:+.2f}.\n\n")
    return text + "\n".join(
        _listed([(f"Where {name} is ahead", [at for at in some[:LISTED] if sign * changes[at] > 0])], names, changes,
                "+.2f") for name, some, sign in (("A", order, -1), ("B", order[::-1], 1)))


def _listed(kinds, names, values, form: str) -> str:
    """Return images by name with their values, two columns for each kind."""
    return markdown_table([column for title, chosen in kinds for column in (
        (title, [names[at] for at in chosen]), ("Mean IoU", [f"{values[at]:{form}}" for at in chosen]))], 1)


def row_page(title: str, records: Sequence[Record], source: Ours, inference: str, pictures: Mapping[int, str],
             often: Optional[np.ndarray], given: Sequence[str] = ()) -> str:
    """Return the page of a published row: curves, IoU by class, the best and worst images, regions computed.

    pictures  of the curves, by seed. often: share of the images in which a region is computed, (Y, X); None: unknown.
    given     the images' names, where no record has them.
    """
    text = f"# {title}\n\n"
    for record in records:
        found, images = record.evaluations[inference], source.images(record).get(inference)
        text += (f"## Seed {record.seed}\n\nMean IoU {found['mean_iou']:.2f}%, pixel accuracy "
                 f"{found['pixel_acc']:.2f}%, mean accuracy {found['mean_acc']:.2f}%, {inference} inference, "
                 f"{found['images']} images, {record.steps} steps; `{record.provenance['command']}`.\n\n")
        text += f"![Curves of seed {record.seed}]({pictures[record.seed]})\n\n" if record.seed in pictures else \
            "No log is kept of this training: no curves.\n\n"
        ious = found["class_iou"]
        text += markdown_table([("Class", list(ious)), ("IoU", [
            "-" if one is None else f"{one:.2f}" for one in ious.values()])], 1)
        if images is None:
            text += "\nNo per-image results are kept of this training: no best and worst images.\n\n"
            continue
        values = mean_iou(images)
        names, order = names_of(source.images(record), len(values), given), np.argsort(values, kind="stable")
        text += "\n" + _listed((("Best images", order[::-1][:LISTED]), ("Worst images", order[:LISTED])), names, values,
                               ".2f") + "\n"
    if often is not None:
        text += "How often each region is computed, percent of the images:\n\n" + markdown_table(
            [(f"{x + 1}", [f"{100 * share:.0f}" for share in column]) for x, column in enumerate(often.T)], 0)
    elif records[0].network.sparse:
        text += ("How often each region is computed is not kept in records: give WEIGHTS= (the row's .params) and "
                 "DATA= (its folder) to count it.\n")
    return text
