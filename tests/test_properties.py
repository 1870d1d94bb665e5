"""Properties that hold for whatever is given: what is written is read again, and what is no such thing is one line."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import cv2
import hypothesis
import mxnet as mx
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from repro.config import networks, parsing, presets, rows
from repro.data import CAMVID, images, own
from repro.data.headers import picture_size
from repro.errors import LONGEST, UserError, shown
from repro.files import contents, write_bytes
from repro.models.parameters import load, load_typed, save_arrays
from repro.models.params_format import read as read_params
from repro.prediction import weights
from repro.prediction.photos import read_photo
from repro.training import logs

set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "hypothesis")  # it writes nothing into the project
given = hypothesis.given
settings = hypothesis.settings(max_examples=60, deadline=None, derandomize=True, database=None)
many = hypothesis.settings(settings, max_examples=300)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
    st.text(max_size=8), inner, max_size=4), max_leaves=12)
KEYS = ("rows", "id", "network", "training", "format", "fusion", "columns", "scale", "units", "p", "lambda", "input",
        "shape", "classes", "names", "width", "recipe", "budgets", "evaluations", "provenance", "step")
NAMED = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(KEYS), inner, max_size=5), max_leaves=15)
LETTERS = st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",))
NAMES = st.text(LETTERS, min_size=1, max_size=40).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 200)
BEGINNINGS = (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\xff\xd8\xff\xc0", b"BM", b"II*\0", b"MM\0*", b"P5 ",
              b"RIFF\0\0\0\0WEBPVP8", b"\xff\x4f\xff\x51", b"\x12\1" + bytes(14))
YAML = (rows.load_rows, own.read_classes, lambda one: presets.load_preset(one, "a"))
ARRAYS = st.dictionaries(st.text(LETTERS, min_size=1, max_size=20), st.tuples(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.sampled_from(("float32", "float64", "float16", "int32", "int64", "int8", "uint8"))), min_size=1, max_size=5)


def one_line(read, *arguments):
    """What `read` gives; None for a UserError, which must be one line."""
    try:
        return read(*arguments)
    except UserError as error:
        assert str(error) and str(error).isprintable() and len(str(error)) <= LONGEST + 10
        return None


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A file that every example writes anew."""
    return tmp_path_factory.mktemp("properties") / "file"


@given(st.text())
@many
def test_an_error_is_one_line_whatever_it_says(text):
    said = str(UserError(text))
    assert "\n" not in said and len(said) <= LONGEST + 10
    assert said == text or not text.isprintable() or len(text) > LONGEST


@given(VALUES)
@many
def test_values_are_shown_short_and_small_ones_as_they_are(value):
    assert len(shown(value)) < 20000
    if isinstance(value, (str, bool, float, type(None))):
        assert shown(value) == repr(value)


def same(found, value) -> bool:
    """Whether a check gave what it was given: a list as a tuple, a number perhaps as a float."""
    if isinstance(found, tuple):
        return len(found) == len(value) and all(map(same, found, value))
    return found == (float(value) if isinstance(found, float) else value)


@given(VALUES)
@many
def test_checks_give_the_value_or_a_line(value):
    for check in (parsing.integer, parsing.number, parsing.text, parsing.boolean, parsing.natural,
                  parsing.sequence(parsing.number), parsing.optional(parsing.integer),
                  parsing.positive(parsing.number)):
        found = one_line(check, value, "place")
        assert found is None or same(found, value)


@given(st.builds(bytes.__add__, st.sampled_from((b"", *BEGINNINGS)), st.binary(max_size=250)))
@many
def test_bytes_are_read_by_no_reader_or_rightly(path, data):
    path.write_bytes(data)
    image = one_line(read_photo, path)
    assert image is None or sorted(image.shape[:2]) == sorted(picture_size(data))
    for read in (images.read_image, images.image_size, lambda one: images.read_label(one, CAMVID), read_params, load,
                 *YAML):
        one_line(read, path)


@given(NAMED)
@many
def test_values_are_no_rows_presets_or_descriptions_or_are_lines(path, value):
    path.with_suffix(".params").write_bytes(b"")
    for place in (path, path.with_suffix(".json")):
        place.write_text(json.dumps(value))
    for read in YAML:
        one_line(read, path)
    one_line(weights.read, path.with_suffix(".params"))


UNITS = st.tuples(*[st.integers(1, 12)] * 3, st.integers(0, 12))


@given(st.sampled_from(networks.FUSIONS),
       st.lists(st.sampled_from(sorted(networks.SCALES)), min_size=1, max_size=3), st.data(),
       st.sampled_from(networks.OUTPUT_STRIDES), st.sampled_from(networks.STRUCTURES),
       st.sampled_from((None, *networks.REGIONS)))
@many
def test_a_network_that_can_be_is_read_as_it_was_written(fusion, scales, data, stride, structure, region):
    columns = [{"scale": scale, "units": list(data.draw(UNITS))} for scale in scales]
    value = {"fusion": fusion, "columns": columns, "output_stride": stride, "structure": structure, "region": region}
    network = one_line(networks.parse_network, value, "place")
    assert network is None or networks.network_dict(network) == value


@given(ARRAYS, st.integers(0, 99))
@settings
def test_parameters_are_read_as_they_were_written(path, arrays, seed):
    random = np.random.RandomState(seed)
    made = {name: mx.nd.array(random.randint(0, 99, shape), dtype=kind) for name, (shape, kind) in arrays.items()}
    save_arrays(path, made)
    for found in (load_typed(path), mx.nd.load(str(path))):
        assert found.keys() == made.keys()
        for name, value in made.items():
            np.testing.assert_array_equal(found[name].asnumpy(), value.asnumpy())
            assert found[name].dtype == value.dtype


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
@settings
def test_labels_and_images_are_read_as_they_were_written(path, height, width, seed):
    random = np.random.RandomState(seed)
    ids = random.randint(0, len(CAMVID) + 1, (height, width)).astype(np.uint8)
    path.write_bytes(cv2.imencode(".png", ids)[1].tobytes())
    np.testing.assert_array_equal(images.read_label(path, CAMVID), np.where(ids == len(CAMVID), 255, ids))
    picture = random.randint(0, 256, (height, width, 3)).astype(np.uint8)
    path.write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())
    for read in (images.read_image, read_photo):
        np.testing.assert_array_equal(read(path), picture)
    assert images.image_size(path) == (height, width)


@given(NAMES, st.binary(max_size=100))
@settings
def test_files_of_any_name_are_read_as_they_were_written(tmp_path_factory, name, data):
    target = tmp_path_factory.mktemp("names") / name
    for content in (b"old", data):
        write_bytes(target, content)
        assert contents(target) == content and len(list(target.parent.iterdir())) == 1


@given(st.lists(st.tuples(st.floats(-1e9, 1e9), st.none() | st.floats(0, 1)), max_size=8), st.integers(0, 8))
@settings
def test_a_log_is_read_as_it_was_written(path, steps, after):
    path.unlink(missing_ok=True)
    lines = [{"step": number, "loss": loss, "q": q} for number, (loss, q) in enumerate(steps, 1)]
    log = logs.Log(path)
    for line in lines:
        log.add(line)
    log.close()
    assert logs.read(path) == lines
    logs.Log(path, after).close()
    assert logs.read(path) == lines[:after]
