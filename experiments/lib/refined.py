"""What `make refine` left on this machine: loaded, for `make predict` to segment with, and for `make export`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, Dict, NamedTuple

from experiments.lib.lookup import chosen_rows, preset_of
from experiments.lib.paths import parse_size
from repro.errors import UserError
from repro.tables.refine import read_refined

KINDS = ("dense", "refiner")


class Trained(NamedTuple):
    """A folder's record, the dense network's repro.training.run.Plan, and the values of both networks by name."""

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
        """The refiner, with its values."""
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


def load(path) -> Trained:
    """What is in a folder .cache/refine/NAME, whose record lies beside it; UserError where that is not there."""
    from repro.models import parameters
    from repro.models.plan import Plan

    folder = Path(os.path.abspath(os.path.expanduser(path)))
    place = folder.parent / f"refine-{folder.name}.json"
    missing = [str(one) for one in (place, *(folder / f"{kind}.params" for kind in KINDS)) if not one.is_file()]
    if missing:
        raise UserError(f"weights {path}: a folder, but not one that `make refine` left: there is no {missing[0]}")
    record = read_refined(place)
    row, = chosen_rows(record["table"], record["row"])
    training = dict(row.trainings)[record.get("extra", "")]
    plan = Plan(row.network, training, preset_of(record["preset"]), parse_size(record["size"]))
    return Trained(folder, record, plan, *(parameters.load(folder / f"{kind}.params") for kind in KINDS))


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
    """The dense network by its size, and the refiner, there."""
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
    """What `make predict` calls, of such a folder; place: ctx or providers, as refined_of's."""
    from repro.sparserefine.segmenter import RefinedSegmenter, of_record

    trained = load(path)
    return RefinedSegmenter(of_record(trained.folder, trained.record), refined_of(trained, **place), shrink)
