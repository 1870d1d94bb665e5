"""Two rows against each other, and one by itself, from what each test image gave: `make compare` and `make row`."""

from __future__ import annotations

from typing import List, Mapping, Optional, Sequence, Tuple

import numpy as np

from repro.evaluation.metrics import class_iou, mean_iou
from repro.records import Record
from repro.tables.intervals import Interval, bootstrap, sequences
from repro.tables.markdown import markdown_table, table_of
from repro.tables.verdicts import FAILS, GAINS, HOLDS, Figure, Ours, Terms, difference, judged, seeds_of

LISTED = 10  # images of each kind
WORDS = {HOLDS: "B is above A", FAILS: "B is below A"}


def _interval(found: Optional[Interval]) -> str:
    return "-" if found is None else f"{found[0]:+.2f} to {found[1]:+.2f}"


def compare(source: Ours, one: Figure, other: Figure) -> str:
    """Return B - A (`other` - `one`) of two trainings in their rows' inferences: by seed, by class, by image.

    Intervals are of 90%: t's over seeds and the bootstrap over images, as in tables/claims.md.
    """
    values = seeds_of(source, one), seeds_of(source, other)
    seeds = [seed for seed in values[0] if seed in values[1]]
    found = difference(source, one, other)
    if found is None:
        return "no seed is published of both"
    lines: List[Tuple] = [(str(seed), values[0][seed], values[1][seed]) for seed in seeds]
    lines.append(("mean", *(sum(some[seed] for seed in seeds) / len(seeds) for some in values)))
    verdict = "B is A" if one == other else WORDS.get(
        judged(found, GAINS), "not decidable: t's interval holds 0, or is unknown")
    text = _differences("Seed", lines) + (
        f"\nMean IoU, B - A: {found.mean:+.2f} points; t {_interval(found.interval)}; images "
        f"{_interval(found.images)}: {verdict}.\n\n")
    pairs = [([record for record in source.found(figure) if record.seed in seeds], source.inference(figure))
             for figure in (one, other)]
    by_image = source.by_image(one, other, seeds)
    text += _by_class(pairs, by_image)
    return f"{text}\n" + (_by_image(*by_image) if by_image else "A and B were measured on different images.\n")


def _differences(header: str, lines, *more) -> str:
    """Return a table of lines (name, A, B, ...) with B - A; more: columns after it."""
    return table_of(lines, 1, (header, lambda line: line[0]), ("A", lambda line: f"{line[1]:.2f}"),
                    ("B", lambda line: f"{line[2]:.2f}"), ("B - A", lambda line: f"{line[2] - line[1]:+.2f}"), *more)


def _by_class(pairs, by_image: Optional[Terms]) -> str:
    """Return the difference of each class's IoU, means over the seeds; by image 0 where a class is not there."""
    lines: List[Tuple] = []
    ends = by_image and bootstrap(by_image[0], sequences(by_image[1]), lambda some: np.nan_to_num(class_iou(some)))
    for number, name in enumerate(pairs[0][0][0].evaluations[pairs[0][1]]["class_iou"]):
        some = [[record.evaluations[inference]["class_iou"].get(name) for record in records]
                for records, inference in pairs]
        if None not in some[0] + some[1]:
            interval = (ends[0][number], ends[1][number]) if ends else None
            lines.append((name, *(sum(values) / len(values) for values in some), _interval(interval)))
    return _differences("Class", lines, ("Images", lambda line: line[3]))


def _by_image(terms, names: Sequence[str]) -> str:
    """Return how the images' own mean IoU differ, and those where most."""
    changes = sum(weight * mean_iou(matrices) for weight, matrices in terms)
    order = np.argsort(changes, kind="stable")
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
             often: Optional[np.ndarray]) -> str:
    """Return the page of a published row: curves, IoU by class, the best and worst images, regions computed.

    pictures  of the curves, by seed. often: share of the images in which a region is computed, (Y, X); None: unknown.
    """
    text = f"# {title}\n\n"
    for record in records:
        found, beside = record.evaluations[inference], source.images(record)
        text += (f"## Seed {record.seed}\n\nMean IoU {found['mean_iou']:.2f}%, pixel accuracy "
                 f"{found['pixel_acc']:.2f}%, mean accuracy {found['mean_acc']:.2f}%, {inference} inference, "
                 f"{found['images']} images, {record.steps} steps; `{record.provenance['command']}`.\n\n")
        text += f"![Curves of seed {record.seed}]({pictures[record.seed]})\n\n"
        ious = found["class_iou"]
        text += markdown_table([("Class", list(ious)), ("IoU", [
            "-" if one is None else f"{one:.2f}" for one in ious.values()])], 1)
        values, names = mean_iou(beside[inference]), beside["images"]
        order = np.argsort(values, kind="stable")
        text += "\n" + _listed((("Best images", order[::-1][:LISTED]), ("Worst images", order[:LISTED])), names, values,
                               ".2f") + "\n"
    if often is not None:
        text += "How often each region is computed, percent of the images:\n\n" + markdown_table(
            [(f"{x + 1}", [f"{100 * share:.0f}" for share in column]) for x, column in enumerate(often.T)], 0)
    elif records[0].network.sparse:
        text += ("How often each region is computed is not kept in records: give WEIGHTS= (the row's .params) and "
                 "DATA= (its folder) to count it.\n")
    return text
