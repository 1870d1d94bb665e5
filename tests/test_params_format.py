""".params files are read without MXNet: the same values, or one line for every file that is none."""

from __future__ import annotations

import pickle

import mxnet as mx
import numpy as np
import pytest
from folders import full_disk

from repro import files
from repro.errors import UserError
from repro.models import params_format
from repro.models.parameters import load, load_typed, save_arrays
from repro.prediction import weights

TYPES = ("float32", "float64", "float16", "uint8", "int32", "int8", "int64")


@pytest.fixture()
def path(tmp_path):
    """A file with an array of each type, and 3000 numbers."""
    arrays = {f"of {kind}": mx.nd.array(np.arange(6).reshape(1, 2, 3), dtype=kind) for kind in TYPES}
    save_arrays(tmp_path / "a.params", {**arrays, "größe": mx.nd.array(np.arange(3000) / 7)})
    return tmp_path / "a.params"


def test_what_mxnet_wrote_is_read(path):
    theirs, ours, loaded = mx.nd.load(str(path)), params_format.read(path), load_typed(path)
    assert list(theirs) == list(ours) == list(loaded)
    for name, value in theirs.items():
        for other in (ours[name], loaded[name].asnumpy()):
            np.testing.assert_array_equal(value.asnumpy(), other)
            assert value.dtype == other.dtype
    with mx.util.np_shape(True):
        mx.nd.save(str(path), {"x": mx.nd.array([1.5])})  # another version of the format
    assert params_format.read(path)["x"] == 1.5


def test_a_file_cut_anywhere_or_longer_is_refused(path):
    data = path.read_bytes()
    for length in [*range(700), len(data) - 12000, *range(len(data) - 700, len(data))]:
        path.write_bytes(data[:length])
        with pytest.raises(UserError, match="not an MXNet .params file, or damaged"):
            params_format.read(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(UserError, match="1 bytes behind its end"):
        params_format.read(path)


@pytest.mark.parametrize("at, value, words", [
    (0, 0x113, "does not begin as one"), (8, 1, "does not begin as one"), (16, 1 << 60, "it says that it has"),
    (16, 0, "names for 0 arrays"), (24, 5, "begins with 0x5, no version"), (28, 1, "is sparse"),
    (32, 0, "has 0 axes"), (32, 99, "has 99 axes"), (36, 1 << 62, "truncated, or the shape"), (36, 0, "has the shape"),
    (36, (1 << 64) - 1, "has the shape"), (52, 99, "has the type 99"), (80, 0, "have no names"),
])
def test_each_number_is_checked(tmp_path, at, value, words):
    path = tmp_path / "a.params"
    mx.nd.save(str(path), {"x": mx.nd.array([1, 2, 3, 4, 5, 6])})
    data = bytearray(path.read_bytes())
    size = 8 if at in (0, 8, 16, 36, 80) else 4
    data[at:at + size] = value.to_bytes(size, "little")
    path.write_bytes(data)
    with pytest.raises(UserError, match=words):
        params_format.read(path)


def test_values_without_names_or_not_finite_are_refused(tmp_path):
    path = tmp_path / "a.params"
    mx.nd.save(str(path), [mx.nd.zeros(2)])
    with pytest.raises(UserError, match="the values in it have no names"):
        load(path)
    for bad in (np.nan, np.inf, -np.inf):
        save_arrays(path, {"fine": mx.nd.zeros(2), "bad": mx.nd.array([0, bad])})
        with pytest.raises(UserError, match="bad has values that are not finite"):
            load(path)


def test_values_are_converted_where_float32_holds_them_or_refused(path):
    for name, value in load(path).items():
        assert value.dtype == np.float32 and np.array_equal(value.asnumpy(), load_typed(path)[name].asnumpy())
    for bad, words in ((np.array([1 / 3]), "x has float64 values that float32"), (np.array([1e300]), "float64"),
                       (np.array([2 ** 24 + 1]), "x has int64 values")):
        save_arrays(path, {"x": mx.nd.array(bad, dtype=bad.dtype)})
        with pytest.raises(UserError, match=words):
            load(path)
    for name in ("a.running_var", "conv0_running_var", "a.running_mean"):
        save_arrays(path, {name: mx.nd.array([1, -0.5])})
        if name.endswith("mean"):
            assert load(path)[name].asnumpy().min() == -0.5
            continue
        with pytest.raises(UserError, match=rf"{name} has a variance below 0 \(-0.5\)"):
            load(path)


def test_other_files_are_called_what_they_are(path, tmp_path):
    """In one line, also before a description is asked for."""
    np.savez(tmp_path / "a.npz", x=np.ones(3))
    mx.nd.save(str(tmp_path / "pair"), {"arg:x": mx.nd.ones(3), "aux:y": mx.nd.ones(3)})
    for content, words in (((tmp_path / "a.npz").read_bytes(), "a zip, such as PyTorch's .pth"),
                           (pickle.dumps({"x": 1}), "a Python pickle"), (b"\x89HDF\r\n", "HDF5"),
                           (b'{"nodes": []}', "JSON"),
                           (b"\x40" + bytes(7) + b'{"x":{"dtype":"F32"}}', "a safetensors file"),
                           ((tmp_path / "pair").read_bytes(), "a graph's parameters, of the pair that Gluon's export")):
        path.write_bytes(content)
        for read in (load, weights.read):
            with pytest.raises(UserError) as caught:
                read(path)
            assert str(caught.value).startswith(f"weights {path}: ") and words in str(caught.value)


def test_a_disk_full_at_any_byte_leaves_the_file_as_it_was(path):
    """MXNet's own save says nothing where only the end of the file was not written."""
    before = path.read_bytes()
    arrays = {"x": mx.nd.array(np.arange(3000))}
    for left in (0, 1, 100, 4096, 8192, 12000, 12060, 12072):
        with full_disk(left), pytest.raises(UserError, match="cannot be written whole; is the disk full?"):
            save_arrays(path, arrays)
        assert path.read_bytes() == before and [one.name for one in path.parent.iterdir()] == ["a.params"]
    with full_disk(12073):
        save_arrays(path, arrays)
    assert path.stat().st_size == 12073


def test_an_error_in_writing_names_the_file_and_leaves_no_other(tmp_path):
    with full_disk(10), pytest.raises(OSError) as caught:
        files.write_bytes(tmp_path / "a.json", b"x" * 11)
    assert caught.value.filename == str(tmp_path / "a.json") and not list(tmp_path.iterdir())
