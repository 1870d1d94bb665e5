"""What `make refine` left on this machine: loaded, for `make predict` to segment with, and for `make export`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict, NamedTuple

from experiments import measure
from experiments.table6 import parse_size
from repro.errors import UserError
from repro.files import write_text
from repro.records import provenance
from repro.tables.refine import read_refined

KINDS = ("dense", "refiner")


class Trained(NamedTuple):
    """A folder's record, the dense network's repro.measure.Plan, and the values of both networks by name."""

    folder: Path
    record: Dict[str, Any]
    plan: Any
    dense: Dict[str, Any]
    refiner: Dict[str, Any]

    @property
    def classes(self) -> int:
        """How many are labelled."""
        return len(self.record["refined"]["class_iou"])

    @property
    def fast(self) -> Dict[str, bool]:
        """The settings of Plan.build for the dense network's inference."""
        return {"fast": True} if self.plan.network.sparse else {}


def load(path) -> Trained:
    """What is in a folder .cache/refine/NAME, whose record lies beside it; UserError where that is not there."""
    from repro import parameters
    from repro.measure import Plan

    folder = Path(os.path.abspath(os.path.expanduser(path)))
    place = folder.parent / f"refine-{folder.name}.json"
    missing = [str(one) for one in (place, *(folder / f"{kind}.params" for kind in KINDS)) if not one.is_file()]
    if missing:
        raise UserError(f"weights {path}: a folder, but not one that `make refine` left: there is no {missing[0]}")
    record = read_refined(place)
    row, = measure.chosen_rows(record["table"], record["row"])
    training = dict(row.trainings)[record.get("extra", "")]
    plan = Plan(row.network, training, measure.preset_of(record["preset"]), parse_size(record["size"]))
    return Trained(folder, record, plan, *(parameters.load(folder / f"{kind}.params") for kind in KINDS))


def refined_of(trained: Trained, ctx=None):
    """Both networks as a repro.refined.Refined, the dense one in this project's engine. ctx: default the CPU."""
    import mxnet as mx

    from repro.engine import Options, engine_of
    from repro.refined import Refined, engine_scores, refiner_of

    plan, record, classes, ctx = trained.plan, trained.record, trained.classes, ctx or mx.cpu()
    cuts = Options().network() if trained.fast else {}

    def make(height: int, width: int):
        network = plan.build(classes, (height, width), **trained.fast, **cuts)
        return engine_of(network, trained.dense, (1, 3, height, width), ctx=ctx)
    factor = record["recipe"]["factor"]
    return Refined(engine_scores(make, factor), refiner_of(trained.refiner, classes, record["width"], ctx), ctx,
                   record["recipe"]["threshold"], factor, plan.multiple * factor)


def segmenter(path, shrink, ctx):
    """What `make predict` calls, of such a folder."""
    from repro.refined_segmenter import RefinedSegmenter, of_record

    trained = load(path)
    return RefinedSegmenter(of_record(trained.folder, trained.record), refined_of(trained, ctx), shrink)


def export(given) -> None:
    """Carry both networks of the folder WEIGHTS out, as Gluon's files; what FORMAT=gluon of `make export` does then."""
    from experiments import export as rows
    from repro.data import open_dataset
    from repro.export import carry
    from repro.export.refiner import INPUTS, carry_refiner
    from repro.presets import round_up
    from repro.refine_measure import shrunk_size
    from repro.refined import shrunk
    from repro.refined_segmenter import of_record

    if given.format != "gluon":
        raise UserError(f"FORMAT: {given.format} is not for SparseRefine, whose refiner takes as many pixels as are "
                        "selected; choose gluon")
    for name in ("row", "k"):
        if getattr(given, name):
            raise UserError(f"{name.upper()}: not for SparseRefine, which WEIGHTS, a folder, names; leave it out")
    trained = load(given.weights)
    record, plan, factor = trained.record, trained.plan, trained.record["recipe"]["factor"]
    about, refined = of_record(trained.folder, record), refined_of(trained)
    size = parse_size(given.size or record["size"])
    small = round_up(shrunk_size(size, factor), plan.multiple)
    out = Path(given.out or measure.ROOT / "exported" / f"sparserefine-{trained.folder.name}-{size[0]}x{size[1]}")
    source = rows.Source(f"sparserefine-{record['row']}", plan.network, plan.training, plan.preset, about.classes,
                         trained.dense, str(about))
    subject, metadata = rows.subject_of(given, source, small, provenance(""))
    dataset = None if given.data == "minicity" else open_dataset(measure.data_folder(given.data, None)[0])
    pictures = rows.pictures(dataset, size, given.images)
    whole = (*subject.shape[:2], *(side * factor for side in small))
    halves = [shrunk(x, factor) for x in rows.batches(pictures, whole)]
    carry.carry_gluon(subject, metadata, halves, f"{out}-dense")
    selections = [one for one in (refined.segment(image).given for image in pictures) if one is not None]
    check = carry_refiner(refined.refiner, selections, f"{out}-refiner")
    write_text(Path(f"{out}-refiner.json"), json.dumps({
        "weights": str(about), "inputs": INPUTS, "outputs": ["fused", "own"], "threshold": refined.threshold,
        "factor": factor, "classes": list(about.classes.names), "check": check, "commit": metadata.commit}, indent=1)
        + "\n")
    print(f"{about}")
    print(f"as here on {check['selections']} images, {check['pixels']} selected pixels: {check['apart']:.1e} of the "
          "largest score apart")
    for kind in KINDS:
        print(os.path.relpath(f"{out}-{kind}-symbol.json"))
