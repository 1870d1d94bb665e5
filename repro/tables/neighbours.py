"""The neighbours' page: as their authors print them; trained here by one recipe, and timed in turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from repro.config.networks import Network
from repro.config.rows import Row
from repro.plot import figure, save
from repro.records import Record, find
from repro.tables.groups import MAIN, Group, caption, groups_of
from repro.tables.markdown import joined, table_of
from repro.tables.render import MARKER
from repro.tables.speed import calc, mebibytes, milliseconds, origin, reader
from repro.timing.clock import median, p95

PICTURE = "neighbours.png"
REFINED = "sparserefine"  # in a measurement of times, the row of repro.tables.refine's record
NONE = "-"

# what experiments.speed.neighbours measured on one data set
read_speed = reader("data", "preset", "size", "threads", "rows", "provenance")
Speed = Mapping[str, Any]
Refined = Mapping[str, Mapping[str, Any]]  # records as repro.tables.refine reads them, by name of the data


@dataclass(frozen=True)
class Line:
    """A network in a group: `accuracies` of each seed; `own`: a network of the paper's kind."""

    id: str
    label: str
    accuracies: Tuple[float, ...]
    steps: str
    own: bool


def lines(rows: Sequence[Row], group: Group, refined: Refined) -> List[Line]:
    """Return the rows in a group, measured or not, and SparseRefine where it is."""
    made = []
    for row in rows:
        found = find(group.records, row.network, row.training)
        made.append(Line(row.id, row.label, tuple(one.evaluations[row.inference]["mean_iou"] for one in found),
                         ", ".join(sorted({str(one.steps) for one in found})) or NONE,
                         isinstance(row.network, Network)))
    one = refined.get(group.key[0])
    if one and (one["preset"], one["budget"]) == group.key[1:]:
        made.append(Line(REFINED, f"SparseRefine over {one['row']} at half resolution", (one["refined"]["mean_iou"],),
                         f"{one['dense_steps']} + {one['steps']}", False))
    return made


def speed_of(group: Group, speeds: Mapping[str, Speed]) -> Optional[Speed]:
    """Return the measured times that belong beside a group's accuracies: those of its data and preset."""
    found = speeds.get(group.key[0])
    return found if found and found["preset"] == group.key[1] else None


def _accuracy(values: Sequence[float]) -> str:
    if not values:
        return NONE
    mean = f"{sum(values) / len(values):.2f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.2f} to {max(values):.2f}, {len(values)} seeds)"


def _published(rows: Sequence[Row], printed: Mapping[str, Any], costs: Mapping[str, Tuple[int, int]]) -> str:
    def column(header: str, key: str):
        values = {row.id: printed.get(row.id, {}).get(key) for row in rows}
        return header, lambda row: NONE if values[row.id] is None else values[row.id]
    return table_of(
        rows, 2, ("Network", lambda row: row.label), column("Source", "source"), column("Mean IoU", "mean_iou"),
        column("Images", "images"), column("Size", "size"), column("Frames/s", "speed"), column("Card", "card"),
        ("Multiply-adds counted here, 1024x2048", lambda row: calc(costs[row.id][1])))


def _measured(shown: Sequence[Line], speed: Optional[Speed]) -> str:
    timed = {one["row"]: one for one in speed["rows"]} if speed else {}

    def column(header: str, cell):
        return header, lambda line: cell(timed[line.id]) if line.id in timed else NONE
    return table_of(
        shown, 1, ("Network", lambda line: line.label), ("Mean IoU", lambda line: _accuracy(line.accuracies)),
        ("Steps", lambda line: line.steps), *((
            column("Multiply-adds", lambda one: calc(one["multiply_adds"])),
            column("Parameters", lambda one: f"{one['parameters'] / 1e6:.2f}M"),
            column("Time (ms)", lambda one: milliseconds(median(one["seconds"]))),
            column("p95 (ms)", lambda one: milliseconds(p95(one["seconds"]))),
            column("Memory (MiB)", lambda one: mebibytes(one["memory"])),
            column("Timed with values", lambda one: one["values"])) if speed else ()))


def _section(rows: Sequence[Row], group: Group, speed: Optional[Speed], refined: Refined, local: bool = False) -> str:
    where = f"* **time**: from a photo of {group.key[0]} at {speed['size']} to labels of every pixel, on " \
            f"{speed['threads']} thread{'s' * (speed['threads'] > 1)}. {origin(speed['provenance'])}\n" if speed else ""
    return f"## {group.key[0]}{', this machine' * local}\n\n{caption(group, 'neighbours')}{where}\n" \
           f"{_measured(lines(rows, group, refined), speed)}"


def groups_shown(rows: Sequence[Row], records: Sequence[Record]) -> List[Group]:
    """Return the published groups of the main preset and budget."""
    return [group for group in groups_of(rows, records, False) if group.key[1:] == MAIN[1:]]


def page(rows: Sequence[Row], printed: Mapping[str, Any], costs: Mapping[str, Tuple[int, int]],
         records: Sequence[Record], speeds: Mapping[str, Speed], refined: Refined) -> str:
    """Return the published page.

    printed  title and rows as published. costs: multiply-adds by row id, (in the paper's convention, true).
    speeds   the measured times by name of the data, as `refined`, SparseRefine's records.
    """
    theirs = ", ".join(row.label for row in rows if not isinstance(row.network, Network))
    parts = [
        f"# Neighbours. {printed['title']}\n\n"
        "The same images, recipe, loss and engine for all; another system's own recipe may serve it better.\n\n"
        f"* **Width**: {theirs} at their authors' own width, whatever the preset's; the paper's networks at the "
        "preset's. Compare multiply-adds and times, not names.\n"
        "* **Training**: the paper's networks begin with the preset's backbone, and keep its batch norm's statistics; "
        "the others begin with random values, learn theirs, and train for as many steps as backbone and row together "
        "(lite; the backbone's are of more images). Online bootstrapping and coarse labels are not used; the "
        "paper's figure of Model A is with both.\n"
        "* **Scores**: those of SGCPNet and Fast-SCNN, at 1/8, are brought to 1/4 bilinearly, where the loss of all is."
        "\n* **Time**: each network in a process of its own, in turns, in this project's engine in float32; the "
        "median. **Memory**: the most that its process had while it labelled, above what it had before the network was "
        "made.\n"
        + ("* **SparseRefine**: trained as [its own page](sparserefine.md) says; multiply-adds are those of the image "
           "that is timed, as multiplied.\n" if refined else "")
        + "* **-**: not measured.",
        f"## As published, on Cityscapes\n\n{_published(rows, printed['rows'], costs)}",
        *(_section(rows, group, speed_of(group, speeds), refined) for group in groups_shown(rows, records)),
    ]
    if panels(rows, records, speeds, refined):
        parts.insert(1, f"![Mean IoU over time]({PICTURE})")
    return joined(parts)


def local_part(rows: Sequence[Row], records: Sequence[Record], speeds: Mapping[str, Speed], own: Sequence[Record],
               own_speeds: Mapping[str, Speed], refined: Refined) -> str:
    """Return what follows the published page: what this machine measured itself, after MARKER; "" where none is."""
    groups = [group for group in groups_shown(rows, records) if speed_of(group, own_speeds)]
    groups += groups_of(rows, [record for record in own if record not in records], True)
    sections = [_section(rows, group, speed_of(group, {**speeds, **own_speeds}), refined, True) for group in groups]
    return "\n".join([f"\n{MARKER}\n", *sections]) if sections else ""


def points(shown: Sequence[Line], speed: Optional[Speed]) -> List[Tuple[Line, float, float]]:
    """Return (line, milliseconds, mean IoU) of those of which both are measured."""
    timed = {one["row"]: median(one["seconds"]) * 1e3 for one in speed["rows"]} if speed else {}
    return [(line, timed[line.id], sum(line.accuracies) / len(line.accuracies)) for line in shown
            if line.accuracies and line.id in timed]


def panels(rows: Sequence[Row], records: Sequence[Record], speeds: Mapping[str, Speed], refined: Refined):
    """Return (group, its points) of each published data set that has any, which are drawn."""
    found = [(group, points(lines(rows, group, refined), speed_of(group, speeds)))
             for group in groups_shown(rows, records)]
    return [(group, chosen) for group, chosen in found if chosen]


def _name_points(axes, chosen: Sequence[Tuple[Line, float, float]]) -> None:
    """Write names beside their points: where, of right, left and the corners, nothing is in the way first."""
    places = [tuple(axes.transData.transform(point)) for _, *point in chosen]
    left, right = (axes.transAxes.transform((side, 0))[0] for side in (0, 1))
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in places]
    for (line, *point), (x, y) in zip(chosen, places):
        name = line.label.partition(" over ")[0]  # over what SparseRefine is, is in the table
        wide, high = 6.2 * len(name), 11.0  # about, in pixels
        boxes = [(x + dx, y + dy, x + dx + wide, y + dy + high) for dx, dy in (
            (9, -high / 2), (-9 - wide, -high / 2), (6, 5), (6, -5 - high), (-6 - wide, 5), (-6 - wide, -5 - high))]
        free = [box for box in boxes if left < box[0] and box[2] < right and not any(
            a[0] < box[2] and box[0] < a[2] and a[1] < box[3] and box[1] < a[3] for a in taken)]
        box = (free or boxes)[0]
        taken.append(box)
        away = (((box[0] + box[2]) / 2 - x) * 72 / axes.figure.dpi, ((box[1] + box[3]) / 2 - y) * 72 / axes.figure.dpi)
        axes.annotate(name, point, away, textcoords="offset points", fontsize=8, ha="center", va="center")


def draw(rows: Sequence[Row], records: Sequence[Record], speeds: Mapping[str, Speed], refined: Refined, folder) -> None:
    """Draw mean IoU over time, a panel for each published data set; nothing where none has both."""
    found = panels(rows, records, speeds, refined)
    if not found:
        return
    made = figure(5 * len(found), 4)
    for axes, (group, chosen) in zip(made.subplots(1, len(found), squeeze=False)[0], found):
        for line, spent, accuracy in chosen:
            colour, marker = ("tab:blue", "o") if line.own else ("tab:orange", "s")
            axes.scatter(spent, accuracy, color=colour, marker=marker, label="the paper's" if line.own else "others")
        axes.set(title=group.key[0], xlabel="ms an image, labels included", ylabel="mean IoU (%)")
        axes.margins(0.25)
        axes.set_xlim(0, 1.25 * max(spent for _, spent, _ in chosen))
        axes.grid(True, which="both", linewidth=0.3, color="0.85")
    kinds = dict(zip(*reversed(made.axes[0].get_legend_handles_labels())))  # one of each
    made.legend(kinds.values(), kinds.keys(), fontsize=8, ncols=2, loc="outside lower center", frameon=False)
    made.draw_without_rendering()  # which lays it out
    for axes, (_, chosen) in zip(made.axes, found):
        _name_points(axes, chosen)
    save(made, folder / PICTURE)
