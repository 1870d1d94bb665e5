"""What `make refine` left on this machine: loaded, for `make predict` to segment with."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict, NamedTuple

from experiments.lib.paths import parse_size
from repro.config import parsing
from repro.config.networks import network_dict, parse_network
from repro.config.presets import parse_preset, preset_dict
from repro.config.rows import parse_training, training_dict
from repro.errors import UserError
from repro.files import write_text
from repro.tables.refine import read_refined

FORMAT = 1
DESCRIPTION, RECORD = "networks.json", "record.json"  # in a folder, beside dense.params and refiner.params


class Trained(NamedTuple):
    """A folder's record, the dense network's repro.models.build.Plan, and the values of both networks by name."""

    folder: Path
    record: Dict[str, Any]
    plan: Any
    dense: Dict[str, Any]
    refiner: Dict[str, Any]

    @property
    def classes(self) -> int:
        """How many are labelled."""
        return len(self.record["refined"]["class_iou"])

    def network(self, ctx=None):
        """Return the refiner, with its values."""
        from repro.sparserefine.networks import refiner_of

        return refiner_of(self.refiner, self.classes, self.record["width"], ctx)


def refuse(**given) -> None:
    """UserError for the first variable that is given, and not for SparseRefine."""
    for name, value in given.items():
        if value:
            raise UserError(f"{name}: not for SparseRefine, which WEIGHTS, a folder, names; leave it out")


def describe(folder: Path, network, training, preset, record: str) -> None:
    """Write into a folder what its networks are, whatever becomes of the tables and presets, and its record."""
    write_text(folder / DESCRIPTION, json.dumps({
        "format": FORMAT, "network": network_dict(network), "training": training_dict(training),
        "preset": preset_dict(preset)}, indent=1) + "\n")
    write_text(folder / RECORD, record)


def load(path) -> Trained:
    """Return what `make refine` left in a folder; UserError where it did not, or has not ended."""
    from repro.models import parameters
    from repro.models.build import Plan

    folder = Path(os.path.abspath(os.path.expanduser(path)))
    files = [folder / name for name in ("dense.params", "refiner.params", DESCRIPTION, RECORD)]
    for missing in (one for one in files if not one.is_file()):
        raise UserError(f"weights {path}: a folder, but not one that `make refine` left whole: there is no {missing}")
    place, record = str(files[2]), read_refined(files[3])
    value = parsing.read_json(place, "description of networks")
    parsing.of_format(value, FORMAT, place)
    about = parsing.fields(value, place, {
        "format": parsing.natural, "network": parse_network, "training": parse_training,
        "preset": lambda value, place: parse_preset(value, place, record["preset"])})
    plan = Plan(about["network"], about["training"], about["preset"], parse_size(record["size"]))
    return Trained(folder, record, plan, *map(parameters.load, files[:2]))


def refined_of(trained: Trained, ctx=None):
    """Return both networks as a repro.sparserefine.refined.Refined: the dense one in this project's engine.

    ctx  MXNet's device (default: the CPU).
    """
    import mxnet as mx

    from repro.engine import engine_of
    from repro.sparserefine.networks import fused_by
    from repro.sparserefine.refined import Refined, dense_scores

    plan, recipe, ctx = trained.plan, trained.record["recipe"], ctx or mx.cpu()

    def make(*size: int):
        engine = engine_of(plan.build(trained.classes, size), trained.dense, (1, 3, *size), ctx=ctx)
        return lambda x: engine.outputs(x)[0].asnumpy()
    return Refined(dense_scores(make, recipe["factor"]), fused_by(trained.network(ctx), ctx), recipe["threshold"],
                   recipe["factor"], plan.multiple * recipe["factor"])


def segmenter(path, shrink, ctx=None):
    """Return what `make predict` calls, of such a folder; ctx: as refined_of's."""
    from repro.sparserefine.refined import RefinedSegmenter, of_record

    trained = load(path)
    return RefinedSegmenter(of_record(trained.folder, trained.record), refined_of(trained, ctx), shrink)
