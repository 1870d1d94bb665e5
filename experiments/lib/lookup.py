"""What a name on the command line stands for: rows, presets, data, backbones, and what this machine has trained."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from experiments.lib import paths
from experiments.lib.command import seed_of
from experiments.lib.paths import HERE, PRESETS, PRETRAINED, TABLES
from experiments.lib.tables import chosen_rows
from repro import device, records
from repro.config import parsing
from repro.config.presets import load_preset
from repro.errors import UserError, choice
from repro.models import params_format
from repro.prediction import weights

# a backbone's first unit, as make pretrain, Gluon and MXNet 1.2's Gluon name it
UNITS = ("level2.0.conv1.weight", "features.4.0.body.0.weight", "stage1_conv0_weight")
HALF = "resnet50-half"  # PRETRAINED: the backbone that repro/models/open_nsfw.py converts


class Wanted(NamedTuple):
    """A trained row, as the options of a script name it: any that have these names stand for it too."""

    table: str
    row: str
    extra: str = ""
    data: str = "minicity"
    preset: str = "lite"
    budget: str = "full"
    seed: str = "0"
    weights: str = ""


def options(parser, row: bool = True, published: bool = False) -> None:
    """Add the options that name a trained row, or with what rows were trained, but for DATA, SEED and WEIGHTS.

    published: PRESET is by default the one that DATA is published with.
    """
    add = parser.add_argument
    if row:
        add("--table", default="", help=f"the row's table, one of {', '.join(TABLES)}")
        add("--row", default="", help="a row's id in experiments/*.yaml")
        add("--extra", default="", help="bootstrapping or coarse: that training of the row (default: the row's own)")
    add("--preset", default="" if published else "lite", help=f"trained with, of {', '.join(PRESETS)} (default: "
        f"{'the one that DATA is published with' if published else 'lite'})")
    add("--budget", default="full", help="trained with (default %(default)s)")


def preset_of(name: str):
    """Return the preset of this name."""
    return load_preset(HERE / "presets" / f"{choice(name, PRESETS, 'PRESET')}.yaml", name)


def budget_of(wanted):
    """Return the budget of a preset that a record was made with: BUDGET is its name, with the changes it had."""
    return preset_of(wanted.preset).budget(wanted.budget.partition("+")[0])


def table_of(row: str) -> str:
    """Return the table that has this row."""
    known = {one.id: table for table in TABLES for one in chosen_rows(table)}
    return known[choice(row, tuple(known), "ROW")]


def chosen(wanted):
    """Return (row, the training of it that is asked for)."""
    row, = chosen_rows(wanted.table, wanted.row)
    trainings = dict(row.trainings)
    if wanted.extra and len(trainings) == 1:
        raise UserError(f"EXTRA of {row.id}: {wanted.extra!r}: it has no training but its own; leave it out")
    if wanted.extra not in trainings:
        choice(wanted.extra, [extra for extra in trainings if extra], f"EXTRA of {row.id}")
    return row, trainings[wanted.extra]


def check_early(wanted, classes: int) -> None:
    """Raise a UserError for a PRESET, BUDGET, SEED, GPU or WEIGHTS that cannot be, before data is written or read.

    classes  that the row's network tells apart.
    """
    preset = preset_of(wanted.preset)
    budget_of(wanted)
    seed_of(getattr(wanted, "seed", "0"), "SEED")
    device.check(wanted.gpu)
    if wanted.weights:
        from repro.models import parameters
        from repro.models.build import Plan

        row, training = chosen(wanted)
        plan = Plan(row.network, training, preset, preset.size)
        parameters.check(plan.build(classes, plan.crop), parameters.load(wanted.weights), (1, 3, *plan.crop),
                         f"weights {wanted.weights}")


def data_folder(data: str, preset=None) -> Tuple[Path, str]:
    """Return the folder of DATA, minicity written first if it is that, and what identifies that content, else ""."""
    if data == "minicity":
        from repro.data.minicity import MARKER, write_minicity

        folder = paths.CACHE / "data" / "minicity-{}x{}".format(*preset.size)
        write_minicity(folder, size=preset.size)
        return folder, (folder / MARKER).read_text(encoding="utf-8")
    folder = Path(os.path.expanduser(data))
    if not folder.is_dir():
        raise UserError(f"DATA: {data!r} is neither minicity nor a folder")
    return folder.absolute(), ""


def _checked(dataset, coarse=(), images: Optional[int] = None):
    """Return what all files that are trained on and measured are, as repro.data.check.check_files gives it."""
    from repro.data.check import check_files

    return check_files((*dataset.train, *coarse, *dataset.measured[:images]), dataset.classes,
                       known=paths.CACHE / "checked.json")


def examined(leak: bool, dataset, coarse=(), images: Optional[int] = None):
    """Look at all files that are trained on and measured (of `images` at most); return what they are.

    What is odd is printed; UserError for what would make a training worthless, measured images that are trained on too
    among it unless `leak`.
    """
    from repro.data import contents

    measured = dataset.measured[:images]
    found = _checked(dataset, coarse, images)
    splits = (dataset.train, "train"), (coarse, "train_extra"), (measured, dataset.measured_split)
    for note in (contents.left_out(dataset), contents.turned(found),
                 *(contents.check_labelled_pixels(samples, found, dataset.classes, split) for samples, split in splits),
                 contents.check_apart((*dataset.train, *coarse), measured, found, leak)):
        if note:
            print(note, file=sys.stderr)
    return found


def content_of(given, dataset, found, coarse=(), images: Optional[int] = None) -> str:
    """Return the hash of what is trained on and measured; "" for minicity, whose content its preset decides."""
    from repro.data import contents

    return "" if given.data == "minicity" else contents.content_of(
        (*dataset.train, *coarse, *dataset.measured[:images]), found, data_folder(given.data)[0], dataset.classes)


def of_same_data(pairs, wanted, dataset):
    """Return those of (path, record) pairs that were measured on what DATA holds now, before those without a content.
    """
    now = ""
    if any(record.content for _, record in pairs) and wanted.data != "minicity":
        images = budget_of(wanted).images
        now = content_of(wanted, dataset, _checked(dataset, images=images), images=images)
    return sorted((pair for pair in pairs if pair[1].content in (now, "")), key=lambda pair: pair[1].content == "")


def backbone(pretrained: str, preset, needed: bool, fetch: bool = True) -> Tuple[str, str]:
    """Return PRETRAINED's file, which is there and a backbone if it is `needed`, and what identifies its values.

    fetch: one that is asked for by name is downloaded where it is not there; else nothing is looked at then.
    """
    name = pretrained or preset.backbone or str(PRETRAINED)
    path = Path(os.path.expanduser(name)).absolute()
    if needed:
        if not path.is_file():
            from repro.models import imagenet, open_nsfw

            if not fetch and name in (HALF, *imagenet.NAMES):
                return name, ""
            if name == HALF:  # asked for by name: downloaded once, its hash checked
                path = open_nsfw.backbone_file(paths.CACHE / "backbones")
            elif name in imagenet.NAMES:
                path = Path(imagenet.model_file(name))
        if not path.is_file():
            raise UserError(f"PRETRAINED: {name}: no such file; `make pretrain` makes one of quarter width")
        width = _width(path)
        if width != preset.width:
            raise UserError(f"PRETRAINED: {name}: {f'a backbone of width {width:g}' if width else 'not a backbone'}; "
                            f"preset {preset.name} needs one of width {preset.width:g}; Gluon's and gluoncv's "
                            f"resnet50_v1 has width 1, {HALF} 0.5, the shipped one 0.25")
    return str(path), hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _width(path: Path) -> float:
    """Return the width of a backbone, by the channels of its first unit; 0 of what is none."""
    arrays = params_format.read(path)
    return next((arrays[name].shape[0] / 64 for name in UNITS if name in arrays), 0)


def own_records() -> Iterator[Tuple[Path, records.Record]]:
    """Yield (file, record) of what was measured on this machine; a damaged one is named and passed over."""
    for path in records.record_files(paths.CACHE / "results"):
        try:
            yield path, records.read_record(path)
        except UserError as error:
            print(f"passed over: {error}", file=sys.stderr)


def trained(wanted, row, training, dataset=None) -> Path:
    """Return the parameters of this training on this machine, on what `dataset` (None: minicity) holds now.

    UserError names the command that makes them.
    """
    data = dataset.name if dataset else "minicity"
    found: Dict[Tuple[str, str, str], List] = {}
    for path, record in own_records():
        if (record.network, record.training, record.data) == (row.network, training, data) \
                and path.with_suffix(".params").is_file():
            found.setdefault((record.preset, record.budget, str(record.seed)), []).append((path, record))
    for path, _ in of_same_data(found.pop((wanted.preset, wanted.budget, wanted.seed), []), wanted, dataset):
        return path.with_suffix(".params")
    budget = re.sub(r"\+([a-z]+)(\d+)", lambda change: f" {change[1].upper()}={change[2]}", wanted.budget)
    words = [f"make {TABLES[wanted.table]}", f"DATA={wanted.data}", f"ROW={row.id}", f"PRESET={wanted.preset}",
             f"BUDGET={budget}", f"SEEDS={wanted.seed}"]
    others = "; ".join(" ".join(map("=".join, zip(("PRESET", "BUDGET", "SEED"), key))) for key in sorted(found))
    raise UserError(f"this machine has no parameters of {row.id} trained so; `{' '.join(words)}` trains them"
                    + (f" (it has those of {others})" if others else ""))


def trained_plan(wanted, dataset, size):
    """Return (Plan of the chosen training on images of `size`, its parameters: those of WEIGHTS or trained here)."""
    from repro.models import parameters
    from repro.models.build import Plan

    row, training = chosen(wanted)
    file = wanted.weights or trained(wanted, row, training, dataset)
    return Plan(row.network, training, preset_of(wanted.preset), size), parameters.load(file)


def described(path) -> weights.Weights:
    """Return what is known of a .params file: by its description, or by its record where a training has left it."""
    path = Path(os.path.expanduser(path))
    try:
        place = weights.description_of(path)
        values = parsing.read_json(place, "description")
    except ValueError:  # a UserError, or no name of a file
        values = None  # `read` says what is wrong
    if not isinstance(values, dict) or not {"format", "evaluations"} <= values.keys():  # a backbone's has no format
        return weights.read(path)
    record = records.from_dict(values, str(place))
    return weights.of_record(path, record, preset_of(choice(record.preset, PRESETS, f"{place}: preset")))
