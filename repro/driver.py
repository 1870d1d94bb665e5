"""NVIDIA's driver, asked through its own library."""

from __future__ import annotations

import ctypes
from typing import Tuple

from repro.errors import UserError

DRIVER = "libcuda.so.1"


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
