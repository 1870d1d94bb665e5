"""The columns of the tables: configuration, the paper's figures, ours."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from repro.config.networks import HEIGHT, WIDTH
from repro.config.rows import Row, Training
from repro.records import Record, by_seed, find
from repro.tables.groups import NO_COARSE, Group
from repro.tables.markdown import Column
from repro.tables.speed import calc, giga

RESNET50 = (3, 4, 6, 3)
NONE, NOT_MEASURED, TICK = "-", "not measured", "✓"
ABLATIONS = "ablations"  # the page of experiments/ablations.yaml: Eq. (3) beside Eq. (4), not in the paper's tables
ABLATION_BASE = "max"  # the row that Table 5's overall differences are to
METRICS = (("Pixel acc.", "pixel_acc"), ("Mean acc.", "mean_acc"), ("Mean IoU", "mean_iou"))
EXTRAS = (("Mean IoU + bs.", "bootstrapping"), ("Mean IoU + coarse", "coarse"))  # Table 4
DELTAS = (("Δ", "delta"), ("Overall Δ", "overall"))  # Table 5

Table = Union[int, str]  # 1 to 5, or ABLATIONS
Paper = Mapping[str, Mapping[str, Any]]  # row id -> the paper's figures; empty for the ablations
Costs = Mapping[str, Tuple[int, int]]  # row id -> multiply-adds: (paper's convention, true)


def reduction(new: str, old: str) -> str:
    """Return the change between printed figures in percent, truncated to one decimal as in Table 5.

    31.5 of 77.0 is -59.0%.
    """
    change = (Decimal(new) - Decimal(old)) / Decimal(old) * 100
    return f"{change.quantize(Decimal('0.1'), rounding=ROUND_DOWN):+}%"


def configuration(table: Table, rows: Sequence[Row]) -> List[Column]:
    """Return what tells the rows of a table apart, as the paper's left-hand columns print it."""
    kinds: Dict[Table, Callable[[Sequence[Row]], List[Column]]] = {
        1: _dilations, 2: _inputs, 3: _sparsity, 4: _units, 5: _approach, ABLATIONS: _equations}
    return kinds[table](rows)


def _column(header: str, rows: Sequence[Row], cell) -> Column:
    return header, [cell(row) for row in rows]


def _tick(condition, otherwise: str = "") -> str:
    return TICK if condition else otherwise


def _dilations(rows: Sequence[Row]) -> List[Column]:
    """Return them of Table 1: stride 8 dilates levels 4 and 5, and leaves one up-sampling; 32 none, and three."""
    return [
        *(_column(f"Dilation {level}", rows, lambda row, s=stride: _tick(s and row.network.output_stride <= s))
          for level, stride in ((1, 0), (2, 0), (3, 0), (4, 8), (5, 16))),
        *(_column(f"1/{2 * s}→1/{s}", rows, lambda row, s=s: _tick(row.network.output_stride > s, NONE))
          for s in (16, 8, 4))]


def _inputs(rows: Sequence[Row]) -> List[Column]:
    scales = ((0.25, "1/4×"), (0.5, "1/2×"), (1.0, "full"), (2.0, "2×"))
    return _approach(rows, "Fusion approach") + [
        _column(name, rows, lambda row, s=scale: _tick(s in [column.scale for column in row.network.columns]))
        for scale, name in scales]


def _sparsity(rows: Sequence[Row]) -> List[Column]:
    return _approach(rows, "Approach to sparsity") + [
        _column("p", rows, lambda row: f"{row.training.p:g}"),
        _column("λ", rows, lambda row: NONE if row.training.lam is None else f"{row.training.lam:g}"),
        _column("Input size", rows, lambda row: f"{HEIGHT}×{WIDTH}"),
        _column("Region size", rows, lambda row: str(row.network.region)),
        _column("Computed", rows, lambda row: f"{row.k(row.network.regions)}/{row.network.regions}")]


def _equations(rows: Sequence[Row]) -> List[Column]:
    approach, p, lam, _, region, kept = _sparsity(rows)
    equation = _column("Equation", rows, lambda row: f"({row.training.equation})" if row.training.lam else NONE)
    return [approach, equation, p, lam, region, kept,
            _column("Bootstrapping", rows, lambda row: _tick(row.training.bootstrapping)),
            _column("Pre-trained", rows, lambda row: _tick(row.training.pretrained))]


def _units(rows: Sequence[Row]) -> List[Column]:
    def removed(row, index):
        gone = sum(RESNET50) - sum(row.network.columns[index].units)
        return str(gone) if row.training.pretrained else f"{NONE} (from scratch)"

    def left(row, index):
        return "-".join(map(str, row.network.columns[index].units))
    return [_column(f"{name}: {what}", rows, lambda row, cell=cell, i=index: cell(row, i))
            for name, index in (("1×", -1), ("1/2×", 0)) for what, cell in (("removed", removed), ("levels 2-5", left))]


def _approach(rows: Sequence[Row], header: str = "Approach") -> List[Column]:
    return [_column(header, rows, lambda row: row.label or row.network.fusion)]


def _values(records: Sequence[Record], row: Row, training: Training, key: str) -> List[float]:
    """Return one figure of each seed's record, in the row's inference; empty where this was not measured."""
    return [*by_seed(find(records, row.network, training), key, row.inference).values()]


def computed(table: Table, rows: Sequence[Row], groups: Sequence[Group]) -> List[Column]:
    """Return Table 3's "Computed" for each group that was measured on another grid of regions than the paper's."""
    columns: List[Column] = []
    for group in groups if table in (3, ABLATIONS) else ():
        k, regions = ([next(iter(_values(group.records, row, row.training, key)), None) for row in rows]
                      for key in ("k", "regions"))
        if any(found and found != row.network.regions for row, found in zip(rows, regions)):
            columns.append((f"Computed{group.suffix}", [
                NOT_MEASURED if one is None else f"{one}/{of}" for one, of in zip(k, regions)]))
    return columns


def spread(values: Sequence[float]) -> str:
    """Return percentages as one cell: the value, or mean ± half the range (n seeds)."""
    if not values:
        return NOT_MEASURED
    mean = sum(values) / len(values)
    half = (max(values) - min(values)) / 2
    return f"{mean:.2f}" if len(values) == 1 else f"{mean:.2f} ± {half:.2f} ({len(values)} seeds)"


def _printed(rows: Sequence[Row], paper: Paper, name: str, key: str, form: str = "{}") -> Column:
    """Return a column of the paper's figures."""
    return _column(f"{name} paper", rows, lambda row: NONE if paper[row.id][key] is None else form.format(
        paper[row.id][key]))


def paper_accuracies(table: Table, rows: Sequence[Row], paper: Paper) -> Dict[str, Column]:
    """Return the paper's accuracy columns by name, with Table 4's and Table 5's own; none where it has no figures."""
    if not paper:
        return {}
    columns = {name: _printed(rows, paper, name, key, "{:.2f}") for name, key in METRICS + EXTRAS * (table == 4)}
    return {**columns, **{name: _printed(rows, paper, name, key) for name, key in DELTAS * (table == 5)}}


def our_accuracies(table: Table, rows: Sequence[Row], group: Group) -> Dict[str, Column]:
    """Return measured accuracy columns of one group of records by name; headers end in "ours" and its suffix.

    A training on coarse labels is "-" for data that has none.
    """
    def impossible(training):
        return training is None or (training.coarse and group.key[0] in NO_COARSE)

    def cell(row, key, training):
        return NONE if impossible(training) else spread(_values(group.records, row, training, key))
    columns = {name: [cell(row, key, row.training) for row in rows] for name, key in METRICS}
    if table == 4:
        columns.update({name: [cell(row, "mean_iou", dict(row.extra).get(key)) for row in rows]
                        for name, key in EXTRAS})
    if table == 5:
        measured = [_values(group.records, row, row.training, "mean_iou") for row in rows]
        means = [sum(one) / len(one) if one and not impossible(row.training) else None
                 for row, one in zip(rows, measured)]
        for (name, _), references in zip(DELTAS, _references(rows)):
            columns[name] = [NONE if at is None or impossible(row.training) else _difference(mean, means[at])
                             for row, mean, at in zip(rows, means, references)]
    return {name: (f"{name} ours{group.suffix}", cells) for name, cells in columns.items()}


def _references(rows: Sequence[Row]) -> Tuple[List[Optional[int]], List[Optional[int]]]:
    """Return per row of Table 5 the index of the row that Δ, and that overall Δ, is to; None up to the base row."""
    base = [row.id for row in rows].index(ABLATION_BASE)
    after = range(len(rows) - base - 1)
    return [None] * (base + 1) + [base + i for i in after], [None] * (base + 1) + [base for _ in after]


def _difference(new: Optional[float], old: Optional[float]) -> str:
    return NOT_MEASURED if new is None or old is None else f"{new - old:+.2f}"


def calculations(table: Table, rows: Sequence[Row], paper: Paper, costs: Costs) -> List[Column]:
    """Return Calc. paper, ours (the paper's convention), Table 5's percentages, true (shortcuts counted)."""
    ours = [giga(costs[row.id][0]) for row in rows]
    columns = [_printed(rows, paper, "Calc.", "calc", "{}g")] if paper else []
    columns += [("Calc. ours", [f"{text}g" for text in ours])]
    for (name, key), references in zip(DELTAS, _references(rows) if table == 5 else ()):
        columns += [_printed(rows, paper, f"Calc. {name}", f"calc_{key}"), (f"Calc. {name} ours", [
            NONE if at is None or ours[at] == text else reduction(text, ours[at])
            for text, at in zip(ours, references)])]
    return columns + [_column("Calc. true", rows, lambda row: calc(costs[row.id][1]))]
