"""Which CPU a measurement is of: what tells it from others, and whether two are of one kind."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any, Dict, Mapping

CPU_KEYS = {"vendor": "vendor_id", "family": "cpu family", "model": "model", "stepping": "stepping"}  # in /proc/cpuinfo
CPU_FLAGS = {"avx2": ("avx2",), "avx512": ("avx512f",), "vnni": ("avx512_vnni", "avx_vnni"),
             "bf16": ("avx512_bf16", "amx_bf16"), "amx": ("amx_tile",)}


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
    """True if all of these provenances are of one kind of CPU, so that their times may be compared.

    An old record has a name alone, which several CPUs may have: it is compared with others such alone.
    """
    return len({json.dumps(one.get("cpu") or one["machine"].rpartition(",")[0], sort_keys=True)
                for one in origins}) < 2


def _cpuinfo(place="/proc/cpuinfo") -> Dict[str, str]:
    """The first processor's lines there; none where there is no such file."""
    try:
        lines = Path(place).read_text().split("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
