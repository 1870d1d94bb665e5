"""A table's page: title, the paper's claim, where each group of measurements comes from, the table in two parts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, List, Mapping, Sequence, Tuple

from repro.config.rows import Row
from repro.records import Record
from repro.tables.columns import (
    ABLATIONS,
    METRICS,
    Costs,
    Table,
    calculations,
    computed,
    configuration,
    our_accuracies,
    paper_accuracies,
)
from repro.tables.groups import Group, caption, groups_of
from repro.tables.markdown import Column, markdown_table

MARKER = "<!-- measured on this machine, not published -->"
SECOND = [name for name, _ in METRICS[:2]]  # what the second part of a table shows
NOTES = {  # on a table's own columns
    "4": "* **removed**: residual units, of ResNet-50's 16; **levels 2-5**: those left in each. **+ bs.**: trained "
         "with online bootstrapping; **+ coarse**: with that and the coarsely labelled set. The second table is of "
         "trainings with neither.\n",
    "5": "* **Δ**: to the row above; **Overall Δ**: to max. Each row keeps what those above it add: Model A is trained "
         "with online bootstrapping and the coarsely labelled set too.\n",
}


def _tables(table: Table, rows: Sequence[Row], paper, costs: Costs, groups: Sequence[Group]) -> str:
    """Mean IoU and what Tables 4 and 5 derive from it, and calculations; then pixel and mean accuracy.

    In each the paper's column is followed by those of the groups, the first even if nothing was measured.
    """
    left = configuration(table, rows)
    printed = paper_accuracies(table, rows, paper)
    ours = [our_accuracies(table, rows, group) for group in groups]
    names = [name for name in ours[0] if name in printed or not printed]

    def columns(chosen: Sequence[str]) -> List[Column]:
        found = []
        for name in chosen:
            found += [printed[name]] if name in printed else []
            found += [ours[0][name]] + [one[name] for one in ours[1:] if any(map(_measured, one[name][1]))]
        return found

    first = columns([name for name in names if name not in SECOND])
    first = left + computed(table, rows, groups) + first + calculations(table, rows, paper, costs)
    return f"{markdown_table(first, len(left))}\nPixel accuracy and mean class accuracy:\n\n" \
           f"{markdown_table(left + columns(SECOND), len(left))}"


def _measured(cell: str) -> bool:
    return any(map(str.isdigit, cell))


def published_part(
    table: Table, rows: Sequence[Row], paper: Mapping[str, Any], costs: Costs, records: Sequence[Record]
) -> str:
    """The committed page of `table`, 1 to 5 or "ablations".

    `paper` has the table's title, claim and printed figures (rows: row id -> figures; the ablations have none),
    `costs` per row id the multiply-adds (in the paper's convention, true), `records` what was measured and published.
    """
    groups = groups_of(rows, records, local=False)
    tables = _tables(table, rows, paper["rows"], costs, groups)
    printed = (
        "* **paper**: as printed (arXiv 1712.00213), Cityscapes val, 1024×2048. Accuracies on other data "
        "stand beside them, they are not comparable with them.\n"
    )
    return (
        f"# {_name(table)}. {paper['title']}\n\n"
        f"The paper's claim: {paper['claim']}\n\n"
        f"{printed if paper['rows'] else ''}"
        f"{''.join(caption(group, _target(table)) for group in groups)}"
        "* **Calc.**: multiply-adds (g: 10^9) of the full-width network at 1024×2048, whatever was trained; "
        "ours in the paper's convention, true with the projection shortcuts counted too.\n"
        f"{NOTES.get(str(table), '')}"
        + ("* **±**: half the range of the seeds.\n" if "±" in tables else "")
        + f"\n{tables}"
    )


def with_counterparts(rows: Sequence[Row], others: Sequence[Row]) -> Tuple[Row, ...]:
    """Each ablated row followed by the row of `others` that differs from it in the equation alone, if there is one."""
    found: List[Row] = []
    for row in rows:
        plain = replace(row.training, equation=4)
        found += [row] + [other for other in others if other not in found and row.training != plain and (
            other.network, other.training, other.inference) == (row.network, plain, row.inference)]
    return tuple(found)


def _name(table: Table) -> str:
    return "Ablations" if table == ABLATIONS else f"Table {table}"


def _target(table: Table) -> str:
    return ABLATIONS if table == ABLATIONS else f"table{table}"


def page(
    table: Table,
    rows: Sequence[Row],
    paper: Mapping[str, Any],
    costs: Costs,
    published: Sequence[Record],
    local: Sequence[Record] = (),
) -> str:
    """The published part and, after MARKER, what this machine measured itself beside it."""
    text = published_part(table, rows, paper, costs, published)
    own = groups_of(rows, [record for record in local if record not in published], local=True)
    if not own:
        return text
    groups = [group for group in groups_of(rows, published, local=False) if group.records] + own
    return (
        f"{text}\n{MARKER}\n\n## With what this machine measured itself\n\n"
        f"{''.join(caption(group, _target(table)) for group in own)}\n"
        f"{_tables(table, rows, paper['rows'], costs, groups)}"
    )
