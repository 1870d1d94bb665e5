"""What `make tables` writes into README.md, docs/{reproducibility,training}.md and the cards, between markers."""

from __future__ import annotations

from statistics import fmean
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from repro.config.rows import Row, training_name
from repro.errors import UserError
from repro.records import Record, find
from repro.tables import index
from repro.tables.claims import CLAIMS
from repro.tables.claims_page import sources_of
from repro.tables.columns import Costs, calculations, configuration, our_accuracies, paper_accuracies, spread
from repro.tables.groups import MAIN, Group, listed
from repro.tables.markdown import markdown_table, table_of
from repro.tables.speed import commit
from repro.tables.verdicts import FAILS, HOLDS, MISSING, OPEN

WORDS = (HOLDS, FAILS, OPEN, MISSING)
STREETS = ("camvid", "street")  # data and preset of real streets
SMALL = ("pole", "sign/symbol", "fence", "pedestrian", "bicyclist")
HEADLINE = {
    "Mean IoU paper": "Mean IoU, paper (Cityscapes)", "Mean IoU ours": "Mean IoU, ours (minicity, lite)",
    "Calc. paper": "Calc., paper", "Calc. ours": "Calc., ours", "Calc. true": "Calc. with shortcuts"}
FEW = ("table1, stride8", "table1, stride32", "table2, max-half-full", "table3, isctf-sparse-p0.25-l0.001-r256",
       "table4, 1120-1241", "table4, 1120-1241, bootstrapping")  # of real streets, the README's


def with_block(text: str, name: str, block: str, place: str) -> str:
    """Return `text` with what stands between the markers of `name` replaced; UserError where they are not there."""
    begin, end = f"<!-- {name}: written by `make tables` -->\n", f"<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise UserError(f"{place}: the markers {begin.strip()} and {end} are not there")
    return f"{before}{begin}\n{block.strip()}\n\n{end}{after}"


def headline(rows: Sequence[Row], paper: Mapping[str, Any], costs: Costs, records: Sequence[Record]) -> str:
    """Return Table 5 in five columns, from the rows, published figures, costs and records of its page."""
    ours = Group(MAIN, False, tuple(record for record in records if record.group == MAIN))
    columns = [*paper_accuracies(5, rows, paper["rows"]).values(), *our_accuracies(5, rows, ours).values(),
               *calculations(5, rows, paper["rows"], costs)]
    chosen = [(HEADLINE[name], cells) for name, cells in columns if name in HEADLINE]
    return markdown_table(configuration(5, rows) + chosen, 1)


def streets_block(rows: Mapping[Tuple[str, str], Row], records: Sequence[Record], few: bool = False) -> str:
    """Return a line for each training measured on real streets, under the first row that has it, in its inference.

    Percentages are means over its seeds. few: of FEW alone.
    """
    found: Dict[Tuple[str, ...], Tuple[str, List[Record], List[Mapping[str, Any]]]] = {}
    for group in sorted({one.group for one in records if (one.data, one.preset) == STREETS}):
        for (table, row_id), row in rows.items():
            for extra, training in row.trainings:
                name = f"{table}, {row_id}{f', {extra}' if extra else ''}"
                of_it = [*find(records, row.network, training, group)]
                if of_it and (not few or name in FEW):
                    found.setdefault((*group, training_name(row.network, training)), (
                        name, of_it, [one.evaluations[row.inference] for one in of_it]))
    return table_of(
        [*found.values()], 1,
        ("Row", lambda line: line[0]), ("Seeds", lambda line: listed(one.seed for one in line[1])),
        ("Steps", lambda line: listed(one.steps for one in line[1])),
        ("Mean IoU", lambda line: spread([one["mean_iou"] for one in line[2]])),
        ("Pixel acc.", lambda line: f"{fmean(one['pixel_acc'] for one in line[2]):.1f}"),
        (", ".join(SMALL).capitalize(), lambda line: ", ".join(
            f"{fmean(one['class_iou'][name] for one in line[2]):.0f}" for name in SMALL)),
        ("Pixels of small objects in computed regions; by a fixed map", lambda line: _held(line[2])),
        ("Core-minutes", lambda line: f"{fmean(one.train['core_seconds'] for one in line[1]) / 60:.0f}"))


def _held(evaluations: Sequence[Mapping[str, Any]]) -> str:
    if "selection" not in evaluations[0]:
        return "-"
    objects, area, fixed = (fmean(one["selection"][key] for one in evaluations) for key in ("objects", "area", "fixed"))
    return f"{objects:.1f}% in {area:.1f}% of the area, {objects / area:.2f} times chance; {fixed:.1f}%"


def verdicts(rows: Mapping[Tuple[str, str], Row], costs: Mapping[str, Tuple[int, int]], records: Sequence[Record],
             images: index.Images) -> Dict[str, Sequence[str]]:
    """Return the verdict on each of CLAIMS by data, as tables/claims.md has them."""
    return {name: [claim.told(source)[1] for claim in CLAIMS]
            for name, source in sources_of(rows, costs, records, images).items()}


def claims_block(found: Mapping[str, Sequence[str]]) -> str:
    """Return the verdicts as a table, and how many there are of each."""
    counts = [("Verdict", list(WORDS))] + [(name, [str(some.count(word)) for word in WORDS])
                                           for name, some in found.items()]
    return f"{markdown_table(counts, 1)}\n" + markdown_table(
        [("Claim", [one.text for one in CLAIMS]), ("Section, table", [one.where for one in CLAIMS]), *found.items()], 4)


def compute_block(lines: Sequence[index.Line], size: int) -> str:
    """Return the core-hours of each table, data and preset, and the bytes of the records with all beside them."""
    found: Dict[Tuple, Dict[str, float]] = {}  # of a record once in a table, whatever the inferences
    for line in lines:
        place = tuple(line[name] for name in ("table", "data", "preset", "budget"))
        found.setdefault(place, {})[line["record"]] = line["core_hours"]
    total = {line["record"]: line["core_hours"] for line in lines}
    return table_of(
        sorted(found.items()), 4, *((header, lambda one, at=at: one[0][at])
                                    for at, header in enumerate(("Table", "Data", "Preset", "Budget"))),
        ("Trainings", lambda one: len(one[1])), ("Core-hours", lambda one: f"{sum(one[1].values()):.1f}")) + (
        f"\nA training that several tables have is counted in each; all {len(total)} together: "
        f"{sum(total.values()):.1f} core-hours. The records, their logs and what each image gave: {size / 1e6:.1f} MB "
        "in tables/results/.\n")


def card_block(about: Mapping[str, Any], lines: Sequence[index.Line], sha256: str) -> str:
    """Return what was measured of shipped weights: accuracy by class, and the time of their network by machine.

    about  their description, or a backbone's record. lines: of tables/speed.csv. sha256: of the .params file.
    """
    found = about if "mean_iou" in about else about["evaluations"]["whole"]
    origin, ious = about["provenance"], found["class_iou"]
    text = (f"Mean IoU {found['mean_iou']:.2f}% on {found['images']} images, after {about['steps']} steps "
            f"(`{origin['command']}`, commit {commit(origin)}). sha256 of the file: `{sha256}`.\n\n")
    order = sorted(ious, key=lambda name: -1 if ious[name] is None else ious[name])
    text += markdown_table([("Class, worst first", order),
                            ("IoU", ["-" if ious[name] is None else f"{ious[name]:.1f}" for name in order])], 1)
    if lines:
        text += "\nTime of this structure at full width on 1024x2048, random weights (tables/speed.csv):\n\n"
        text += markdown_table([
            ("CPU", [f"{one['cpu']}, {one['threads']} threads" for one in lines]),
            *((header, [str(one[key]) for one in lines]) for header, key in
              (("Engine", "engine"), ("Precision", "precision"), ("ms", "ms"), ("Images/s", "fps")))], 3)
    return text
