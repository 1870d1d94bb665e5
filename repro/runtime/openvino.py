"""An exported network in OpenVINO, on the CPU: photos enter as they are, and are normalised and padded in its graph."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

import numpy as np

from repro.device import threads
from repro.errors import UserError, choice
from repro.labels.prepare import Maps
from repro.runtime.exported import Exported, reason
from repro.runtime.onnx_format import read

try:
    import openvino
    from openvino.preprocess import PaddingMode, PrePostProcessor
except ImportError as error:
    raise UserError(f"ENGINE: openvino needs the package openvino, of requirements/openvino.txt ({error})") from None

PRECISIONS = ("float32", "bfloat16", "int8")
DEVICE, BF16 = "CPU", "BF16"
SIZES, BLOBS = 4, 8  # of photos that an engine is ready for at once; of compiled networks that are kept in a folder
SPARE = 2  # arrays of an output that are kept to be written again
LEVELS = 255.0


def has_bfloat16() -> bool:
    """Return True if this CPU multiplies bfloat16 (AMX, or AVX-512 with BF16)."""
    return BF16 in openvino.Core().get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")


def _precision(path, model, wanted: Optional[str]) -> str:
    """`wanted`, if this CPU and the file have it; None: the file's own. UserError where they have not."""
    own = "int8" if any(node.get_type_name() == "FakeQuantize" for node in model.get_ops()) else "float32"
    chosen = choice(wanted or own, PRECISIONS, "PRECISION")
    if (chosen == "int8") != (own == "int8"):
        raise UserError(f"PRECISION: {chosen}: {path} is in {own}; `make export PRECISION=int8` writes one in int8, "
                        "and a float32 file runs in bfloat16")
    check_precision(chosen)
    return chosen


def check_precision(precision: str) -> None:
    """Raise a UserError for bfloat16 on a CPU that does not multiply it."""
    if precision == "bfloat16" and not has_bfloat16():
        raise UserError("PRECISION: bfloat16: this CPU has no AMX or AVX-512 with BF16, which multiply it; choose from "
                        "float32, int8")


def model_read(path):
    """Return the network in a file; UserError where OpenVINO cannot read it."""
    try:
        return openvino.Core().read_model(read(path)[0], b"")
    except RuntimeError as error:
        raise UserError(f"{path}: not an ONNX file that OpenVINO can run: {reason(error)}") from None


def compiled(path, model, precision: str, cache=None, counted: bool = False):
    """Return A network ready to run on so many threads as are asked for; what int8 leaves computes in bfloat16 where
    the CPU has it.

    cache    a folder in which it is found again, the BLOBS that were used last.
    counted  with the time of each operator.
    """
    half = precision == "bfloat16" or precision == "int8" and has_bfloat16()
    settings: Dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": threads(), "PERF_COUNT": counted,
        "INFERENCE_PRECISION_HINT": openvino.Type.bf16 if half else openvino.Type.f32}
    if cache is not None:
        settings["CACHE_DIR"] = str(cache)
    try:
        made = openvino.Core().compile_model(model, DEVICE, settings)
    except RuntimeError as error:
        raise UserError(f"{path}: OpenVINO cannot run it: {reason(error)}") from None
    if cache is not None:
        with suppress(OSError):  # another process may take one away
            for old in sorted(Path(cache).glob("*.blob"), key=lambda file: file.stat().st_mtime)[:-BLOBS]:
                old.unlink()
    return made


class _Lent:
    """Memory of an array, put back into `free` when no array that was made of this is left."""

    def __init__(self, memory: np.ndarray, free: List[np.ndarray]):
        self.__array_interface__, self._memory, self._free = memory.__array_interface__, memory, free

    def __del__(self):
        if len(self._free) < SPARE:
            self._free.append(self._memory)


class Request:
    """A compiled network, which writes its outputs into memory that is used again once nothing refers to them: neither
    is an output copied, nor new memory touched, which takes longer than a copy."""

    def __init__(self, path, network):
        self.network, self._path, self._request = network, path, network.create_infer_request()
        self._free: List[List[np.ndarray]] = [[] for _ in network.outputs]

    def __call__(self, given: Mapping[Any, np.ndarray]) -> Tuple[np.ndarray, ...]:
        """Return the outputs for inputs by name or number, the caller's. UserError where they cannot be computed."""
        try:
            made = tuple(self._bound(number, port) for number, port in enumerate(self.network.outputs))
            self._request.infer(given, share_inputs=True, share_outputs=True)
            return made
        except RuntimeError as error:
            raise UserError(f"{self._path}: OpenVINO cannot run it: {reason(error)}") from None

    def _bound(self, number: int, port) -> np.ndarray:
        """Return what the next run writes an output into."""
        free = self._free[number]
        memory = free.pop() if free else np.empty(tuple(port.get_shape()), port.get_element_type().to_dtype())
        self._request.set_output_tensor(number, openvino.Tensor(memory, shared_memory=True))
        return np.asarray(_Lent(memory, free))

    def operators(self) -> List[Dict[str, Any]]:
        """Return what each operator of the last run took, of a network that is `counted`, as
        repro.runtime.profile's."""
        ran = [one for one in self._request.profiling_info if one.status == one.Status.EXECUTED]
        nodes = {node.get_friendly_name(): node for node in self.network.get_runtime_model().get_ops()}
        return [_operator(nodes[one.node_name], one) for one in ran]


class OpenvinoEngine(Exported):
    """Runs a file in OpenVINO, as Exported says.

    precision  of PRECISIONS; None: the file's. bfloat16 is of float32 files, int8 of files that are in it.
    cache      a folder for compiled networks, so that a second start is quick.
    counted    with the time of each operator, which `operators` gives.

    UserError for a file that OpenVINO cannot run, or not so, or whose record is not of it.
    """

    def __init__(self, path, precision: Optional[str] = None, cache=None, counted: bool = False):
        super().__init__(path, raw=True)
        self._model, self._cache, self._counted = model_read(path), cache, counted
        self.precision = _precision(path, self._model, precision)
        self._requests: OrderedDict[Optional[Tuple[int, int]], Request] = OrderedDict()
        self._lock = threading.Lock()

    def _outputs(self, images: np.ndarray) -> Tuple[np.ndarray, ...]:
        with self._lock:
            return self._request(None)({0: images})

    def __call__(self, x: np.ndarray) -> Maps:
        """Return the maps, by name, of a photo as it is, uint8 (1, h, w, 3) up to the engine's size; one size after the
        other is quickest."""
        with self._lock:
            return self._maps(self._request((x.shape[1], x.shape[2]))({0: x}))

    def operators(self, size: Tuple[int, int]) -> List[Dict[str, Any]]:
        """Return what each operator took for the last photo of a size (H, W)."""
        return self._request(size).operators()

    def _request(self, size: Optional[Tuple[int, int]]) -> Request:
        """Return what runs photos of a size (H, W), or None: normalised images; made unless it is kept."""
        if size not in self._requests:
            if len(self._requests) >= SIZES:
                self._requests.popitem(last=False)
            model = self._model.clone()
            self._requests[size] = Request(self._path, compiled(
                self._path, model if size is None else self._of_photos(model, size), self.precision, self._cache,
                self._counted))
        self._requests.move_to_end(size)
        return self._requests[size]

    def _of_photos(self, model, size: Tuple[int, int]):
        """Return the network given photos of a size: normalised, then padded with zeros."""
        steps = PrePostProcessor(model)
        given = steps.input()
        given.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC")).set_shape([1, *size, 3])
        given.model().set_layout(openvino.Layout("NCHW"))
        made = given.preprocess().convert_layout(openvino.Layout("NCHW")).convert_element_type(openvino.Type.f32)
        made.mean([LEVELS * one for one in self.input.mean]).scale([LEVELS * one for one in self.input.std])
        if size != self.shape[2:]:
            ends = [0, 0, *(whole - side for whole, side in zip(self.shape[2:], size))]
            made.pad([0, 0, 0, 0], ends, 0.0, PaddingMode.CONSTANT)
        return steps.build()


class Bound:
    """A file run again and again on the same inputs, as repro.runtime.bound's."""

    def __init__(self, path, inputs: Mapping[str, np.ndarray], precision: Optional[str] = None):
        model = model_read(path)
        self._inputs = dict(inputs)
        self._request = Request(path, compiled(path, model, _precision(path, model, precision)))

    def run(self) -> Tuple[np.ndarray, ...]:
        """Return the outputs."""
        return self._request(self._inputs)


def _operator(node, one) -> Dict[str, Any]:
    def shape(port) -> str:
        return f"{port.get_element_type().get_type_name()} {'x'.join(map(str, port.get_shape()))}"
    ports = [*node.inputs(), *node.outputs()]
    return {"node": one.node_name, "kind": one.node_type, "provider": one.exec_type,
            "shape": f"{', '.join(map(shape, node.inputs()[:1]))} -> {', '.join(map(shape, node.outputs()))}",
            "moved": sum(math.prod(port.get_shape()) * port.get_element_type().size for port in ports),
            "seconds": one.real_time.total_seconds()}
