"""A table's page: title, the paper's claim, where each group of measurements comes from, the table in two parts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, List, Mapping, Sequence, Tuple

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
NOTES: Dict[Table, str] = {  # on a table's own columns
    4: "* **removed**: residual units, of ResNet-50's 16; **levels 2-5**: those left in each. **+ bs.**: trained "
       "with online bootstrapping; **+ coarse**: with that and the coarsely labelled set. The second table is of "
       "trainings with neither.\n",
    5: "* **Δ**: to the row above; **Overall Δ**: to max. Each row keeps what those above it add: Model A is trained "
       "with online bootstrapping and the coarsely labelled set too.\n",
}


def _tables(table: Table, rows: Sequence[Row], paper, costs: Costs, groups: Sequence[Group]) -> str:
    """Return mean IoU and what Tables 4 and 5 derive from it, and calculations; then pixel and mean accuracy.

    In each the paper's column is followed by those of the groups, the first even if nothing was measured.
    """
    left = configuration(table, rows)
    printed = paper_accuracies(table, rows, paper)
    ours = [our_accuracies(table, rows, group) for group in groups]

    def columns(second: bool) -> List[Column]:
        found = []
        for name in ours[0]:
            if (name in SECOND) == second and (name in printed or not printed):
                found += [printed[name]] if name in printed else []
                found += [ours[0][name]] + [one[name] for one in ours[1:] if any(map(_measured, one[name][1]))]
        return found
    first = left + computed(table, rows, groups) + columns(False) + calculations(table, rows, paper, costs)
    return f"{markdown_table(first, len(left))}\nPixel accuracy and mean class accuracy:\n\n" \
           f"{markdown_table(left + columns(True), len(left))}"


def _measured(cell: str) -> bool:
    return any(map(str.isdigit, cell))


def _captions(table: Table, groups: Sequence[Group]) -> str:
    return "".join(caption(group, ABLATIONS if table == ABLATIONS else f"table{table}") for group in groups)


def with_counterparts(rows: Sequence[Row], others: Sequence[Row]) -> Tuple[Row, ...]:
    """Return each ablated row followed by the row of `others` that differs from it in the equation alone, if any."""
    found: List[Row] = []
    for row in rows:
        plain = replace(row.training, equation=4)
        found += [row] + [other for other in others if other not in found and row.training != plain and (
            other.network, other.training, other.inference) == (row.network, plain, row.inference)]
    return tuple(found)


def page(table: Table, rows: Sequence[Row], paper: Mapping[str, Any], costs: Costs, published: Sequence[Record],
         local: Sequence[Record] = ()) -> str:
    """Return the page of `table`: the published part and, after MARKER, what this machine measured itself beside it.

    paper      the table's title, claim and printed figures (rows: row id -> figures; the ablations have none).
    costs      per row id the multiply-adds (in the paper's convention, true).
    published  what was measured and published; local: what this machine measured.
    """
    groups = groups_of(rows, published, local=False)
    tables = _tables(table, rows, paper["rows"], costs, groups)
    text = (
        f"# {'Ablations' if table == ABLATIONS else f'Table {table}'}. {paper['title']}\n\n"
        f"The paper's claim: {paper['claim']}\n\n"
        + ("* **paper**: as printed (arXiv 1712.00213), Cityscapes val, 1024×2048. Accuracies on other data "
           "stand beside them, they are not comparable with them.\n" if paper["rows"] else "")
        + _captions(table, groups) +
        "* **Calc.**: multiply-adds (g: 10^9) of the full-width network at 1024×2048, whatever was trained; "
        "ours in the paper's convention, true with the projection shortcuts counted too.\n"
        + NOTES.get(table, "")
        + ("* **±**: half the range of the seeds.\n" if "±" in tables else "")
        + f"\n{tables}")
    own = groups_of(rows, [record for record in local if record not in published], local=True)
    if not own:
        return text
    groups = [group for group in groups if group.records] + own
    return (f"{text}\n{MARKER}\n\n## With what this machine measured itself\n\n{_captions(table, own)}\n"
            f"{_tables(table, rows, paper['rows'], costs, groups)}")
