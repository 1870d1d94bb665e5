"""The README's short table: Table 5's accuracies and costs, written between two markers."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from repro.config.rows import Row
from repro.errors import UserError
from repro.records import Record
from repro.tables.columns import Costs, calculations, configuration, our_accuracies, paper_accuracies
from repro.tables.groups import MAIN, Group
from repro.tables.markdown import markdown_table

BEGIN, END = "<!-- headline: written by `make tables` -->\n", "<!-- end of headline -->"
HEADERS = {"Mean IoU paper": "Mean IoU, paper (Cityscapes)", "Mean IoU ours": "Mean IoU, ours (minicity, lite)",
           "Calc. paper": "Calc., paper", "Calc. ours": "Calc., ours", "Calc. true": "Calc. with shortcuts"}


def headline(rows: Sequence[Row], paper: Mapping[str, Any], costs: Costs, records: Sequence[Record]) -> str:
    """Return Table 5 in five columns, from the rows, published figures, costs and records of its page."""
    ours = Group(MAIN, False, tuple(record for record in records if record.group == MAIN))
    columns = [*paper_accuracies(5, rows, paper["rows"]).values(), *our_accuracies(5, rows, ours).values(),
               *calculations(5, rows, paper["rows"], costs)]
    chosen = [(HEADERS[name], cells) for name, cells in columns if name in HEADERS]
    return markdown_table(configuration(5, rows) + chosen, 1)


def with_headline(text: str, table: str) -> str:
    """Return `text` with what stands between the markers replaced; UserError when they are not there."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError(f"README.md: the markers {BEGIN.strip()} and {END} are not there")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"
