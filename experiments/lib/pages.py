"""The pages of the measurements: what each is read from, written as and drawn as."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Dict, NamedTuple, Sequence

from experiments.lib import paths
from experiments.lib.measurement import Measurement
from experiments.lib.paths import HERE
from experiments.lib.tables import costs_of, published
from repro.config.neighbours import load_rows
from repro.config.peers import load_peers
from repro.errors import UserError
from repro.records import load_records, told_apart
from repro.tables import engines, growth, neighbours, precision, profile, profile_onnx, refine, soak, table6
from repro.tables.speed_figures import draw as draw_profile
from repro.tables.table6_figures import draw_cost, draw_waterfall

PROFILED = {"row": "model-a", "size": paths.SIZE, "width": 1.0}  # which the paper has a time of
PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}       # by ENGINE=


def read_engines(folder: Path):
    """Return the records of each kind of CPU."""
    return [engines.read_engines(file) for file in sorted(folder.glob("engines-*.json"))]


def draw_table6(found, pages: Path) -> None:
    """Draw cost against time, and the stages of Table 5 where all are measured."""
    record, rows = found[0], load_peers(HERE / "table6.yaml")
    draw_cost(record, rows, pages / table6.PICTURES[0])
    if table6.stages(record):
        draw_waterfall(record, rows, pages / table6.PICTURES[1])


TABLE6 = Measurement(
    "table6", lambda folder: (table6.read_table6(folder / "table6.json"), read_engines(folder)),
    lambda found: table6.page(found[0], load_peers(HERE / "table6.yaml"), published("table6"), found[1]), draw_table6)
ENGINES = Measurement("engines", read_engines, engines.page, records="engines-*.json")
GROWTH = Measurement("growth", lambda folder: growth.read_growth(folder / "growth.json"), growth.page,
                     lambda record, pages: growth.draw(record, pages / growth.PICTURE))
SOAK = Measurement("soak", lambda folder: soak.read_soak(folder / "soak.json"), soak.page,
                   lambda record, pages: soak.draw(record, pages / soak.PICTURE))


def paper_seconds(record):
    """Return the paper's time of what was profiled; None where it has none."""
    same = {name: record[name] for name in PROFILED} == PROFILED
    return float(published("table6")["rows"]["Ours"]["time"]) / 1e3 if same else None


PROFILE = Measurement("profile", lambda folder: profile.read_measured(folder / "profile.json"),
                      lambda record: profile.page(record, paper_seconds(record)),
                      lambda record, pages: draw_profile(record, pages / "profile.png"))


def read_profiles(names: Sequence[str], engine: str, folder: Path):
    """Return a record or None for each of the places that a network is exported to, by the names of their files."""
    files = [folder / name for name in names]
    if not any(file.is_file() for file in files):
        raise UserError(f"{files[0]}: not there; `make profile ENGINE={engine}` measures it")
    return [profile_onnx.read_measured(file, PACKAGES[engine]) if file.is_file() else None for file in files]


def profile_page(engine: str, records) -> str:
    """Return the page on an exported network's profile."""
    return profile_onnx.page(records, paper_seconds(next(filter(None, records))), PACKAGES[engine])


PROFILES = {"onnx": ("profile-onnx.json", "profile-onnx-gpu.json"), "openvino": ("profile-openvino.json",)}
EXPORTED = {engine: Measurement(f"profile-{engine}", partial(read_profiles, names, engine),
                                partial(profile_page, engine), records=f"profile-{engine}*.json")
            for engine, names in PROFILES.items()}


def read_precisions(folder: Path):
    """Return the records of this project's engine, and those of other engines."""
    own, others = [], []
    for file in sorted(folder.glob("precision*.json")):
        engine = next((name for name in PACKAGES if file.stem.startswith(f"precision-{name}")), "")
        if engine:
            others.append(precision.read_exported(file, PACKAGES[engine]))
        else:
            own.append(precision.read_measured(file))
    return own, others


PRECISION = Measurement("precision", read_precisions, lambda found: precision.page(*found), records="precision*.json")


class Neighbours(NamedTuple):
    """What the neighbours' page is rendered from: of what is published, and of this machine where it is shown."""

    rows: Any
    records: Any
    speeds: Dict[str, Any]
    refined: Dict[str, Any]
    own: Any             # (records, speeds, SparseRefine's records) of this machine, or None
    picture: Path


def read_speeds(folder: Path) -> Dict[str, Any]:
    """Return the measured times in a folder by the data's name."""
    return {one["data"]: one for one in map(neighbours.read_speed, sorted(folder.glob("neighbours-*.json")))}


def read_refined(folder: Path) -> Dict[str, Any]:
    """Return the records of SparseRefine over the row that it is made for, by the data's name."""
    found = [(path, refine.read_refined(path)) for path in refine.record_files(folder)]
    return {one["data"]: one for path, one in found if path.name == f"refine-{one['data']}.json"}


def read_neighbours(folder: Path, local: bool = False) -> Neighbours:
    """Return what the neighbours' page is rendered from; local: this machine's own too, as in its own folder."""
    ours = paths.CACHE / "refine"
    own = (told_apart(load_records(paths.CACHE / "results")), read_speeds(paths.OWN), read_refined(ours)) \
        if local or folder != paths.RESULTS else None
    pages = folder.parent if folder == paths.RESULTS else folder
    return Neighbours(load_rows(HERE / "neighbours.yaml"), load_records(paths.RESULTS), read_speeds(paths.RESULTS),
                      read_refined(paths.RESULTS), own, pages / neighbours.PICTURE)


def neighbours_page(found: Neighbours) -> str:
    """Return the neighbours' page."""
    rows, records, speeds, refined, own, picture = found
    text = neighbours.page(rows, published("neighbours"), costs_of(rows), records, speeds, refined, picture.exists())
    return text + (neighbours.local_part(rows, records, speeds, own[0], own[1], {**refined, **own[2]}) if own else "")


NEIGHBOURS = Measurement("neighbours", read_neighbours, neighbours_page,
                         lambda found, pages: neighbours.draw(*found[:4], found.picture), records="neighbours-*.json")
LOCAL_NEIGHBOURS = Measurement("neighbours", partial(read_neighbours, local=True), NEIGHBOURS.page, NEIGHBOURS.draw)


def read_sparserefine(folder: Path):
    """Return the records of trainings, and the density's curve or None."""
    curve = folder / refine.DENSITY
    return ([refine.read_refined(path) for path in refine.record_files(folder)],
            refine.read_density(curve) if curve.is_file() else None)


SPARSEREFINE = Measurement(
    "sparserefine", read_sparserefine, lambda found: refine.page(*found),
    lambda found, pages: found[1] and refine.draw(found[1], pages / refine.PICTURE), records="refine-*.json")
MEASUREMENTS = {one.name: one for one in (TABLE6, PROFILE, *EXPORTED.values(), GROWTH, ENGINES, PRECISION, NEIGHBOURS,
                                          SPARSEREFINE, SOAK)}
