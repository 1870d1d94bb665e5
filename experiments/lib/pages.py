"""The pages of the measurements: what each is read from, written as and drawn as."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Dict

from experiments.lib import paths
from experiments.lib.measurement import Measurement
from experiments.lib.paths import HERE
from experiments.lib.tables import costs_of, published
from repro.config.rows import load_peers, load_rows
from repro.errors import UserError
from repro.records import load_records, told_apart
from repro.tables import engines, neighbours, precision, profile, profile_onnx, refine, table6

PROFILED = {"row": "model-a", "size": paths.SIZE, "width": 1.0}  # which the paper has a time of
PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}       # by ENGINE=


def several(name: str, read, page, names: str) -> Measurement:
    """Return the measurement whose page is of all records with such names: one of each machine, engine or training."""
    return Measurement(name, lambda folder: [*map(read, sorted(folder.glob(names)))], page, records=names)


ENGINES = several("engines", engines.read_engines, engines.page, "engines-*.json")
TABLE6 = Measurement(
    "table6", lambda folder: (table6.read_table6(folder / "table6.json"), ENGINES.read(folder)),
    lambda found: table6.page(found[0], load_peers(HERE / "table6.yaml"), published("table6"), found[1]),
    lambda found, pages: table6.draw(found[0], load_peers(HERE / "table6.yaml"), pages))


def paper_seconds(record):
    """Return the paper's time of what was profiled; None where it has none."""
    same = {name: record[name] for name in PROFILED} == PROFILED
    return float(published("table6")["rows"]["Ours"]["time"]) / 1e3 if same else None


PROFILE = Measurement("profile", lambda folder: profile.read_measured(folder / "profile.json"),
                      lambda record: profile.page(record, paper_seconds(record)), profile.draw)


def read_profiles(engine: str, folder: Path):
    """Return the records of a network exported to an engine: on a CPU, on a card, or both."""
    files = [folder / f"profile-{engine}{where}.json" for where in ("", "-gpu")]
    found = [profile_onnx.read_measured(file) for file in files if file.is_file()]
    if not found:
        raise UserError(f"{files[0]}: not there; `make profile ENGINE={engine}` measures it")
    return found


EXPORTED = {engine: Measurement(f"profile-{engine}", partial(read_profiles, engine),
                                lambda records: profile_onnx.page(records, paper_seconds(records[0])),
                                records=f"profile-{engine}*.json") for engine in PACKAGES}
PRECISION = several("precision", precision.read_measured, precision.page, "precision*.json")
SPARSEREFINE = several("sparserefine", refine.read_refined, refine.page, "refine-*.json")


def read_refined(folder: Path) -> Dict[str, Any]:
    """Return the records of SparseRefine over the row that it is made for, by the data's name."""
    found = {path.stem: refine.read_refined(path) for path in folder.glob("refine-*.json")}
    return {one["data"]: one for name, one in found.items() if name == f"refine-{one['data']}"}


def read_neighbours(_: Path, local: bool = False):
    """Return what the neighbours' page is rendered from, whatever the folder.

    That is (rows, records, SparseRefine's records), as published; and the latter two of this machine, or None unless
    `local`.
    """
    given = load_rows(HERE / "neighbours.yaml"), load_records(paths.RESULTS), read_refined(paths.RESULTS)
    own = (told_apart(load_records(paths.CACHE / "results")), read_refined(paths.CACHE / "refine")) if local else None
    return given, own


def neighbours_page(found) -> str:
    """Return the neighbours' page."""
    (rows, records, refined), own = found
    text = neighbours.page(rows, published("neighbours"), costs_of(rows), records, refined)
    return text + (neighbours.local_part(rows, records, own[0], {**refined, **own[1]}) if own else "")


NEIGHBOURS = Measurement("neighbours", read_neighbours, neighbours_page, records="*/*.json")
LOCAL_NEIGHBOURS = Measurement("neighbours", partial(read_neighbours, local=True), NEIGHBOURS.page)

MEASUREMENTS = {one.name: one for one in (TABLE6, PROFILE, *EXPORTED.values(), ENGINES, PRECISION, NEIGHBOURS,
                                          SPARSEREFINE)}
