"""What the tests of rendered pages share: the tables' rows, the paper's figures, made-up costs, and a page's cells."""

from __future__ import annotations

from pathlib import Path

from made_up import made_up

from repro.config.parsing import read_yaml
from repro.config.rows import load_rows
from repro.tables.render import page, with_counterparts

EXPERIMENTS = Path(__file__).parent.parent / "experiments"
ROWS = {n: load_rows(EXPERIMENTS / f"table{n}.yaml") for n in range(1, 6)}
PAPER = read_yaml(EXPERIMENTS / "published.yaml")
# Stand-ins for the counted costs: the printed figures themselves, 77.0 where Table 5 prints none.
COSTS = {n: {row.id: (round(float(PAPER[f"table{n}"]["rows"][row.id]["calc"] or 77) * 1e9), 10**12) for row in ROWS[n]}
         for n in ROWS}
ABLATION_ROWS = with_counterparts(load_rows(EXPERIMENTS / "ablations.yaml"), ROWS[3])


def cells(text):
    """{header: [cells]} of the last two markdown tables in `text`, those of a page's last part."""
    found = {}
    for block in [block for block in text.split("\n\n") if block.startswith("| ")][-2:]:
        lines = [line.strip("|\n").split(" | ") for line in block.splitlines()]
        header, _, *body = [[cell.strip() for cell in line] for line in lines]
        assert {len(line) for line in body} == {len(header)} and len(set(header)) == len(header)
        found.update({name: [line[i] for line in body] for i, name in enumerate(header)})
    return found


def shown(number, published=(), local=()):
    return page(number, ROWS[number], PAPER[f"table{number}"], COSTS[number], published, local)


def all_records(number, **changes):
    return [made_up(row, training=training, **changes) for row in ROWS[number] for _, training in row.trainings]
