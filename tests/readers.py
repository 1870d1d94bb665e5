"""The readers of what people bring: of each right samples, ways to damage them, and what may come of that."""

from __future__ import annotations

import itertools
import random
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, NamedTuple

import cv2
import damage
import mxnet as mx
import numpy as np
import yaml
from damage import Damaged
from mxnet.gluon.model_zoo import vision
from networks import network, wrong_networks

from experiments.lib.paths import HERE
from repro.config import presets, rows
from repro.config.networks import network_dict
from repro.data import CITYSCAPES, images, open_dataset, own
from repro.data.check import check_files
from repro.data.headers import LARGEST, PNG, picture_size
from repro.models.imagenet import load_backbone
from repro.models.parameters import arrays_of, assign, load
from repro.prediction.photos import CUT, sources
from repro.runtime.onnx import OnnxEngine


class Sample(NamedTuple):
    """A right file, or folder, and what its reader makes of it."""

    content: Any
    found: Any


@dataclass(frozen=True)
class Reader:
    """A reader of what people bring.

    samples  makes right files, or folders, by their names.
    read     (path) -> what it makes of a file; a UserError refuses it.
    right    (what it made, of which content, the sample) -> whether that is right.
    damage   (a sample's content, random generator) -> damaged contents; one of damage.py's functions.
    wrong    makes more files that must be refused, by what is wrong with them.
    any_name whether a file's name may be other bytes than UTF-8.
    """

    samples: Callable[[], Dict[str, Any]]
    read: Callable[[Path], Any]
    right: Callable[[Any, Any, Sample], Any]
    damage: Callable[[Any, random.Random], Iterator[Damaged]] = damage.binary
    wrong: Callable[[], Dict[str, bytes]] = field(default=dict)
    any_name: bool = True


def _known(content, sample: Sample) -> bool:
    """Return True of the sample itself and of its beginning, of which nothing but the same may be made."""
    return sample.content.startswith(content)


PICTURE = np.random.RandomState(0).randint(0, 256, (37, 53, 3)).astype(np.uint8)
# kinds of photos: suffix, what OpenCV is given, settings
KINDS = {
    "png": (".png", PICTURE, ()), "jpg": (".jpg", PICTURE, ()), "bmp": (".bmp", PICTURE, ()),
    "progressive": (".jpg", PICTURE, (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)), "tif": (".tif", PICTURE, ()),
    "webp": (".webp", PICTURE, (cv2.IMWRITE_WEBP_QUALITY, 50)), "jp2": (".jp2", PICTURE, ()),
    "lossless": (".webp", PICTURE, ()), "ppm": (".ppm", PICTURE, ()),
    "alpha": (".webp", np.dstack([PICTURE, PICTURE[..., 0]]), (cv2.IMWRITE_WEBP_QUALITY, 50)),
    "pgm": (".pgm", PICTURE[..., 0], ()), "pbm": (".pbm", PICTURE[..., 0], ()),
}


def encoded(kind: str) -> bytes:
    """Return a photo's file, one of KINDS."""
    suffix, picture, settings = KINDS[kind]
    return cv2.imencode(suffix, picture, settings)[1].tobytes()


def _encoded(*kinds: str) -> Dict[str, bytes]:
    return {f"{kind}{KINDS[kind][0]}": encoded(kind) for kind in kinds}


def _ids() -> Dict[str, bytes]:
    ids = np.random.RandomState(1).randint(0, 34, (37, 53)).astype(np.uint8)
    return {"a_labelIds.png": cv2.imencode(".png", ids)[1].tobytes()}


def _image(path: Path):
    size, image = images.image_size(path), images.read_image(path)
    return image if size == image.shape[:2] else f"size {size}"


def _picture(found, content: bytes, sample: Sample) -> bool:
    """Return True for a picture of the size that its header says, or turned; of a PNG with its header for that PNG."""
    same = _known(content, sample) or content.startswith(PNG) and content[:33] == sample.content[:33]
    size = picture_size(content)
    return found.dtype == np.uint8 and found.shape[2:] == sample.found.shape[2:] and (
        np.array_equal(found, sample.found) if same else size and sorted(found.shape[:2]) == sorted(size))


FRAMES = 8


def _videos() -> Dict[str, bytes]:
    """Return small videos of grey pictures."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, codec in (("a.avi", "MJPG"), ("a.mp4", "mp4v"), ("a.mkv", "MJPG")):
            writer = cv2.VideoWriter(f"{folder}/{name}", cv2.VideoWriter_fourcc(*codec), 10, (64, 48))
            for number in range(FRAMES):
                writer.write(np.full((48, 64, 3), 20 * number, np.uint8))
            writer.release()
            found[name] = (Path(folder) / name).read_bytes()
    return found


def _frames(path: Path):
    source, = sources(str(path))
    count, rate = source.count(), source.rate()
    return [*itertools.islice(source.frames(), 10 * FRAMES)] if count >= 0 and 0 < rate <= 1000 else []


def _video(found, content: bytes, sample: Sample) -> bool:
    """Return True for pictures that end; of a video cut short, for as good as all of them."""
    few = CUT * FRAMES if _known(content, sample) else 1
    return few <= len(found) < 10 * FRAMES and all(
        one.dtype == np.uint8 and one.ndim == 3 and one.shape[2] == 3 for one in found)


def _yaml(*names: str) -> Callable[[], Dict[str, bytes]]:
    return lambda: {Path(name).name: (HERE / name).read_bytes() for name in names}


def _rows(found, content: bytes, _) -> bool:
    """Return True for rows as they are written there."""
    return [(row.id, network_dict(row.network), rows.training_dict(row.training), row.inference) for row in found] == [
        (row["id"], row["network"], row["training"], row["inference"]) for row in yaml.safe_load(content)["rows"]]


def _preset(found, content: bytes, _) -> bool:
    value = yaml.safe_load(content)
    steps = {name: one["steps"] for name, one in value["budgets"].items()}
    return found.width == value["width"] <= presets.WIDEST and list(found.size) == list(value["size"]) \
        and found.size[0] * found.size[1] <= LARGEST and found.recipe.batch == value["recipe"]["batch"] > 0 \
        and {name: one.steps for name, one in found.budgets.items()} == steps


CLASSES = {"name": "yard", "void": [0, 255], "classes": [{"name": "path", "id": 3, "colour": [3, 0, 252]},
                                                         {"name": "hedge", "id": 7, "colour": [7, 0, 248]}]}


def _classes(found, content: bytes, _) -> bool:
    value = yaml.safe_load(content)
    return (found.name, found.names, found.ids) == (
        value["name"], tuple(one["name"] for one in value["classes"]), tuple(one["id"] for one in value["classes"]))


def saved(arrays: Dict[str, mx.nd.NDArray]) -> bytes:
    """Return a .params file, as MXNet writes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.params"
        mx.nd.save(str(path), arrays)
        return path.read_bytes()


def _network():
    made = mx.gluon.nn.HybridSequential(prefix="")
    made.add(mx.gluon.nn.Dense(3, in_units=2), mx.gluon.nn.BatchNorm(in_channels=3))
    made.initialize()
    return made


def _assigned(path: Path) -> Dict[str, mx.nd.NDArray]:
    network = _network()
    assign(network, load(path))
    return arrays_of(network)


def _arrays(found, content: bytes, sample: Sample) -> bool:
    """Return True for finite values of all names."""
    return found.keys() == sample.found.keys() and all(
        np.isfinite(value.asnumpy()).all()
        and (not _known(content, sample) or np.array_equal(value.asnumpy(), sample.found[name].asnumpy()))
        for name, value in found.items())


def _parameters(data: bytes, draw: random.Random, count: int = 30) -> Iterator[Damaged]:
    """Damage a .params file: its bytes; and one of its values."""
    yield from damage.binary(data, draw, count)
    arrays = mx.nd.load_frombuffer(data)
    for name in draw.sample(sorted(arrays), min(len(arrays), 7)):
        rest, value = {key: one for key, one in arrays.items() if key != name}, arrays[name]
        yield "missing key", name, saved(rest)
        yield "unknown key", name, saved({**rest, f"{name}2": value})
        for what, wrong in (("NaN", value * np.nan), ("infinity", value + np.inf), ("longer", mx.nd.ones(9)),
                            ("of two axes", value.reshape((-1, 1))), ("sparse", mx.nd.ones((4, 3)).tostype("csr"))):
            yield "wrong value", f"{name}: {what}", saved({**rest, name: wrong})


def _zoo() -> Dict[str, bytes]:
    return {"a.params": saved({name: mx.nd.ones(2) for name in vision.resnet50_v1()._collect_params_with_prefix()})}


def _labels(path: Path):
    engine, image = OnnxEngine(path), PICTURE[:32, :48]
    return engine.labels(image) if engine.metadata is None else engine.segment(image).labels


def _folders() -> Dict[str, Dict[str, bytes]]:
    """Return a small data set in each layout."""
    image, label = (cv2.imencode(".png", np.zeros(shape, np.uint8))[1].tobytes() for shape in ((4, 6, 3), (4, 6)))

    def both(images: str, labels: str, splits) -> Dict[str, bytes]:
        return {pattern.format(split, number): content for pattern, content in ((images, image), (labels, label))
                for split in splits for number in (1, 2)}
    classes = {"classes.yaml": yaml.safe_dump({**CLASSES, "void": [0]}).encode()}
    return {"camvid": both("{}/{}.png", "{}annot/{}.png", ("train", "val", "test")),
            "cityscapes": both("leftImg8bit/{}/a/a_{}_leftImg8bit.png", "gtFine/{}/a/a_{}_gtFine_labelIds.png",
                               ("train", "val")),
            "own": {**classes, **both("images/{}/{}.png", "labels/{}/{}.png", ("train", "val"))}}


def _opened(path: Path) -> int:
    """Return how many samples a data set has, all its files read."""
    data = open_dataset(path)
    samples = (*data.train, *data.val, *data.test)
    check_files(samples, data.classes, None, 1, lambda results, total, what: results)
    return len(samples)


READERS = {
    "images": Reader(partial(_encoded, "png", "jpg", "progressive"), _image, _picture, damage.picture),
    "labels": Reader(_ids, partial(images.read_label, classes=CITYSCAPES), _picture, damage.picture),
    "photos": Reader(partial(_encoded, *KINDS), lambda path: next(sources(str(path))[0].frames()), _picture,
                     damage.picture),
    "videos": Reader(_videos, _frames, _video, partial(damage.binary, count=4), any_name=False),
    "datasets": Reader(_folders, _opened, lambda found, _, sample: 0 < found <= sample.found, damage.folder),
    "classes": Reader(lambda: {"classes.yaml": yaml.safe_dump(CLASSES).encode()}, own.read_classes, _classes,
                      damage.text),
    "rows": Reader(_yaml("table1.yaml", "neighbours.yaml"), rows.load_rows, _rows, damage.text),
    "presets": Reader(_yaml("presets/lite.yaml"), lambda path: presets.load_preset(path, "a"), _preset, damage.text),
    "parameters": Reader(lambda: {"a.params": saved(arrays_of(_network()))}, _assigned, _arrays, _parameters),
    "backbones": Reader(_zoo, load_backbone, _arrays, partial(_parameters, count=10)),
    "exported": Reader(lambda: {"bare.onnx": network(None), "a.onnx": network()}, _labels,
                       lambda found, *_: found.shape == (32, 48) and found.dtype == np.uint8,
                       partial(damage.binary, count=40), wrong_networks),
}
