"""Results on disk: one JSON file per training, data, preset, budget and seed, with provenance."""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from repro.config import parsing
from repro.config.networks import AnyNetwork, network_dict, parse_network
from repro.config.rows import Training, parse_training, training_dict, training_name
from repro.data import classes as class_sets
from repro.data.classes import ClassSet
from repro.device import CPU_KEYS, cpu, cpu_name
from repro.device import threads as own_threads
from repro.errors import UserError
from repro.files import write_text

FORMAT = 1
SOURCE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Record:
    """A measured training; accuracies are percentages.

    `evaluations` maps an inference (whole, classic, fast; active: all regions with s > 0, however many, Section 4.4) to
    its figures, repro.evaluation.inference.Evaluation's. `majority` has the accuracies of the training set's per-pixel
    majority map, `recipe` whatever else two measurements must share to be the same, `classes` those of a data set that
    names its own (None: those known by the name of the data); `stem` and `decoder_width` where the preset gives them,
    `sha256` of the .params file.
    """

    network: AnyNetwork
    training: Training
    data: str
    preset: str
    budget: str
    seed: int
    steps: int
    scale: str
    width: str
    evaluations: Dict[str, Dict[str, Any]]
    majority: Dict[str, float]
    train: Dict[str, float]
    provenance: Dict[str, Any]
    recipe: Dict[str, Any] = field(default_factory=dict)
    classes: Optional[ClassSet] = None
    stem: Optional[int] = None
    decoder_width: Optional[float] = None
    sha256: Optional[str] = None

    @property
    def group(self) -> Tuple[str, str, str]:
        """What stands in one column group of a table: (data, preset, budget)."""
        return self.data, self.preset, self.budget

    @property
    def content(self) -> str:
        """The hash of the data's files; "" of minicity, and where none was written."""
        return str(self.recipe.get("content", ""))


_PROVENANCE = {
    "commit": parsing.text, "dirty": parsing.boolean, "versions": parsing.mapping_of(parsing.text),
    "machine": parsing.text, "cpu": parsing.mapping(dict.fromkeys((*CPU_KEYS, "flags"), parsing.text)),
    "date": parsing.text, "command": parsing.text}


def parse_provenance(value, place) -> Dict[str, Any]:
    """Check what `provenance` gives, read from a file."""
    return parsing.fields(value, place, _PROVENANCE, optional=("cpu",))


def _as_written(value, place):
    return value


_OPTIONAL = ("classes", "stem", "decoder_width", "sha256")
_RECORD = {  # in the order of the file; figures are as this program wrote them
    **dict.fromkeys(("format", "training_name", "network", "training", "data", "preset", "budget", "seed", "steps",
                     "scale", "width", "stem", "decoder_width", "sha256", "classes", "recipe", "evaluations",
                     "majority", "train", "provenance"), _as_written),
    "network": parse_network, "training": parse_training, "classes": class_sets.parse_values,
    "provenance": parse_provenance}


def from_dict(value, place: str) -> Record:
    """Return the inverse of to_dict; a UserError begins with `place` and names the key."""
    parsing.of_format(value, FORMAT, place)
    checked = parsing.fields(value, place, _RECORD, optional=("recipe", *_OPTIONAL))
    return Record(**{key: checked[key] for key in checked if key not in ("format", "training_name")})


def to_dict(record: Record) -> Dict[str, Any]:
    """Return `record` as plain values in the order of the file."""
    values = {item.name: getattr(record, item.name) for item in fields(record)}
    values.update(format=FORMAT, training_name=training_name(record.network, record.training),
                  network=network_dict(record.network), training=training_dict(record.training))
    if record.classes is not None:
        values["classes"] = asdict(record.classes)
    return {key: values[key] for key in _RECORD if values[key] is not None or key not in _OPTIONAL}


def record_path(root, record: Record) -> Path:
    """<root>/<data>-<preset>-<budget>[-<content>]/<training>[-seedN].json; seed 0 has no suffix, nor has minicity."""
    seed = f"-seed{record.seed}" if record.seed else ""
    folder = "-".join([*record.group, *([record.content[:8]] if record.content else [])])
    return Path(root) / folder / f"{training_name(record.network, record.training)}{seed}.json"


def write_record(root, record: Record) -> Path:
    """Write `record` to its place under `root`; return the path. UserError for a figure that is none, as a mean of
    nothing is."""
    path = record_path(root, record)
    try:
        text = json.dumps(to_dict(record), indent=1, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise UserError(f"{path}: a figure of it is not a number; has any pixel of the test images a label?") from None
    write_text(path, text + "\n")
    return path


def read_record(path) -> Record:
    """Return the record in the file `path`; UserError naming the file, and the key, if it is not one."""
    return from_dict(parsing.read_json(path, "record"), str(path))


def record_files(root) -> Sequence[Path]:
    """Return the files of records under the folder `root`, sorted; what a killed process left half written is none."""
    return sorted(path for path in Path(root).glob("*/*.json") if not path.name.startswith("."))


def load_records(root) -> Tuple[Record, ...]:
    """All records under the folder `root` (absent: none), by path; UserError for a measurement twice."""
    paths: Dict[Any, Path] = {}
    records = []
    for path in record_files(root):
        record = read_record(path)
        key = (record.group, record.content, record.network, record.training, record.seed)
        if key in paths:
            raise UserError(f"{path}: the same measurement as {paths[key]}")
        paths[key] = path
        records.append(record)
    return tuple(records)


def told_apart(records: Sequence[Record]) -> Tuple[Record, ...]:
    """Return `records` with the content in the data's name where data of one name were of several contents."""
    contents: Dict[Any, set] = {}
    for record in records:
        contents.setdefault(record.group, set()).add(record.content)
    return tuple(replace(record, data=f"{record.data} {record.content[:8]}")
                 if record.content and len(contents[record.group]) > 1 else record for record in records)


def find(records: Sequence[Record], network: AnyNetwork, training: Training,
         group: Optional[Tuple[str, str, str]] = None) -> Tuple[Record, ...]:
    """Return the records of this training, in one (data, preset, budget) if given, ordered by seed."""
    found = (record for record in records
             if (record.network, record.training) == (network, training) and group in (None, record.group))
    return tuple(sorted(found, key=lambda record: record.seed))


def several(records: Sequence[Record]) -> List[Tuple[Record, ...]]:
    """Return the records of each training, data, preset and budget that was measured with several seeds."""
    found: Dict[Any, List[Record]] = {}
    for record in records:
        found.setdefault((record.network, record.training, record.group), []).append(record)
    return [tuple(sorted(some, key=lambda record: record.seed)) for some in found.values() if len(some) > 1]


def by_seed(records: Sequence[Record], key: str = "mean_iou", inference: str = "") -> Dict[int, float]:
    """Return a figure of each seed, by default in fast inference where there is one; without those that lack it."""
    found = {}
    for record in records:
        one = record.evaluations.get(inference or ("fast" if "fast" in record.evaluations else "whole"), {})
        found[record.seed] = one.get(key)
    return {seed: value for seed, value in found.items() if value is not None}


def _git(*arguments: str) -> Optional[str]:
    try:
        return subprocess.run(["git", "-C", str(SOURCE), *arguments], check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _version(*packages: str) -> str:
    for package in packages:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return "none"


def versions_of(origin: Mapping[str, Any]) -> str:
    """Return the versions in a provenance, such as "Python 3.11.7, MXNet 1.9.1"."""
    names = {"python": "Python", "mxnet": "MXNet", "numpy": "NumPy", "opencv": "OpenCV"}
    return ", ".join(f"{names.get(name, name)} {version}" for name, version in origin["versions"].items())


def provenance(command: str, threads: Optional[int] = None) -> Dict[str, Any]:
    """Where a result comes from. `dirty`: tracked files outside tables/ differ from the commit.

    `threads` are by default those that MXNet computes with: OMP_NUM_THREADS, or one per core.
    """
    threads = threads or own_threads()
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!tables")
    return {
        "commit": _git("rev-parse", "HEAD") or "unknown",
        "dirty": changed != "",
        "versions": {"python": platform.python_version(), "mxnet": _version("mxnet", "mxnet-cu112"),
                     "numpy": _version("numpy"), "opencv": _version("opencv-python", "opencv-python-headless")},
        "machine": f"{cpu_name()}, {threads} threads",
        "cpu": cpu(),
        "date": date.today().isoformat(),
        "command": command,
    }
