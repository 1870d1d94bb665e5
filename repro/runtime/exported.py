"""An exported network, whichever engine runs it: what its file must be, and what is found in a photo."""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Sequence, Tuple

import numpy as np

from repro.data.augment import MEAN, STD
from repro.data.classes import MOST
from repro.data.images import size_of
from repro.errors import UserError
from repro.labels.labelmap import STRIDES, labels_of
from repro.labels.prepare import Input, Maps, maps_of
from repro.prediction.segmenter import Segmentation, photo_of, segmentation
from repro.prediction.weights import Known
from repro.runtime.metadata import Metadata
from repro.runtime.onnx_format import input_of, read, record_of


class Exported:
    """A file of repro.export on images one after the other, or in batches of the file's size. Threads may share it,
    and `OMP_NUM_THREADS` says how many compute. An engine adds `_outputs`.

    input     what it takes; its maps are then `engine(prepare(image, engine.input))`.
    metadata  the file's record; None where it has none, its images are then normalised as this project's are.

    raw       it normalises and pads photos itself. UserError where the record is not of the file.
    """

    def __init__(self, path, raw: bool = False):
        _, model = read(path)
        self.input_name, self.shape = input_of(model, path)
        self.names = tuple(one.name for one in model.graph.output)
        self.metadata: Optional[Metadata] = record_of(model, path)
        self._path, metadata = path, self.metadata
        if metadata and (metadata.shape, metadata.outputs) != (self.shape, self.names):
            raise UserError(f"{path}: its record is of a network from {metadata.shape} to "
                            f"{', '.join(metadata.outputs)}, not of this one from {self.shape} to "
                            f"{', '.join(self.names)}")
        if metadata and metadata.region is not None and not {"mask", "s"} <= set(self.names):
            raise UserError(f"{path}: its record is of regions, its outputs ({', '.join(self.names)}) have none")
        self.input = Input(self.shape, *((metadata.mean, metadata.std) if metadata else (MEAN, STD)), raw)

    def outputs(self, images: np.ndarray) -> Tuple[np.ndarray, ...]:
        """Return the file's outputs for normalised images float32 (N, 3, H, W)."""
        if images.shape != self.shape:
            raise ValueError(f"images of shape {images.shape}: this engine is for {self.shape}")
        return self._outputs(images)

    def _outputs(self, images: np.ndarray) -> Tuple[np.ndarray, ...]:
        raise NotImplementedError

    def __call__(self, x: np.ndarray) -> Maps:
        """One image as repro.labels.prepare makes it -> its maps (C, h, w), by name."""
        return self._maps(self.outputs(x))

    def labels(self, image: np.ndarray) -> np.ndarray:
        """uint8 (H, W, 3) RGB, up to the engine's size -> labels uint8 (H, W), from the first output."""
        return self._labels(maps_of(self, image), image)

    @property
    def weights(self) -> Known:
        """What is known of the file; UserError where it has no record, or is of several images at once."""
        about = self.metadata
        if about is None or self.shape[0] != 1:
            raise UserError(f"weights {self._path}: its record is not of one image at once; `make export` writes such "
                            "files" if about else f"weights {self._path}: a file with no record that says what its "
                            "outputs are; `make export` writes such records")
        size = self.shape[2], self.shape[3]
        return Known(Path(self._path), about.classes, size, (
            f"row {about.row}, {about.weights}, in {about.precision}, for images up to {size[0]}x{size[1]}"))

    def shrunk(self, size: Tuple[int, int]) -> int:
        """Return how many times an image (H, W) is shrunk: it is not."""
        return 1

    def segment(self, image: np.ndarray, scores: bool = False) -> Segmentation:
        """uint8 (H, W, 3) RGB, up to the engine's size -> what is found in it, with its score maps if asked for.

        As Segmenter's, but of one size and k, those of the file, and without MXNet. UserError where the file has no
        record, for another array, and a larger image.
        """
        image, about, known = photo_of(image), self.weights, self.metadata
        if any(side > most for side, most in zip(image.shape, about.images_of)):
            raise UserError("image of {}x{}: {} is for up to {}x{}; `make export SIZE=` for larger".format(
                *size_of(image), about.path.name, *about.images_of))
        assert known is not None  # or it has no weights
        maps = maps_of(self, image)
        return segmentation(self._labels(maps, image), maps, known.stride, known.region, known.selector != "entropy",
                            scores)

    def _labels(self, maps: Maps, image: np.ndarray) -> np.ndarray:
        return labels_of(maps["scores"], size_of(image), self.shape[2] // maps["scores"].shape[1])

    def _maps(self, made: Sequence[np.ndarray]) -> Maps:
        """Return the outputs by name, without the batch's axis; the first is "scores", whatever the file calls it."""
        scores, known = made[0][0], self.metadata
        strides = (known.stride,) if known else STRIDES
        fitting = [(one * scores.shape[1], one * scores.shape[2]) == self.shape[2:] for one in strides] \
            if scores.ndim == 3 and scores.dtype == np.float32 else []
        if not any(fitting) or not 0 < len(scores) <= MOST or known and len(scores) != len(known.classes):
            wanted = f"{len(known.classes)} classes, stride {known.stride}" if known else "K, H / stride, W / stride"
            raise UserError(f"{self._path}: its first output, {scores.shape} of {scores.dtype}, is not score maps of "
                            f"({wanted}) for images of {self.shape[2]}x{self.shape[3]}")
        return {**{name: one[0] for name, one in zip(self.names, made)}, "scores": scores}


def reason(error: Exception) -> str:
    """Return what an engine says of a file, in one line."""
    return " ".join(str(error).split())[:200]
