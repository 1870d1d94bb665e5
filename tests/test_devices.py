"""Cards, by stand-ins for NVIDIA's driver: what cannot be used is one sentence; mxnet-cu112's libraries are found."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import mxnet as mx
import pytest

from repro import device
from repro.errors import UserError

ROOT = Path(__file__).resolve().parent.parent


class Driver:
    """A stand-in for libcuda with one card of a compute capability; `failed`: it cannot begin."""

    def __init__(self, major, minor, failed=0):
        self.values, self.failed = {75: major, 76: minor}, failed

    def cuInit(self, flags):
        return self.failed

    def cuDeviceGetCount(self, count):
        count._obj.value = 1

    def cuDeviceGet(self, device, card):
        device._obj.value = card

    def cuDeviceGetAttribute(self, value, attribute, device):
        value._obj.value = self.values[attribute]


@pytest.mark.parametrize("gpu, driver, words", [
    *((gpu, Driver(8, 6), "card numbers") for gpu in ("-1", "0,0", "0;1", "first")),
    ("0", None, "'0' needs NVIDIA's driver .libcuda.so.1., which this machine does not"),
    ("0", Driver(8, 6, 100), "'0': the NVIDIA driver finds no usable card; leave GPU out"),
    ("0", Driver(9, 0), "card 0 has compute capability 9.0; mxnet-cu112 has kernels up to 8.9"),
    ("0", Driver(12, 0), "card 0 has compute capability 12.0; mxnet-cu112 has kernels up to 8.9"),
    ("0,1", Driver(8, 6), "no card 1; the driver shows 1"),
    ("0", Driver(8, 6), ""), ("", None, ""),
])
def test_a_card_that_cannot_be_used_is_one_sentence(gpu, driver, words, monkeypatch):
    def load(name, **settings):
        if driver is None:
            raise OSError(f"{name}: cannot open shared object file")
        return driver
    monkeypatch.setattr("ctypes.CDLL", load)
    with pytest.raises(UserError, match=words) if words else contextlib.nullcontext():
        device.check(gpu)


def test_libraries_that_packages_brought_are_loaded_in_the_order_of_their_needs(monkeypatch, tmp_path):
    """From where pip puts them, visible to mxnet; those that are not there are the system's to find."""
    for name in ("cublas/lib/libcublas.so.11", "cublas/lib/libcublasLt.so.11", "cuda_runtime/lib/libcudart.so.11.0",
                 "cudnn/lib/libcudnn.so.8", "cudnn/lib/libcudnn_ops_infer.so.8", "cudnn/lib/readme"):
        path = tmp_path / "nvidia" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    loaded = []

    def load(name, mode=None):
        if name != "libcuda.so.1":
            loaded.append((Path(name).name, mode))
        return Driver(8, 6)
    monkeypatch.setattr("ctypes.CDLL", load)
    monkeypatch.setattr("sysconfig.get_paths", lambda: {"purelib": str(tmp_path)})
    device.check("0")
    assert loaded == [(name, device.ctypes.RTLD_GLOBAL) for name in (
        "libcudart.so.11.0", "libcublasLt.so.11", "libcublas.so.11", "libcudnn.so.8")]


def test_a_card_wants_the_other_build_of_mxnet(monkeypatch):
    assert device.contexts("") == [mx.cpu()]
    with pytest.raises(UserError, match="'0': the installed mxnet is the CPU build"):
        device.contexts("0")
    monkeypatch.setattr(mx.runtime, "Features", lambda: SimpleNamespace(is_enabled=lambda name: name == "CUDA"))
    assert device.contexts("0,2") == [mx.gpu(0), mx.gpu(2)]


@pytest.mark.parametrize("gpu, code, words", [("", 0, ""), ("first", 2, "error: GPU: 'first' is not a list of card ")])
def test_make_asks_before_it_installs(gpu, code, words):
    ended = subprocess.run([sys.executable, "-m", "repro.device", gpu], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == code and ended.stderr.startswith(words) and ended.stderr.count("\n") == bool(code)
