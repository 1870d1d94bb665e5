"""tables/claims.md: the paper's claims beside what the published records say of them."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

from repro.config.rows import Row, training_name
from repro.records import Record, find, several
from repro.tables.claims import CLAIMS, MODEL_A
from repro.tables.columns import Costs, spread
from repro.tables.comparisons import DOMINATED, FLOAT_ERROR, LISTED, counted, regions_active
from repro.tables.groups import Group, caption
from repro.tables.intervals import DRAWS
from repro.tables.markdown import Column, markdown_table, table_of
from repro.tables.verdicts import FAILS, HOLDS, MISSING, OPEN, SMALL, Ours, Paper

GROUPS = {"minicity": ("minicity", "lite", "full"), "CamVid": ("camvid", "street", "full")}  # as headers have them
LONG = "full+steps"  # how the budget of a longer training begins, of STEPS=

RULE = f"""## The rule

It was fixed before the rows of CamVid were measured (docs/training.md), and what s is of gaps and within a training
before their records were published. A figure is the mean IoU of a row in the inference that its table has, in points:
the mean over its seeds, ± half their range where it has several. A difference d is taken seed by seed, over the seeds
that both rows have: rows of one seed see the same batches in the same order.
Beside it stand, as far as they are known, two intervals of 90%:

* **t**: d ± t(0.95) s / √n, for n seeds and s the pooled standard deviation of all differences between two trainings of
  that data measured with several seeds; a difference of two gaps has √2 s. Two inferences of one training are compared
  within each training: s is that of the same two inferences of the fusion's trainings, where some has several seeds.
* **images**: a bootstrap over the test images, whole sequences (the part of a file's name before "_") drawn with
  replacement, {DRAWS} draws; single images where all are of one sequence. It says how much d depends on these images,
  and decides nothing. CamVid's 233 test images are of two sequences, so there the interval says little
  more than in which of them d is lower.

A claim about d

* **{HOLDS}** when all of t's interval agrees with it,
* **{FAILS}** when none of it does,
* is **{OPEN}** otherwise, and while s is unknown,
* is **{MISSING}** while a record is missing.

Better and worse ask for d above or below 0. Alike, no worse, no better, and little ask for d within {SMALL} points:
what the paper calls limited or none is 1.41 at most, what it calls significant is 3. Of several differences each must
agree, and one that does not is enough; beyond {LISTED}, their intervals are given by the outermost bounds. Of figures
claimed to be alike the highest and the lowest are compared. A sequence holds when its last figure is above its first,
by the same rule, and no step clearly falls. Classic and fast inference of an ISCTF network share parameters: there the
largest difference must be below {FLOAT_ERROR} (float error). "p is a loose constraint" fails if less than one region
lies between the quartiles of the number of regions with s > 0 and its mean is within half a region of p times their
number. z2 is judged by the deviation of z2; below {DOMINATED} the half column dominates, and once is sometimes. Costs
are counted. Of the paper's own figures, taken as they are, the rule says "{HOLDS}" for every claim that has figures (a
test).
"""


def sources_of(rows: Mapping[Tuple[str, str], Row], costs: Costs, records: Sequence[Record],
               images: Callable[[Record], Mapping[str, Any]]) -> Dict[str, Ours]:
    """Return the records of each of GROUPS, by its header; arguments as Ours takes them, records of any group."""
    return {name: Ours(group[0], tuple(one for one in records if one.group == group), rows, costs, images)
            for name, group in GROUPS.items()}


def _claims(paper: Paper, ours: Mapping[str, Ours]) -> str:
    """Return the table: text and place, the figures of each source, and a verdict on all but the paper."""
    columns: List[Column] = [("Claim", [claim.text for claim in CLAIMS]),
                             ("Section, table", [claim.where for claim in CLAIMS]),
                             ("Paper (Cityscapes)", [claim.told(paper)[0] for claim in CLAIMS])]
    for name, source in ours.items():
        texts, verdicts = zip(*(claim.told(source) for claim in CLAIMS))
        columns += [(name, texts), (f"Verdict, {name}", verdicts)]
    return markdown_table(columns, len(columns))


def differences(remarks: Sequence[str]) -> str:
    """Return where the paper's text and its tables differ, as a list."""
    return "".join(f"* {remark}\n" for remark in remarks)


def _deviation(name: str, source: Ours) -> str:
    """Return the pooled deviation of one data set, as a list item."""
    found = source.between_rows("mean_iou")
    if found is None:
        return (f"* Pooled deviation on {name}: unknown, no two trainings have several seeds yet; so no difference of "
                "rows is decided there.\n")
    trainings = counted(len(several(source.records)), "training")
    return (f"* Pooled deviation on {name}: {found[0]:.2f} points between two rows of one seed, from {trainings} with "
            f"several seeds ({found[1]} degrees of freedom).\n")


def _long_run(records: Sequence[Record], anchors: Mapping[str, Any]) -> str:
    """Return the long training of Model A beside published figures of small networks, as a list item."""
    known = "; ".join(f"{name} {one['mean_iou']} {'with' if one['imagenet'] else 'without'} ImageNet weights, "
                      f"{one['source']}" for name, one in anchors.items())
    texts = [f"{record.evaluations['fast']['mean_iou']:.2f} mean IoU (width {record.width}, {record.steps} steps "
             f"{'from a pre-trained backbone' if record.training.pretrained else 'from scratch'}"
             f"{', bootstrapping' if record.training.bootstrapping else ''}, seed {record.seed}, "
             f"{record.evaluations['fast']['images']} images)" for record in records]
    return f"* Long run, Model A on CamVid: {'; '.join(texts) or MISSING}. Published anchors: {known}.\n"


def _distributions(tables: Mapping[str, Sequence[Row]], sources: Mapping[str, Ours]) -> str:
    """Return per data set and ISCTF row k against all regions with s > 0, in accuracy and number."""
    trainings = dict.fromkeys((row.network, training) for rows in tables.values() for row in rows
                              for _, training in row.trainings)
    lines = []
    for name, source in sources.items():
        for network, training in trainings:
            found = [one for one in find(source.records, network, training) if "active" in one.evaluations]
            numbers = regions_active(found)
            if numbers:
                active = [record.evaluations["active"] for record in found]
                regions, (low, first, median, third, high) = active[0]["regions"], numbers.parts
                lines.append((
                    name, training_name(network, training), f"{training.k(regions)}/{regions}",
                    spread([record.evaluations["fast"]["mean_iou"] for record in found]),
                    spread([one["mean_iou"] for one in active]), f"{numbers.mean:.1f}", low,
                    f"{first} / {median} / {third}", high))
    headers = ("Data", "Training", "k", "Mean IoU, k", "Mean IoU, s > 0", "Mean number", "Min", "Quartiles", "Max")
    table = table_of(lines, 2, *((header, itemgetter(at)) for at, header in enumerate(headers)))
    return ("## A variable number of regions\n\nAll regions with s > 0 computed, however many an image has, against "
            "the k of the largest s; numbers over the test images of all seeds.\n\n"
            + (table if lines else f"{MISSING}\n"))


def claims_page(tables: Mapping[str, Sequence[Row]], published: Mapping[str, Any], costs: Costs,
                records: Sequence[Record], images: Callable[[Record], Mapping[str, Any]] = lambda record: {}) -> str:
    """Return the page, from the rows of each table by name, the paper's figures, Table 5's costs, published records,
    and what their images gave (as Ours.images)."""
    rows = {(name, row.id): row for name, some in tables.items() for row in some}
    ours = sources_of(rows, costs, records, images)
    model_a = rows["table4", MODEL_A].network
    long = [one for one in records if one.network == model_a and one.budget.startswith(LONG)
            and one.group[:2] == GROUPS["CamVid"][:2]]
    groups = [Group(GROUPS[name], False, source.records) for name, source in ours.items()]
    groups += [Group(one.group, False, (one,)) for one in long]
    captions = "".join(caption(group, "table1 … table5, ablations") for group in groups)
    notes = "".join(f"* *{claim.text}.* {claim.note}\n" for claim in CLAIMS if claim.note)
    return (
        "# The paper's claims, and what was measured of them\n\n"
        "Rendered from the records in tables/results/ by `make tables`. The paper's figures are of full-width networks "
        "on Cityscapes val; ours of narrower ones on other data (minicity: drawn scenes, minutes of training; CamVid: "
        "docs/training.md); they say how rows compare, no more. The verdicts are computed by the rule below.\n\n"
        f"{''.join(_deviation(name, source) for name, source in ours.items())}"
        f"{_long_run(long, published['anchors'])}\n"
        f"{_claims(Paper(published), ours)}\n"
        f"{RULE}\n## Notes\n\n{notes}\n{_distributions(tables, ours)}\n"
        "## Where the paper's text and its tables differ\n\n"
        f"{differences(published['remarks'])}\n"
        f"## Where the figures come from\n\n{captions}"
    )
