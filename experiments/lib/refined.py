"""What `make refine` left on this machine: loaded, for `make predict` to segment with, and for `make export`."""

from __future__ import annotations

import json
import os
import tempfile
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

    @property
    def fast(self) -> Dict[str, bool]:
        """The settings of Plan.build for the dense network's inference."""
        return {"fast": True} if self.plan.network.sparse else {}


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
    """Return what `make refine` left in a folder; UserError where it did not."""
    from repro.models import parameters
    from repro.models.build import Plan

    folder = Path(os.path.abspath(os.path.expanduser(path)))
    files = [folder / name for name in ("dense.params", "refiner.params", DESCRIPTION, RECORD)]
    missing = [one for one in files if not one.is_file()]
    if missing == files[2:]:
        raise UserError(f"weights {path}: left by an earlier `make refine`, or by one that has not ended: there is no "
                        f"{missing[0]}, which says what its networks are; run it again")
    if missing:
        raise UserError(f"weights {path}: a folder, but not one that `make refine` left: there is no {missing[0]}")
    place, record = str(files[2]), read_refined(files[3])
    value = parsing.read_json(place, "description of networks")
    parsing.of_format(value, FORMAT, place)
    about = parsing.fields(value, place, {
        "format": parsing.natural, "network": parse_network, "training": parse_training,
        "preset": lambda value, place: parse_preset(value, place, record["preset"])})
    plan = Plan(about["network"], about["training"], about["preset"], parse_size(record["size"]))
    return Trained(folder, record, plan, *map(parameters.load, files[:2]))


def refined_of(trained: Trained, ctx=None, providers=None):
    """Both networks as a repro.sparserefine.refined.Refined.

    ctx        MXNet's device, of this project's engine and Gluon (default: the CPU).
    providers  of onnxruntime, as repro.runtime.providers gives them: both run there instead.
    """
    import mxnet as mx

    from repro.engine import Options, engine_of
    from repro.sparserefine.networks import fused_by
    from repro.sparserefine.refined import Refined, engine_scores

    plan, record, classes, ctx = trained.plan, trained.record, trained.classes, ctx or mx.cpu()
    refiner, factor = trained.network(ctx), record["recipe"]["factor"]

    def network_for(size, options):
        return plan.build(classes, size, **trained.fast, **(options.network() if trained.fast else {}))

    def in_mxnet(*size: int):
        engine = engine_of(network_for(size, Options()), trained.dense, (1, 3, *size), ctx=ctx)
        return lambda x: engine.outputs(x)[0].asnumpy()
    if providers is None:
        make, fused = in_mxnet, fused_by(refiner, ctx)
    else:
        make, fused = in_onnxruntime(network_for, trained.dense, refiner, classes, providers)
    return Refined(engine_scores(make, factor), fused, record["recipe"]["threshold"], factor, plan.multiple * factor)


def in_onnxruntime(network_for, arrays, refiner, classes: int, providers):
    """Return the dense network by its size, and the refiner, there."""
    from repro.prediction.load import onnx_packages

    with onnx_packages():
        from repro.export import PORTABLE
        from repro.export.engine import exported_engine
        from repro.runtime.onnx import OnnxEngine
        from repro.sparserefine.export import write_refiner
        from repro.sparserefine.exported import OnnxRefiner

    def make(*size: int):
        network = network_for(size, PORTABLE)
        engine = exported_engine(network, arrays, (1, 3, *size), {"scores": network.outputs.index("scores")},
                                 lambda file: OnnxEngine(file, providers))
        return lambda x: engine.outputs(x)[0]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "refiner.onnx"
        write_refiner(refiner, classes, file)
        return make, OnnxRefiner(file, providers)


def segmenter(path, shrink, **place):
    """Return what `make predict` calls, of such a folder; place: ctx or providers, as refined_of's."""
    from repro.sparserefine.segmenter import RefinedSegmenter, of_record

    trained = load(path)
    return RefinedSegmenter(of_record(trained.folder, trained.record), refined_of(trained, **place), shrink)
