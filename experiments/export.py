"""Carry a row's network out of this project, checked: what `make export` runs.

    python -m experiments.export                                    the shipped weights' fast inference, as ONNX
    python -m experiments.export --row model-a --k 16 --size 512x1024 --batch 4         a row as trained here
    python -m experiments.export --row model-a --weights random --preset paper          before it is trained
    python -m experiments.export --precision int8                   or float16: what that loses is in the record

Size, batch and k are constants of a file: another one is another export of the same parameters, never another training.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional

import numpy as np

from experiments.lib import paths
from experiments.lib.command import Parser, at_least_one, run, seed_of
from experiments.lib.lookup import chosen, data_folder, described, options, preset_of, table_of, trained
from experiments.lib.paths import SHIPPED, parse_size
from experiments.lib.repeat import changed
from repro.config.networks import AnyNetwork
from repro.config.presets import Preset, round_up
from repro.config.rows import Training, training_name
from repro.data import CITYSCAPES, ClassSet, open_dataset, read_image
from repro.data.augment import normalise
from repro.data.images import image_size
from repro.data.loader import STRIDE
from repro.data.minicity import scene
from repro.errors import UserError, choice
from repro.records import provenance
from repro.runtime.metadata import PRECISIONS, Metadata

RANDOM, MODEL_A = "random", "model-a"
OF_ROW = ("table", "extra", "preset", "budget", "seed")  # what weights that describe themselves say
CALIBRATION = 16  # training images that give int8's ranges


def pictures(dataset, size, count: int, split: str = "val"):
    """Images of the data, uint8 (H, W, 3) no larger than `size`: minicity's scenes, or the measured split's, cut.

    split  "train": of the training images instead, spread evenly.
    """
    if dataset is None:
        return [scene(0, split, index, size)[0] for index in range(count)]
    chosen = dataset.train[::max(1, len(dataset.train) // count)] if split == "train" else dataset.measured
    return [read_image(sample.image)[:size[0], :size[1]] for sample in chosen[:count]]


def batches(images, shape):
    """Images as a network of `shape` takes them, several at once, padded; the last batch is filled with first ones."""
    for at in range(0, len(images), shape[0]):
        made = np.zeros(shape, np.float32)
        for slot in range(shape[0]):
            image = images[(at + slot) % len(images)]
            normalise(image, made[slot, :, :image.shape[0], :image.shape[1]])
        yield made


class Source(NamedTuple):
    """What is exported, at any size: `row` and `weights` say it in words."""

    row: str
    network: AnyNetwork
    training: Training
    preset: Preset
    classes: ClassSet
    arrays: Dict[str, Any]
    weights: str


def of_weights(path, row: str = "") -> Source:
    """Weights that say themselves what they are: a description, or the record of a training, is beside them."""
    from repro.models import parameters

    found = described(path)
    return Source(row or Path(path).stem, found.network, found.training, preset_of(found.preset), found.classes,
                  parameters.load(found.path), str(found))


def of_row(given, dataset) -> Source:
    """Return a row as trained on this machine, with the values in WEIGHTS, or with random ones."""
    from repro.export.carry import random_arrays
    from repro.models import parameters
    from repro.models.build import Plan

    given.table = given.table or table_of(given.row)
    row, training = chosen(given)
    classes = dataset.classes if dataset else CITYSCAPES
    if not given.weights:
        return of_weights(trained(given, row, training, dataset), row.id)
    preset = preset_of(given.preset)
    if given.weights == RANDOM:
        plan = Plan(row.network, training, preset, preset.size)
        arrays, words = random_arrays(plan, len(classes), seed_of(given.seed, "SEED")), f"random, seed {given.seed}"
    else:
        arrays, words = parameters.load(given.weights), f"file {Path(given.weights).name}"
    return Source(row.id, row.network, training, preset, classes, arrays, words)


def chosen_k(given, source: Source, grid) -> Optional[int]:
    """Regions to compute: K, or as many as in testing; None for a network without."""
    if grid is None:
        if given.k is not None:
            raise UserError(f"K: {source.row} has no regions to choose among")
        return None
    regions = grid[0] * grid[1]
    k = max(1, source.training.k(regions)) if given.k is None else given.k
    if not 1 <= k <= regions:
        raise UserError(f"K: {k} is not between 1 and {regions}, the regions of the image ({grid[0]}x{grid[1]})")
    return k


def file_of(given, row: str, k: Optional[int], shape) -> Path:
    """Where it is written: OUT, or a name that says what it is."""
    name = f"{row}{'' if k is None else f'-k{k}'}-{shape[2]}x{shape[3]}" + f"-batch{shape[0]}" * (shape[0] > 1)
    name += f"-{given.precision}" * (given.precision != "float32")
    out = Path(given.out or paths.ROOT / "exported" / f"{name}.onnx")
    if out.suffix != ".onnx":
        raise UserError(f"OUT: {str(out)!r} does not end with .onnx")
    return out


def subject_of(given, source: Source, size, origin):
    """Return what is exported of a source, for images up to `size`, and its record before it is checked."""
    from repro.export import carry
    from repro.models.build import Plan

    plan = Plan(source.network, source.training, source.preset, size)
    shape = (given.batch, 3, *round_up(size, plan.multiple))
    grid = tuple(side // plan.region for side in shape[2:]) if plan.region else None
    k = chosen_k(given, source, grid)
    subject = carry.Subject(plan, source.arrays, len(source.classes), shape, k)
    named = subject.build().outputs
    return subject, Metadata(
        row=source.row, training=training_name(source.network, source.training), weights=source.weights, shape=shape,
        multiple=plan.multiple, outputs=tuple(name for name in carry.OUTPUTS if name in named),
        stride=STRIDE, region=plan.region, grid=grid, k=k, classes=source.classes,
        commit=origin["commit"] + "+" * origin["dirty"], precision=given.precision,
        **({"selector": source.network.selector} if plan.region else {}))


def export(given) -> None:
    """Find the parameters, write the file and its record, print what was found."""
    choice(given.precision, PRECISIONS, "PRECISION")
    for name in ("batch", "images"):
        at_least_one(getattr(given, name), name.upper())
    if os.path.isdir(given.weights):
        raise UserError(f"WEIGHTS: {given.weights}: a folder, not a .params file; SparseRefine, which `make refine` "
                        "leaves in one, is not exported, but `make predict WEIGHTS=` runs it")
    from repro.export import carry

    origin = provenance("")
    dataset = None if given.data == "minicity" else open_dataset(data_folder(given.data)[0])
    if given.weights == RANDOM:
        given.row = given.row or MODEL_A
    for name, value in changed(given).items():
        if name in OF_ROW and not given.row:
            raise UserError(f"{name.upper()}: {value}: is of a trained row; give ROW too")
    source = of_row(given, dataset) if given.row else of_weights(given.weights or SHIPPED)
    size = source.preset.size if dataset is None else image_size(dataset.measured[0].image)
    size = parse_size(given.size) if given.size else size
    subject, metadata = subject_of(given, source, size, origin)
    out, shape = file_of(given, source.row, subject.k, subject.shape), subject.shape
    images = list(batches(pictures(dataset, size, given.images), shape))
    seen = pictures(dataset, size, CALIBRATION, "train") if given.precision == "int8" else ()
    check = carry.carry_onnx(subject, metadata, images, out, list(batches(seen, shape))).check
    print(f"{source.row}: {source.weights}")
    like = "as MXNet's" if given.precision == "float32" else f"{given.precision} beside float32, which is as MXNet's,"
    print(f"{like} on {check.images} images: {check.labels} of {check.pixels} pixels labelled differently, outputs "
          f"{check.apart:.1e} of the largest apart, {check.ties} ties in the selection"
          + f", {check.others} times other regions" * (given.precision != "float32"))
    print(os.path.relpath(out))


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake."""
    parser = Parser(prog="python -m experiments.export", description=__doc__.split("\n")[0])
    add = parser.add_argument
    options(parser)
    add("--seed", default="0", help="that the row was trained with, or of random values (default %(default)s)")
    add("--k", type=int, help="regions computed (default: as the row is tested)")
    add("--size", default="", help="height x width of the largest image (default: that of the data)")
    add("--batch", type=int, default=1, help="images at once (default %(default)s)")
    add("--weights", default="", help="a .params file, or random (default: with ROW those trained on this machine)")
    add("--out", default="", help="file to write (default: in exported/, a name that says it all)")
    add("--precision", default="float32", help=f"{', '.join(PRECISIONS)} (default %(default)s)")
    add("--data", default="minicity", help="whose images it is checked on, and a row's classes (default %(default)s)")
    add("--images", type=int, default=8, help="that the file is checked on (default %(default)s)")
    return run(export, parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
