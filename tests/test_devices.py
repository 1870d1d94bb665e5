"""Cards, by stand-ins for NVIDIA's driver: what cannot be used is one sentence; mxnet-cu112's libraries are found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import mxnet as mx
import pytest

from repro import device
from repro.errors import UserError

ROOT = Path(__file__).resolve().parent.parent


def test_a_driver_without_cards_is_one_sentence(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda name, **settings: SimpleNamespace(cuInit=lambda flags: 100))
    with pytest.raises(UserError, match="'0': the NVIDIA driver finds no usable card; leave GPU out"):
        device.check("0")


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
        return SimpleNamespace(cuInit=lambda flags: 0)
    monkeypatch.setattr("ctypes.CDLL", load)
    monkeypatch.setattr(device, "capability", lambda driver, card: (8, 6))
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
