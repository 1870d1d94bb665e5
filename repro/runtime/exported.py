"""An exported network, whichever engine runs it: what its file must be, and what is found in a photo."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Tuple

import numpy as np

from repro.data.augment import MEAN, STD
from repro.data.classes import MOST
from repro.data.headers import LARGEST
from repro.errors import UserError
from repro.files import given
from repro.labels.labeller import Labeller, Outputs
from repro.labels.labelmap import STRIDES
from repro.prediction.segmenter import Segmentation, photo_of
from repro.runtime.metadata import Metadata
from repro.runtime.onnx_format import checked
from repro.sparserefine.segmenter import RefinedWeights


class Exported:
    """A file of repro.export on images one after the other, or in batches of the file's size.

    `metadata` is the file's record; None where it has none, its images are then normalised as this project's are.
    As Engine's, threads may share it, and `OMP_NUM_THREADS` says how many compute. An engine calls `_start` when its
    file is read, and has `outputs`; or `photo`, if it normalises and pads itself.
    """

    photo: Any = None

    def _start(self, path, shape: Tuple[int, ...], names: Sequence[str], metadata: Optional[Metadata]) -> None:
        """UserError where the record is not of the file."""
        self.shape, self.names, self.metadata, self._path = tuple(shape), tuple(names), metadata, path
        used = metadata
        if used and (used.shape, used.outputs) != (self.shape, self.names):
            raise UserError(f"{path}: its record is of a network from {used.shape} to {', '.join(used.outputs)}, not "
                            f"of this one from {self.shape} to {', '.join(self.names)}")
        if used and used.region is not None and not {"mask", "s"} <= set(self.names):
            raise UserError(f"{path}: its record is of regions, its outputs ({', '.join(self.names)}) have none")
        self.mean, self.std = (used.mean, used.std) if used else (MEAN, STD)
        self._labeller = Labeller(self.shape, self._run, mean=self.mean, std=self.std, raw=self.photo is not None)

    def outputs(self, images: np.ndarray) -> Tuple[np.ndarray, ...]:
        """The file's outputs for normalised images float32 (N, 3, H, W)."""
        raise NotImplementedError

    def labels(self, image: np.ndarray) -> np.ndarray:
        """uint8 (H, W, 3) RGB, up to the engine's size -> labels uint8 (H, W), from the first output."""
        return self._labeller(image)[0]

    def segment(self, image: np.ndarray, scores: bool = False) -> Segmentation:
        """uint8 (H, W, 3) RGB, up to the engine's size -> what is found in it, with its score maps if asked for.

        As Segmenter's, but of one size and k, those of the file, and without MXNet. ValueError where the file has no
        record.
        """
        if self.metadata is None:
            raise ValueError("this file has no record that says what its outputs are")
        labels, made = self._labeller(image)
        height, width = (-(-side // self.metadata.stride) for side in labels.shape)
        maps: Dict[str, Any] = {name: made[name][0, :height, :width] for name in ("z2",) if name in made}
        if scores:
            maps["scores"] = made["scores"][:, :height, :width]
        if self.metadata.region is not None:
            maps.update(region=self.metadata.region, active=made["mask"][0] > 0, s=made["s"][0],
                        learned=self.metadata.selector != "entropy")
        return Segmentation(labels=labels, stride=self.metadata.stride, **maps)

    def _run(self, pixels: np.ndarray) -> Outputs:
        """The outputs by name, without the batch's axis; the first is "scores", whatever the file calls it."""
        made = (self.photo or self.outputs)(pixels)
        scores, known = made[0][0], self.metadata
        strides = (known.stride,) if known else STRIDES
        fitting = [(one * scores.shape[1], one * scores.shape[2]) == self.shape[2:] for one in strides] \
            if scores.ndim == 3 and scores.dtype == np.float32 else []
        if not any(fitting) or not 0 < len(scores) <= MOST or known and len(scores) != len(known.classes):
            wanted = f"{len(known.classes)} classes, stride {known.stride}" if known else "K, H / stride, W / stride"
            raise UserError(f"{self._path}: its first output, {scores.shape} of {scores.dtype}, is not score maps of "
                            f"({wanted}) for images of {self.shape[2]}x{self.shape[3]}")
        return {**{name: one[0] for name, one in zip(self.names, made)}, "scores": scores}


class FileSegmenter:
    """What Segmenter is, of one exported file with its record: photos up to its size, none shrunk.

    UserError where the file has no record, or is of several images at once.
    """

    def __init__(self, engine: Exported, path):
        about = engine.metadata
        if about is None or about.shape[0] != 1:
            raise UserError(f"weights {path}: its record is not of one image at once; `make export` writes such files")
        self._engine = engine
        self.weights = RefinedWeights(Path(path), about.classes, (about.shape[2], about.shape[3]), (
            f"row {about.row}, {about.weights}, in {about.precision}, for images up to "
            f"{about.shape[2]}x{about.shape[3]}"))

    def shrunk(self, size: Tuple[int, int]) -> int:
        """How many times an image (H, W) is shrunk: it is not."""
        return 1

    def segment(self, image: np.ndarray, scores: bool = False) -> Segmentation:
        """uint8 RGB (H, W, 3) -> what is found in it. UserError for another array, and a larger image."""
        image = photo_of(image)
        if any(side > most for side, most in zip(image.shape, self.weights.images_of)):
            raise UserError(f"image of {image.shape[0]}x{image.shape[1]}: {self.weights.path.name} is for up to "
                            f"{self.weights.images_of[0]}x{self.weights.images_of[1]}; `make export SIZE=` for larger")
        return self._engine.segment(image, scores)


def images_shape(path, inputs: Sequence[Tuple[str, Sequence[Any], str]]) -> Tuple[int, ...]:
    """(N, 3, H, W) of a file's inputs, (name, shape, type) of each; UserError unless it is one, of images, float32, as
    large as can be."""
    shape: Sequence[Any] = inputs[0][1] if len(inputs) == 1 else ()
    if len(shape) != 4 or not all(isinstance(side, int) and side > 0 for side in shape) or shape[1] != 3 \
            or shape[0] * shape[2] * shape[3] > LARGEST or inputs[0][2] != "float32":
        given = ", ".join(f"{name} {list(sides)} of {kind}" for name, sides, kind in inputs) or "none"
        raise UserError(f"{path}: its inputs ({given}) are not one of RGB images, float32 (N, 3, H, W) of known sides "
                        f"and up to {LARGEST} pixels")
    return tuple(shape)


def model_of(path) -> bytes:
    """A file's bytes: given as such to an engine, it cannot have values taken from other files. UserError where it
    cannot be read, or has what an engine would divide by and is 0."""
    model = given(path, str(path))
    checked(model, path)
    return model


def reason(error: Exception) -> str:
    """What an engine says of a file, in one line."""
    return " ".join(str(error).split())[:200]
