"""Which of onnxruntime's providers compute: decided here alone, from a name and a card."""

from __future__ import annotations

import ctypes
from typing import Any, Dict, Optional, Sequence, Tuple, Union

import onnxruntime

from repro.device import driver_for
from repro.errors import UserError, choice

INSTEAD = "leave GPU and PROVIDER out to run on the CPU"
CPU = "CPUExecutionProvider"
PROVIDERS = {"cpu": CPU, "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
Provider = Union[str, Tuple[str, Dict[str, Any]]]


def providers(name: str = "", card: Optional[int] = None, tf32: bool = False) -> Tuple[Provider, ...]:
    """Return what onnxruntime is to be given, the first that can run an operator doing so.

    name  of PROVIDERS; "": cuda where a card is given, else cpu.
    card  its number; None: for cuda and tensorrt the first.
    tf32  float32 products on a card with 10 bits of mantissa, as its matrix units are quickest (cuda; TensorRT does
          so by itself, unless the environment has NVIDIA_TF32_OVERRIDE=0).

    UserError where the installed onnxruntime has no such provider, or the machine no driver.
    """
    name = choice(name or ("cpu" if card is None else "cuda"), tuple(PROVIDERS), "PROVIDER")
    if name == "cpu":
        if card is not None:
            raise UserError(f"PROVIDER: cpu computes on no card; leave out GPU={card}, or take cuda or tensorrt")
        return (CPU,)
    _usable(name)
    number = str(card or 0)
    cuda = PROVIDERS["cuda"], {"device_id": number, "use_tf32": str(int(tf32)),
                               "cudnn_conv_algo_search": "EXHAUSTIVE", "cudnn_conv_use_max_workspace": "1"}
    first = ((PROVIDERS["tensorrt"], {"device_id": number}),) if name == "tensorrt" else ()
    return (*first, cuda, CPU)


def on_card(given: Sequence[Provider]) -> bool:
    """Return True if these compute on a card."""
    return names(given)[0] != CPU


def names(given: Sequence[Provider]) -> Tuple[str, ...]:
    """Their names, without settings."""
    return tuple(one if isinstance(one, str) else one[0] for one in given)


def check_used(given: Sequence[Provider], used: Sequence[str]) -> None:
    """UserError if onnxruntime fell back from the first of the providers `given` to others, which are `used`.

    It does that by itself, where the libraries that a provider needs cannot be loaded.
    """
    wanted = names(given)[0]
    if wanted not in used:
        raise UserError(f"PROVIDER: onnxruntime {onnxruntime.__version__} cannot start {wanted}: libraries of CUDA, "
                        "cuDNN or TensorRT are missing or of another version; install onnxruntime-gpu[cuda,cudnn]")


def card_name(card: int) -> str:
    """Return the driver's name of a card, such as NVIDIA H200; UserError where there is none of this number."""
    driver, number, text = driver_for("PROVIDER: cuda", INSTEAD), ctypes.c_int(), ctypes.create_string_buffer(256)
    if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(number), card):
        raise UserError(f"GPU: the driver finds no card {card}")
    driver.cuDeviceGetName(text, len(text), number)
    return text.value.decode()


def _usable(name: str) -> None:
    """UserError, with what to install, unless a provider may be asked for."""
    found = onnxruntime.get_available_providers()
    if PROVIDERS[name] not in found:
        raise UserError(f"PROVIDER: {name}: the installed onnxruntime {onnxruntime.__version__} has "
                        f"{', '.join(found)}, not {PROVIDERS[name]}; install onnxruntime-gpu in its place "
                        f"(requirements/onnx-gpu.txt), on a machine with NVIDIA's driver")
    driver_for(f"PROVIDER: {name}", INSTEAD)
    load = getattr(onnxruntime, "preload_dlls", None)  # those of CUDA and cuDNN that pip installed; from 1.21 on
    if load:
        load()
