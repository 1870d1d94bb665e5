"""Train or evaluate a published row, and say whether the result lies inside the published band: `make check`.

    python -m experiments.check --table 3 --row isctf-sparse-p0.25-l0.001-r256 --data /path/to/CamVid
    python -m experiments.check --table 3 --row ... --data ... --weights row.params     evaluates these instead
    python -m experiments.check --table 3 --row ... --what cost    core-seconds of the training instead of accuracy
    python -m experiments.check --table 6 --row icnet              its time against Model A's, in one run on this CPU
    --dry-run says what it would take.

What decides is the mean IoU of the row's own inference. It is to lie in m ± t(0.95) s sqrt(1 + 1/n), m the mean of the
n published seeds and s their standard deviation; of one seed, s is pooled over the trainings with several seeds. Of
core-seconds, half the least to twice the most that is published decides; of speed, the ratio of two times of one run,
1.25 times either way of those published. The exit code is 0 inside, 1 outside, 2 on a user's mistake.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import List, Optional

from experiments.lib import paths
from experiments.lib.command import Parser, Reported, run, seed_of
from experiments.lib.lookup import backbone, check_early, options, preset_of
from experiments.lib.paths import ROOT
from experiments.lib.published import classes_of, evaluate_weights, figure_of, group_of, source_of
from experiments.lib.repeat import changed
from experiments.lib.schedule import Asked, measured
from repro.errors import UserError, choice
from repro.records import load_records, read_record
from repro.tables import band
from repro.tables.band import Band
from repro.tables.engines import read_engines
from repro.tables.table6 import read_table6

BASE = "model-a"  # that times are compared with
WHAT = ("accuracy", "cost")


def check(given) -> Optional[bool]:
    """Print the band and what was found; True inside, False outside, None of a dry run."""
    return check_speed(given) if given.table == "6" else check_row(given)


def check_row(given) -> Optional[bool]:
    """Check the accuracy or the cost of a row's training."""
    choice(given.what, WHAT, "WHAT")
    figure, seed = figure_of(given.table, given.row, given.extra), seed_of(given.seed, "SEED")
    source, cost = source_of(group_of(given), figure), given.what == "cost"
    published, row = source.found(figure), source.rows[figure.table, figure.row]
    if cost and given.weights:
        raise UserError("WEIGHTS: evaluating them is not what the published core-seconds are of; leave WHAT=cost out")
    found = band.cost(published) if cost else band.accuracy(published, load_records(paths.RESULTS), row.inference)
    if found is None:
        raise UserError(f"{given.row}: no band, as no training is published with several seeds")
    unit, name = (" core-seconds", "cost of the training") if cost else ("%", f"mean IoU in {row.inference} inference")
    check_early(given, classes_of(published[0]))
    if not given.weights:
        backbone(given.pretrained, preset_of(given.preset), published[0].training.pretrained, fetch=not given.dry)
    say(name, unit, found, f"seeds {', '.join(str(one.seed) for one in published)}")
    spent = band.cost(published).centre / 3600
    if given.dry:
        print("evaluating the weights takes a minute or so" if given.weights else
              f"training it takes about {spent:.2f} core-hours, by what is published ({published[0].steps} steps); "
              "its test images some minutes more")
        return None
    if given.weights:
        value = evaluate_weights(given)[0].mean_iou
    else:
        budget, longer, steps = given.budget.partition("+steps")  # as a record of STEPS= names it
        path, = measured(Asked(
            given.table, given.data, given.preset, budget, given.row, given.extra or "own", str(seed), given.gpu,
            pretrained=given.pretrained, steps=int(steps) if longer else None))
        record = read_record(path)
        value = record.train["core_seconds"] if cost else record.evaluations[row.inference]["mean_iou"]
        print(f"seed {seed}: {record.train['core_seconds'] / 3600:.2f} core-hours; published by "
              f"{published[0].provenance['machine']}, here {record.provenance['machine']}")
        same = [one for one in published if one.seed == seed]
        if same and record.content and same[0].content not in ("", record.content):
            print("the data's files differ from those of the published record")
    return judge(found, value, unit)


def check_speed(given) -> Optional[bool]:
    """Check the ratio of a network's time to Model A's, both measured in turns here."""
    for name, value in changed(given).items():
        if name not in ("table", "row", "dry"):
            raise UserError(f"{name.upper()}: {value}: of table 6 times are checked, of the network on "
                            "this CPU whatever its training; leave it out")
    if given.row == BASE:
        raise UserError(f"ROW of table 6: {BASE} is what the others are compared with; choose another")
    record = read_table6(paths.RESULTS / "table6.json")
    engines = [read_engines(path) for path in sorted(paths.RESULTS.glob("engines-*.json"))]
    found = band.speed([record, *engines], given.row, BASE)
    say(f"time of {given.row} by that of {BASE}, float32, MXNet", " times", found, "table6.json, engines-*.json")
    if given.dry:
        runs = [sum(one["seconds"]) for one in record["rows"]
                if one["row"] in (given.row, BASE) and one["precision"] == "float32"]
        print(f"timing both takes about {sum(runs):.0f} s, and making them a minute; the machine is to do nothing else")
        return None
    made = subprocess.run([sys.executable, "-W", "ignore::DeprecationWarning", "-m", "experiments.speed.table6",
                           "--row", f"{given.row},{BASE}"], cwd=ROOT, check=False)
    if made.returncode:
        raise Reported
    return judge(found, band.ratio(read_table6(paths.OWN / "table6.json"), given.row, BASE), " times")


def say(name: str, unit: str, found: Band, of: str) -> None:
    """Print which figure decides, and the band."""
    print(f"{name}: published {found.centre:.2f}{unit} ({of}); the band is {found.low:.2f} to {found.high:.2f}{unit}, "
          f"{found.why}")


def judge(found: Band, value: float, unit: str) -> bool:
    """Print whether the value lies inside."""
    inside = found.holds(value)
    print(f"{'inside' if inside else 'OUTSIDE'}: {value:.2f}{unit} here, {found.low:.2f} to {found.high:.2f}{unit} "
          "asked")
    return inside


def main(arguments=None) -> int:
    """Run; the exit code is 0 inside the band, 1 outside, 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.check", description=__doc__,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    options(parser, published=True)
    add("--seed", default="0", help="to train with (default %(default)s)")
    add("--data", default="minicity", help="minicity or a folder; of a dry run its name will do (default %(default)s)")
    add("--what", default="accuracy", help="accuracy or cost, the core-seconds of its training (default %(default)s)")
    add("--weights", default="", help="the row's .params, to be evaluated in place of a training")
    add("--pretrained", default="", help="the backbone to train from (default: the preset's)")
    add("--gpu", default="", help="a card, such as 0 (default: the CPU)")
    add("--dry-run", "--dry", dest="dry", action="store_true", help="say what it would take, and do nothing")
    found: List[Optional[bool]] = []
    return run(lambda given: found.append(check(given)), parser.parse_args(arguments)) or int(False in found)


if __name__ == "__main__":
    sys.exit(main())
