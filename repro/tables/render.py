"""A table's page: title, the paper's claim, where each group of measurements comes from, the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Iterable, List, Mapping, Sequence, Tuple

from repro.records import Record
from repro.rows import Row
from repro.tables.columns import Costs, calculations, configuration, our_accuracies, paper_accuracies
from repro.tables.markdown import markdown_table

MARKER = "<!-- measured on this machine, not published -->"
MAIN = ("minicity", "lite", "full")  # the group whose columns are plainly "ours"


@dataclass(frozen=True)
class _Group:
    """One column group: the records of one data, preset and budget that belong to rows of the table."""

    key: Tuple[str, str, str]
    local: bool
    records: Tuple[Record, ...]

    @property
    def suffix(self) -> str:
        if self.key == MAIN and not self.local:
            return ""
        data, preset, budget = self.key
        words = [data] + ([preset] if preset != MAIN[1] else [])
        words += [budget] if budget != MAIN[2] or self.local else []
        return f" ({', '.join(words + ['this machine'] * self.local)})"


def _groups(rows: Sequence[Row], records: Sequence[Record], local: bool) -> List[_Group]:
    """The records of these rows by group, the main group first (when published, even if it is empty)."""
    specs = {(row.network, training) for row in rows for _, training in row.trainings}
    used = [record for record in records if (record.network, record.training) in specs]
    keys = {record.group for record in used} | (set() if local else {MAIN})
    order = sorted(keys, key=lambda key: (key != MAIN, key[0] != MAIN[0], key))
    return [_Group(key, local, tuple(record for record in used if record.group == key)) for key in order]


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(str(value) for value in sorted(set(values)))


def _range(values: Iterable[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"


def _commit(record: Record) -> str:
    return record.provenance["commit"][:7] + (
        " with uncommitted changes" if record.provenance["dirty"] else ""
    )


def _versions(record: Record) -> str:
    names = {"python": "Python", "mxnet": "MXNet", "numpy": "NumPy", "opencv": "OpenCV"}
    return ", ".join(
        f"{names.get(name, name)} {version}" for name, version in record.provenance["versions"].items()
    )


def _caption(number: int, group: _Group) -> str:
    """Where a group's figures come from, one list item."""
    name = f"ours{group.suffix}"
    if not group.records:
        return f"* **{name}**: not measured yet; `make table{number} BUDGET=full PUBLISH=1` does it.\n"
    records = group.records
    data, preset, budget = group.key
    images = _listed(one["images"] for record in records for one in record.evaluations.values())
    provenances = [record.provenance for record in records]
    warning = (
        " This is a quick check of the whole path, too short to compare rows by." if budget == "quick" else ""
    )
    majorities = _listed(f"{record.majority['mean_iou']:.2f}" for record in records)
    return (
        f"* **{name}**: {data}, {images} images measured, scale {_listed(r.scale for r in records)}, "
        f"width {_listed(r.width for r in records)} (preset {preset}), budget {budget}: "
        f"{_range([r.steps for r in records])} steps, seeds {_listed(r.seed for r in records)}. "
        f"The training set's per-pixel majority map has mean IoU {majorities}.{warning} "
        f"Commit {_listed(map(_commit, records))}; {'; '.join(sorted(set(map(_versions, records))))}; "
        f"{'; '.join(sorted({p['machine'] for p in provenances}))}; "
        f"{_range([p['date'] for p in provenances])}; "
        f"{', '.join(sorted({'`' + p['command'] + '`' for p in provenances}))}.\n"
    )


def _table(number: int, rows: Sequence[Row], paper, costs: Costs, groups: Sequence[_Group]) -> str:
    """Configuration; the paper's and the first group's accuracies in turn; the other groups; calculations."""
    left = configuration(number, rows)
    printed = paper_accuracies(number, rows, paper)
    first, *others = [our_accuracies(number, rows, group.records, group.suffix) for group in groups]
    columns = [column for name in printed for column in (printed[name], first[name])]
    columns += [column for group in others for column in group.values()]
    return markdown_table(left + columns + calculations(number, rows, paper, costs), len(left))


def published_part(
    number: int, rows: Sequence[Row], paper: Mapping[str, Any], costs: Costs, records: Sequence[Record]
) -> str:
    """The committed page of table `number`.

    `paper` has the table's title, claim and printed figures (rows: row id -> figures), `costs` per row id the
    multiply-adds (in the paper's convention, true), `records` what was measured and published.
    """
    groups = _groups(rows, records, local=False)
    return (
        f"# Table {number}. {paper['title']}\n\n"
        f"The paper's claim: {paper['claim']}\n\n"
        "* **paper**: as printed (arXiv 1712.00213), Cityscapes val, 1024×2048. Accuracies on other data "
        "stand beside them, they are not comparable with them.\n"
        f"{''.join(_caption(number, group) for group in groups)}"
        "* **Calc.**: multiply-adds (g: 10^9) of the full-width network at 1024×2048, whatever was trained; "
        "ours in the paper's convention, true with the projection shortcuts counted too.\n\n"
        f"{_table(number, rows, paper['rows'], costs, groups)}"
    )


def page(
    number: int,
    rows: Sequence[Row],
    paper: Mapping[str, Any],
    costs: Costs,
    published: Sequence[Record],
    local: Sequence[Record] = (),
) -> str:
    """The published part and, after MARKER, what this machine measured itself beside it."""
    text = published_part(number, rows, paper, costs, published)
    own = _groups(rows, [record for record in local if record not in published], local=True)
    if not own:
        return text
    groups = [group for group in _groups(rows, published, local=False) if group.records] + own
    return (
        f"{text}\n{MARKER}\n\n## With what this machine measured itself\n\n"
        f"{''.join(_caption(number, group) for group in own)}\n"
        f"{_table(number, rows, paper['rows'], costs, groups)}"
    )
