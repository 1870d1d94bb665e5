"""The columns of the tables: configuration, the paper's figures, ours."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from repro.config.networks import HEIGHT, WIDTH, AnyNetwork
from repro.config.rows import Row, Training
from repro.records import Record, find
from repro.tables.groups import NO_COARSE, Group
from repro.tables.markdown import Column

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


def giga(multiply_adds: float) -> str:
    """Multiply-adds in 10^9 as the paper prints them: three significant digits (786, 77.0, 31.5), no unit."""
    value = multiply_adds / 1e9
    return f"{value:.0f}" if value >= 999.5 else f"{value:#.3g}".rstrip(".")


def reduction(new: str, old: str) -> str:
    """The change between printed figures in percent, truncated to one decimal as in Table 5.

    31.5 of 77.0 is -59.0%.
    """
    change = (Decimal(new) - Decimal(old)) / Decimal(old) * 100
    return f"{change.quantize(Decimal('0.1'), rounding=ROUND_DOWN):+}%"


def configuration(table: Table, rows: Sequence[Row]) -> List[Column]:
    """What tells the rows of a table apart, as the paper's left-hand columns print it."""
    kinds: Dict[Table, Callable[[Sequence[Row]], List[Column]]] = {
        1: _dilations, 2: _inputs, 3: _sparsity, 4: _units, 5: _approach, ABLATIONS: _equations}
    return kinds[table](rows)


def _column(header: str, rows: Sequence[Row], cell) -> Column:
    return header, [cell(row) for row in rows]


def _tick(condition, otherwise: str = "") -> str:
    return TICK if condition else otherwise


def _dilations(rows: Sequence[Row]) -> List[Column]:
    """Output stride 8 dilates levels 4 and 5 and leaves one up-sampling; 32 dilates none and leaves three."""
    columns = [
        _column(f"Dilation {level}", rows, lambda row, s=stride: _tick(s and row.network.output_stride <= s))
        for level, stride in ((1, 0), (2, 0), (3, 0), (4, 8), (5, 16))
    ]
    return columns + [
        _column(f"1/{2 * s}→1/{s}", rows, lambda row, s=s: _tick(row.network.output_stride > s, NONE))
        for s in (16, 8, 4)
    ]


def _inputs(rows: Sequence[Row]) -> List[Column]:
    scales = ((0.25, "1/4×"), (0.5, "1/2×"), (1.0, "full"), (2.0, "2×"))
    return _approach(rows, "Fusion approach") + [
        _column(name, rows, lambda row, s=scale: _tick(s in [column.scale for column in row.network.columns]))
        for scale, name in scales
    ]


def _sparsity(rows: Sequence[Row]) -> List[Column]:
    return _approach(rows, "Approach to sparsity") + [
        _column("p", rows, lambda row: f"{row.training.p:g}"),
        _column("λ", rows, lambda row: NONE if row.training.lam is None else f"{row.training.lam:g}"),
        _column("Input size", rows, lambda row: f"{HEIGHT}×{WIDTH}"),
        _column("Region size", rows, lambda row: str(row.network.region)),
        _column("Computed", rows, lambda row: f"{row.k(row.network.regions)}/{row.network.regions}"),
    ]


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

    columns = []
    for name, index in (("1×", -1), ("1/2×", 0)):
        columns.append(_column(f"{name}: removed", rows, lambda row, i=index: removed(row, i)))
        columns.append(
            _column(
                f"{name}: levels 2-5",
                rows,
                lambda row, i=index: "-".join(map(str, row.network.columns[i].units)),
            )
        )
    return columns


def _approach(rows: Sequence[Row], header: str = "Approach") -> List[Column]:
    return [_column(header, rows, lambda row: row.label or row.network.fusion)]


def _values(
    records: Sequence[Record], network: AnyNetwork, training: Training, inference: str, key: str
) -> List[float]:
    """One figure of each seed's record; empty where this was not measured."""
    found = find(records, network, training)
    return [record.evaluations[inference][key] for record in found if inference in record.evaluations]


def computed(table: Table, rows: Sequence[Row], groups: Sequence[Group]) -> List[Column]:
    """Table 3's "Computed" for each group that was measured on another grid of regions than the paper's."""
    columns: List[Column] = []
    for group in groups if table in (3, ABLATIONS) else ():
        pairs = []
        for row in rows:
            k, regions = (
                _values(group.records, row.network, row.training, row.inference, key) for key in ("k", "regions")
            )
            pairs.append((k[0], regions[0]) if k else None)
        if any(pair and pair[1] != row.network.regions for row, pair in zip(rows, pairs)):
            cells = ["{}/{}".format(*pair) if pair else NOT_MEASURED for pair in pairs]
            columns.append((f"Computed{group.suffix}", cells))
    return columns


def spread(values: Sequence[float]) -> str:
    """Percentages as one cell: the value, or mean ± half the range (n seeds)."""
    if not values:
        return NOT_MEASURED
    mean = sum(values) / len(values)
    half = (max(values) - min(values)) / 2
    return f"{mean:.2f}" if len(values) == 1 else f"{mean:.2f} ± {half:.2f} ({len(values)} seeds)"


def _printed(value, form: str = "{:.2f}") -> str:
    return NONE if value is None else form.format(value)


def paper_accuracies(table: Table, rows: Sequence[Row], paper: Paper) -> Dict[str, Column]:
    """The paper's accuracy columns by name, with Table 4's and Table 5's own; none where it has no figures."""
    if not paper:
        return {}
    columns = {
        name: _column(f"{name} paper", rows, lambda row, k=key: _printed(paper[row.id][k]))
        for name, key in METRICS + (EXTRAS if table == 4 else ())
    }
    if table == 5:
        columns.update(
            {
                name: _column(f"{name} paper", rows, lambda row, k=key: _printed(paper[row.id][k], "{}"))
                for name, key in DELTAS
            }
        )
    return columns


def our_accuracies(table: Table, rows: Sequence[Row], group: Group) -> Dict[str, Column]:
    """Measured accuracy columns of one group of records by name; headers end in "ours" and its suffix.

    A training on coarse labels is "-" for data that has none.
    """

    def impossible(training):
        return training is None or (training.coarse and group.key[0] in NO_COARSE)

    def values(row, key, training):
        return [] if impossible(training) else _values(group.records, row.network, training, row.inference, key)

    def cell(row, key, training):
        return NONE if impossible(training) else spread(values(row, key, training))

    def header(name):
        return f"{name} ours{group.suffix}"

    columns = {
        name: _column(header(name), rows, lambda row, k=key: cell(row, k, row.training)) for name, key in METRICS
    }
    if table == 4:
        columns.update(
            {
                name: _column(header(name), rows, lambda row, k=key: cell(row, "mean_iou", dict(row.extra).get(k)))
                for name, key in EXTRAS
            }
        )
    if table == 5:
        measured = [values(row, "mean_iou", row.training) for row in rows]
        means = [sum(one) / len(one) if one else None for one in measured]
        for name, references in zip((name for name, _ in DELTAS), _references(rows)):
            cells = [
                NONE if reference is None or impossible(row.training) else _difference(mean, means[reference])
                for row, mean, reference in zip(rows, means, references)
            ]
            columns[name] = header(name), cells
    return columns


def _references(rows: Sequence[Row]) -> Tuple[List[Optional[int]], List[Optional[int]]]:
    """Per row of Table 5 the index of the row that Δ, and that overall Δ, is to; None up to the base row."""
    base = [row.id for row in rows].index(ABLATION_BASE)
    after = range(len(rows) - base - 1)
    return [None] * (base + 1) + [base + i for i in after], [None] * (base + 1) + [base for _ in after]


def _difference(new: Optional[float], old: Optional[float]) -> str:
    return NOT_MEASURED if new is None or old is None else f"{new - old:+.2f}"


def calculations(table: Table, rows: Sequence[Row], paper: Paper, costs: Costs) -> List[Column]:
    """Calc. paper, ours (the paper's convention), Table 5's percentages, true (shortcuts counted)."""
    ours = [giga(costs[row.id][0]) for row in rows]
    columns = [_column("Calc. paper", rows, lambda row: _printed(paper[row.id]["calc"], "{}g"))] if paper else []
    columns += [("Calc. ours", [f"{text}g" for text in ours])]
    if table == 5:
        for (name, key), references in zip(DELTAS, _references(rows)):
            cells = [
                NONE if reference is None or ours[reference] == text else reduction(text, ours[reference])
                for text, reference in zip(ours, references)
            ]
            columns.append(
                _column(
                    f"Calc. {name} paper", rows, lambda row, k=key: _printed(paper[row.id][f"calc_{k}"], "{}")
                )
            )
            columns.append((f"Calc. {name} ours", cells))
    return columns + [_column("Calc. true", rows, lambda row: f"{giga(costs[row.id][1])}g")]
