"""tables/claims.md: the paper's claims beside what the published records say of them."""

from __future__ import annotations

from typing import Any, List, Mapping, Sequence, Tuple

from repro.neighbours import training_name
from repro.records import Record, find
from repro.rows import Row
from repro.tables.claims import CLAIMS, MODEL_A, Claim
from repro.tables.columns import Costs, spread
from repro.tables.comparisons import DOMINATED, FLOAT_ERROR, counted
from repro.tables.groups import Group, caption
from repro.tables.markdown import markdown_table
from repro.tables.verdicts import (
    FAILS,
    HOLDS,
    MISSING,
    OPEN,
    SEEDS,
    SMALL,
    Ours,
    Paper,
    Source,
    quartiles,
    ranges_of,
    regions_active,
    together,
)

DATA = (("minicity", "minicity"), ("camvid", "CamVid"))  # record.data, as headers have it
LONG = ("camvid", "long", "full")

RULE = f"""## The rule

A figure is the mean IoU of a row in the inference that its table has, in points: the mean over its seeds, ± half their
range where it has several. S is the largest range between seeds of any training measured with {SEEDS} seeds or more on
that data. A difference d of two figures is taken for d ± S, one of two gaps for d ± 2S, and a claim about it

* **{HOLDS}** when all of that interval agrees with it,
* **{FAILS}** when none of it does,
* is **{OPEN}** otherwise, as is every gain or loss smaller than S,
* is **{MISSING}** while a record is missing.

Better and worse ask for d above or below 0. Alike, no worse, no better, and little ask for d within {SMALL} points:
what the paper calls limited or none is 1.41 at most, what it calls significant is 3; where S is above that, likeness
cannot be shown, only refuted. Of several differences each must agree, and one that does not is enough. A sequence holds
when its last figure is above its first, by the same rule, and no step falls by S or more. Classic and fast inference
of an ISCTF network share parameters: there the largest difference must be below {FLOAT_ERROR} (float error), whatever
S is. z2 is judged by the S of z2; below {DOMINATED} the half column dominates, and once is sometimes. Costs are
counted. Of the paper's own figures, with S = 0, the rule says "{HOLDS}" for every claim that has figures (a test).
"""


def _claims(claims: Sequence[Claim], sources: Sequence[Tuple[str, Source]]) -> str:
    """The table: text and place, the figures of each source, and a verdict on all but the paper."""
    columns = [("Claim", [claim.text for claim in claims]), ("Section, table", [claim.where for claim in claims])]
    for name, source in sources:
        texts = [[one.text(source) for one in claim.comparisons] for claim in claims]
        columns.append((name, ["; ".join(dict.fromkeys(text for text in some if text)) for some in texts]))
        if isinstance(source, Ours):
            verdicts = [[one.verdict(source) for one in claim.comparisons] for claim in claims]
            columns.append((f"Verdict, {name}", [together([v for v in one if v]) for one in verdicts]))
    return markdown_table(columns, len(columns))


def _spread(name: str, source: Ours) -> str:
    """S of one data set, as a list item."""
    ranges = ranges_of(source.records, "mean_iou")
    if not ranges:
        return f"* S on {name}: unknown, no training has {SEEDS} seeds yet; so no difference is decided there.\n"
    width, record, inference = max(ranges, key=lambda one: one[0])
    several = {(one.network, one.training) for _, one, _ in ranges}
    return (f"* S on {name}: {width:.2f} points, from {counted(len(several), 'training')} with {SEEDS} seeds or more "
            f"({training_name(record.network, record.training)}, {inference}).\n")


def _long_run(network, records: Sequence[Record], anchors: Mapping[str, Any]) -> str:
    """The long training of Model A beside published figures of small networks, as a list item."""
    found = [record for record in records if record.group == LONG and record.network == network]
    known = "; ".join(f"{name} {one['mean_iou']} {'with' if one['imagenet'] else 'without'} ImageNet weights, "
                      f"{one['source']}" for name, one in anchors.items())
    texts = [f"{record.evaluations['fast']['mean_iou']:.2f} mean IoU (width {record.width}, {record.steps} steps "
             f"{'from a pre-trained backbone' if record.training.pretrained else 'from scratch'}"
             f"{', bootstrapping' if record.training.bootstrapping else ''}, seed {record.seed}, "
             f"{record.evaluations['fast']['images']} images)" for record in found]
    return f"* Long run, Model A on CamVid: {'; '.join(texts) or MISSING}. Published anchors: {known}.\n"


def _distributions(tables: Mapping[str, Sequence[Row]], sources: Sequence[Tuple[str, Ours]]) -> str:
    """Per data set and ISCTF row: k against all regions with s > 0, in accuracy and number."""
    lines: List[List[str]] = []
    seen = set()
    for name, source in sources:
        for network, training in [(row.network, training) for rows in tables.values() for row in rows
                                  for _, training in row.trainings]:
            found = [one for one in find(source.records, network, training) if "active" in one.evaluations]
            counts = regions_active(found)
            if not counts or (name, network, training) in seen:
                continue
            seen.add((name, network, training))
            active = [record.evaluations["active"] for record in found]
            number = sum(n * images for n, images in counts.items()) / sum(counts.values())
            low, first, median, third, high = quartiles(counts)
            lines.append([
                name, training_name(network, training), f"{training.k(active[0]['regions'])}/{active[0]['regions']}",
                spread([record.evaluations["fast"]["mean_iou"] for record in found]),
                spread([one["mean_iou"] for one in active]),
                f"{number:.1f}", str(low), f"{first} / {median} / {third}", str(high)])
    headers = ("Data", "Training", "k", "Mean IoU, k", "Mean IoU, s > 0", "Mean number", "Min", "Quartiles", "Max")
    table = markdown_table([(header, [line[i] for line in lines]) for i, header in enumerate(headers)], 2)
    return ("## A variable number of regions\n\nAll regions with s > 0 computed, however many an image has, against "
            "the k of the largest s; numbers over the test images of all seeds. Older records lack this evaluation.\n\n"
            + (table if lines else f"{MISSING}\n"))


def _notes(claims: Sequence[Claim]) -> str:
    return "## Notes\n\n" + "".join(f"* *{claim.text}.* {claim.note}\n" for claim in claims if claim.note)


def claims_page(tables: Mapping[str, Sequence[Row]], published: Mapping[str, Any], costs: Costs,
                records: Sequence[Record]) -> str:
    """The page, from the rows of each table by name, the paper's figures, Table 5's costs, and published records."""
    rows = {(name, row.id): row for name, some in tables.items() for row in some}
    groups = [Group((data, "lite", "full"), False, tuple(r for r in records if r.group == (data, "lite", "full")))
              for data, _ in DATA]
    ours = [(name, Ours(data, group.records, rows, costs)) for (data, name), group in zip(DATA, groups)]
    model_a = rows["table4", MODEL_A].network
    long = Group(LONG, False, tuple(r for r in records if r.group == LONG and r.network == model_a))
    remarks = "".join(f"* {remark}\n" for remark in published["remarks"])
    captions = "".join(caption(group, "table1 … table5, ablations") for group in groups + [long] * bool(long.records))
    return (
        "# The paper's claims, and what was measured of them\n\n"
        "Rendered from the records in tables/results/ by `make tables`. The paper's figures are of full-width networks "
        "on Cityscapes val; ours of quarter-width ones, trained for minutes on other data; they say how rows compare "
        "under equal conditions, no more. The verdicts are computed by the rule below.\n\n"
        f"{''.join(_spread(name, source) for name, source in ours)}"
        f"{_long_run(model_a, records, published['anchors'])}\n"
        f"{_claims(CLAIMS, [('Paper (Cityscapes)', Paper(published)), *ours])}\n"
        f"{RULE}\n{_notes(CLAIMS)}\n{_distributions(tables, ours)}\n"
        "## Where the paper's text and its tables differ\n\n"
        f"{remarks}\n"
        f"## Where the figures come from\n\n{captions}"
    )
