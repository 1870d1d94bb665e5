"""An exported network in onnxruntime."""

from __future__ import annotations

from typing import Sequence, Tuple

import numpy as np
import onnxruntime

from repro.labeller import Labeller
from repro.others.threads import threads

ERRORS_ALONE = 3


class OnnxEngine:
    """Runs a file of repro.export.to_onnx on images one after the other, or in batches of the file's size.

    providers  of onnxruntime, such as CUDAExecutionProvider, the first that can run an operator doing so.

    As Engine's, threads may share it, and `OMP_NUM_THREADS` says how many compute.
    """

    def __init__(self, path, providers: Sequence[str] = ("CPUExecutionProvider",)):
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads, settings.log_severity_level = threads(), ERRORS_ALONE
        self._session = onnxruntime.InferenceSession(str(path), settings, providers=list(providers))
        self._input, = self._session.get_inputs()
        self.shape: Tuple[int, ...] = tuple(self._input.shape)
        self._labeller = Labeller(self.shape, lambda: self.outputs(self._labeller.pixels)[0][0])

    def outputs(self, images: np.ndarray) -> Tuple[np.ndarray, ...]:
        """The file's outputs for normalised images float32 (N, 3, H, W)."""
        if images.shape != self.shape:
            raise ValueError(f"images of shape {images.shape}: this engine is for {self.shape}")
        return tuple(self._session.run(None, {self._input.name: images}))

    def labels(self, image: np.ndarray) -> np.ndarray:
        """uint8 (H, W, 3) RGB, up to the engine's size -> labels uint8 (H, W), from the first output."""
        return self._labeller(image)
