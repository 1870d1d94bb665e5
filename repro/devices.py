"""Which devices to compute on, and a clear word where mxnet-cu112 cannot use a card. mxnet is imported last."""

from __future__ import annotations

import ctypes
import sys
import sysconfig
from pathlib import Path
from typing import List, Tuple

from repro.driver import capability, driver_for
from repro.errors import UserError

NEWEST = (8, 9)  # mxnet-cu112 holds machine code for compute capability 5.0 to 8.6, which runs up to 8.9, and no PTX
INSTEAD = "leave GPU out to run on the CPU, or run the network's ONNX export (repro.export) in another engine"
# in the order in which one needs another
LIBRARIES = ("cudart", "cublasLt", "cublas", "cufft", "curand", "cusolver", "nvrtc", "cudnn", "nccl", "nvToolsExt")


def parse(gpu: str) -> Tuple[int, ...]:
    """"" -> (), "0,1" -> (0, 1); UserError for anything else."""
    if not gpu:
        return ()
    try:
        cards = tuple(int(card) for card in gpu.split(","))
    except ValueError:
        cards = (-1,)
    if min(cards) < 0 or len(set(cards)) < len(cards):
        raise UserError(f"GPU: {gpu!r} is not a list of card numbers; leave it out for the CPU, or give 0 or 0,1")
    return cards


def check(gpu: str) -> None:
    """Raise a UserError unless mxnet-cu112 can run on the named cards; load its libraries where they can be found.

    Call it before mxnet is first imported.
    """
    cards = parse(gpu)
    if not cards:
        return
    driver = driver_for(f"GPU: {gpu!r}", INSTEAD)
    if driver.cuInit(0):
        raise UserError(f"GPU: {gpu!r}: the NVIDIA driver finds no usable card; {INSTEAD}")
    for card in cards:
        found = capability(driver, card)
        if found > NEWEST:
            raise UserError(f"GPU: card {card} has compute capability {found[0]}.{found[1]}; mxnet-cu112 has kernels "
                            f"up to {NEWEST[0]}.{NEWEST[1]}; {INSTEAD}")
    root = Path(sysconfig.get_paths()["purelib"]) / "nvidia"
    for name in LIBRARIES:
        for path in sorted(root.glob(f"*/lib/lib{name}.so.*"))[:1]:
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)


def contexts(gpu: str) -> List:
    """The MXNet contexts of GPU=; [mx.cpu()] for ""."""
    import mxnet as mx

    cards = parse(gpu)
    if not cards:
        return [mx.cpu()]
    if not mx.runtime.Features().is_enabled("CUDA"):
        raise UserError(f"GPU: {gpu!r}: the installed mxnet is the CPU build; make sets up mxnet-cu112 with GPU given")
    return [mx.gpu(card) for card in cards]


# asked by make before it installs gigabytes: exit code 2 and one line where cards, or onnxruntime-gpu, cannot run
if __name__ == "__main__":
    try:
        if sys.argv[1] == "onnx":
            driver_for("GPU, PROVIDER: onnxruntime-gpu", "leave them out to run on the CPU")
        else:
            check(sys.argv[1])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
