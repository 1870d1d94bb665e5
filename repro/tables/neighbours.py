"""The neighbours' page: as their authors print them, and trained here by one recipe."""

from __future__ import annotations

from typing import Any, List, Mapping, Sequence, Tuple

from repro.config.networks import Network
from repro.config.rows import Row
from repro.records import Record, find
from repro.tables.columns import NONE, spread
from repro.tables.groups import MAIN, Group, caption, groups_of, listed
from repro.tables.markdown import joined, table_of
from repro.tables.render import MARKER
from repro.tables.speed import calc

REFINED = "SparseRefine"
Refined = Mapping[str, Mapping[str, Any]]  # records as repro.tables.refine reads them, by name of the data


def _published(rows: Sequence[Row], printed: Mapping[str, Any], costs: Mapping[str, Tuple[int, int]]) -> str:
    def column(header: str, key: str):
        values = {row.id: printed.get(row.id, {}).get(key) for row in rows}
        return header, lambda row: NONE if values[row.id] is None else values[row.id]
    return table_of(
        rows, 2, ("Network", lambda row: row.label), column("Source", "source"), column("Mean IoU", "mean_iou"),
        column("Images", "images"), column("Size", "size"), column("Frames/s", "speed"), column("Card", "card"),
        ("Multiply-adds counted here, 1024x2048", lambda row: calc(costs[row.id][1])))


def _section(rows: Sequence[Row], group: Group, refined: Refined, local: bool = False) -> str:
    """Return the rows in a group, measured or not, and SparseRefine where it is."""
    lines: List[Tuple[str, Sequence[float], str]] = []
    for row in rows:
        found = find(group.records, row.network, row.training)
        lines.append((row.label, [one.evaluations[row.inference]["mean_iou"] for one in found],
                      listed(one.steps for one in found) or NONE))
    one = refined.get(group.key[0])
    if one and (one["preset"], one["budget"]) == group.key[1:]:
        lines.append((f"{REFINED} over {one['row']} at half resolution", [one["refined"]["mean_iou"]],
                      f"{one['dense_steps']} + {one['steps']}"))
    shown = table_of(lines, 1, ("Network", lambda line: line[0]),
                     ("Mean IoU", lambda line: spread(line[1]) if line[1] else NONE), ("Steps", lambda line: line[2]))
    return f"## {group.key[0]}{', this machine' * local}\n\n{caption(group, 'neighbours')}\n{shown}"


def page(rows: Sequence[Row], printed: Mapping[str, Any], costs: Mapping[str, Tuple[int, int]],
         records: Sequence[Record], refined: Refined) -> str:
    """Return the published page.

    printed  title and rows as published. costs: multiply-adds by row id, (in the paper's convention, true).
    refined  SparseRefine's records by name of the data.
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
        "\n* **Time**: [table6.md](table6.md) and [engines.md](engines.md) time them side by side.\n"
        + (f"* **{REFINED}**: trained as [its own page](sparserefine.md) says.\n" if refined else "")
        + "* **-**: not measured.",
        f"## As published, on Cityscapes\n\n{_published(rows, printed['rows'], costs)}",
        *(_section(rows, group, refined) for group in groups_of(rows, records, False) if group.key[1:] == MAIN[1:]),
    ]
    return joined(parts)


def local_part(rows: Sequence[Row], records: Sequence[Record], own: Sequence[Record], refined: Refined) -> str:
    """Return what follows the published page: what this machine measured itself, after MARKER; "" where none is."""
    groups = groups_of(rows, [record for record in own if record not in records], True)
    sections = [_section(rows, group, refined, True) for group in groups]
    return "\n".join([f"\n{MARKER}\n", *sections]) if sections else ""
