"""The machine: its cards, whether mxnet-cu112 can use them, its CPU, its threads. mxnet is imported last."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import sys
import sysconfig
from pathlib import Path
from typing import Any, Dict, List, Mapping, Tuple

from repro.errors import UserError

NEWEST = (8, 9)  # mxnet-cu112 holds machine code for compute capability 5.0 to 8.6, which runs up to 8.9, and no PTX
INSTEAD = "leave GPU out to run on the CPU, or run the network's ONNX export (repro.export) in another engine"
# in the order in which one needs another
LIBRARIES = ("cudart", "cublasLt", "cublas", "cufft", "curand", "cusolver", "nvrtc", "cudnn", "nccl", "nvToolsExt")
DRIVER = "libcuda.so.1"
CPU_KEYS = {"vendor": "vendor_id", "family": "cpu family", "model": "model", "stepping": "stepping"}  # in /proc/cpuinfo
CPU_FLAGS = {"avx2": ("avx2",), "avx512": ("avx512f",), "vnni": ("avx512_vnni", "avx_vnni"),
             "bf16": ("avx512_bf16", "amx_bf16"), "amx": ("amx_tile",)}


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
    """Return the MXNet contexts of GPU=; [mx.cpu()] for ""."""
    import mxnet as mx

    cards = parse(gpu)
    if not cards:
        return [mx.cpu()]
    if not mx.runtime.Features().is_enabled("CUDA"):
        raise UserError(f"GPU: {gpu!r}: the installed mxnet is the CPU build; make sets up mxnet-cu112 with GPU given")
    return [mx.gpu(card) for card in cards]


def driver_for(asked: str, instead: str):
    """NVIDIA's driver; UserError, on what `asked` for it and what to do `instead`, on a machine without."""
    try:
        return ctypes.CDLL(DRIVER)
    except OSError:
        raise UserError(f"{asked} needs NVIDIA's driver ({DRIVER}), which this machine does not have; "
                        f"{instead}") from None


def capability(driver, card: int) -> Tuple[int, int]:
    """Compute capability of a card, from the driver's library; UserError when there is no such card."""
    device, count = ctypes.c_int(), ctypes.c_int()
    driver.cuDeviceGetCount(ctypes.byref(count))
    if card >= count.value:
        raise UserError(f"GPU: there is no card {card}; the driver shows {count.value}")
    driver.cuDeviceGet(ctypes.byref(device), card)
    values = []
    for attribute in (75, 76):  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR
        value = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        values.append(value.value)
    return values[0], values[1]


def cpu(place="/proc/cpuinfo") -> Dict[str, Any]:
    """Return what tells this CPU from others: vendor, family, model and stepping, "unknown" where the system does not
    say, and those of CPU_FLAGS that it has."""
    found = _cpuinfo(place)
    flags = set(found.get("flags", "").split())
    return {**{name: found.get(key) or "unknown" for name, key in CPU_KEYS.items()},
            "flags": " ".join(name for name, known in CPU_FLAGS.items() if set(known) & flags) or "none"}


def cpu_name() -> str:
    """Return what the system calls this CPU, such as "AMD EPYC", which several may be called."""
    return _cpuinfo().get("model name") or platform.processor() or platform.machine() or "unknown"


def cpu_words(origin: Mapping[str, Any]) -> str:
    """Return the machine of a provenance, "AMD EPYC, 2 threads", and what tells its CPU from others where it says."""
    found = origin.get("cpu")
    if not found:
        return origin["machine"]
    return (f"{origin['machine']} ({found['vendor']} family {found['family']}, model {found['model']}, stepping "
            f"{found['stepping']}; {found['flags'].replace(' ', ', ')})")


def same_cpu(*origins: Mapping[str, Any]) -> bool:
    """Return True if all of these provenances are of one kind of CPU, so that their times may be compared.

    An old record has a name alone, which several CPUs may have: it is compared with others such alone.
    """
    return len({json.dumps(one.get("cpu") or one["machine"].rpartition(",")[0], sort_keys=True)
                for one in origins}) < 2


def _cpuinfo(place="/proc/cpuinfo") -> Dict[str, str]:
    """Return the first processor's lines there; none where there is no such file."""
    try:
        lines = Path(place).read_text().split("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def threads() -> int:
    """As many as MXNet: OMP_NUM_THREADS, or one per core that this process may run on."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(os.environ.get("OMP_NUM_THREADS") or own)


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
