"""gluoncv's and Gluon's resnet50_v1 and columns loaded from them compute the same features, all units or some."""

from __future__ import annotations

import hashlib
import io
import zipfile

import mxnet as mx
import numpy as np
import pytest
import requests
from gluoncv import model_zoo
from gluoncv.model_zoo import model_store
from mxnet.gluon.model_zoo import vision

from repro.config.networks import Column, Network
from repro.errors import UserError
from repro.models.build import build
from repro.models.imagenet import from_model_zoo, load_backbone, model_file
from repro.models.parameters import assign_backbones

ZOOS = {"gluoncv": lambda: model_zoo.get_model("resnet50_v1", pretrained=False), "gluon": vision.resnet50_v1}


@pytest.fixture(scope="module", params=list(ZOOS.values()), ids=list(ZOOS))
def zoo(request, tmp_path_factory):
    """A randomly initialised resnet50_v1, its biases and statistics random too, and its .params file."""
    mx.random.seed(3)
    random = np.random.RandomState(3)
    network = request.param()
    network.initialize(mx.init.Xavier(rnd_type="gaussian", factor_type="in", magnitude=2))
    network(mx.nd.zeros((1, 3, 64, 64)))
    for name, parameter in network.collect_params().items():
        if name.endswith(("bias", "beta", "running_mean")):
            parameter.set_data(mx.nd.array(random.standard_normal(parameter.shape) * 0.1))
        elif name.endswith(("gamma", "running_var")):
            parameter.set_data(mx.nd.array(random.uniform(0.5, 1.5, parameter.shape)))
    assert sum(name.endswith("body.0.bias") for name in network._collect_params_with_prefix()) == 16
    path = tmp_path_factory.mktemp("zoo") / "resnet50_v1.params"
    network.save_parameters(str(path))
    return network, path


def columns(path, *specifications, fusion="single", structure="plain", **settings):
    """The columns, coarse to fine, of a full-width network that starts from the file."""
    network = build(Network(fusion, specifications, 32, structure, settings.get("region")), 19, **settings)
    network.initialize()
    assign_backbones(network, load_backbone(path))
    return [getattr(network, f"{name}_column") for name in ("half", "full") if hasattr(network, f"{name}_column")]


def image(seed, size=(64, 64)):
    return mx.nd.array(np.random.RandomState(seed).standard_normal((1, 3, *size)).astype(np.float32))


def same_features(network, column, units, x):
    """The column's map after each level is the zoo's, the kept units of each stage run one by one."""
    maps = column(x)
    expected = x
    for layer in network.features[:4]:
        expected = layer(expected)
    assert len(maps) == sum(kept > 0 for kept in units)
    for stage, kept, ours in zip(network.features[4:8], units, maps):
        for unit in list(stage)[:kept]:
            expected = unit(expected)
        equal(ours, expected)
    return expected


def equal(ours, expected):
    """To float error: of the value, or of the map's largest."""
    np.testing.assert_allclose(ours.asnumpy(), expected.asnumpy(), rtol=1e-4,
                               atol=1e-5 * float(expected.abs().max().asscalar()))


def test_all_levels_equal_the_zoos(zoo):
    network, path = zoo
    (full,) = columns(path, Column(1.0, (3, 4, 6, 3)))
    x = image(0, (64, 96))
    last = same_features(network, full, (3, 4, 6, 3), x)
    equal(network.features[8](last), network.features(x))  # pooled: nothing of the zoo's network was left out


def test_removed_units_leave_the_first_ones_in_place(zoo):
    """Model A's columns, 1-2-4-1 and 1-1-2-0: the full one has no level 5."""
    network, path = zoo
    half, full = columns(path, Column(0.5, (1, 2, 4, 1)), Column(1.0, (1, 1, 2, 0)), fusion="isctf",
                         structure="optimised", grid=(1, 2), region=256, k=1)
    same_features(network, half, (1, 2, 4, 1), image(1))
    same_features(network, full, (1, 1, 2, 0), image(2))


def test_names_of_old_files_are_known(zoo, tmp_path):
    """MXNet 1.2 and before wrote names such as stage1_conv0_weight; the zoo's older files have them."""
    network, path = zoo
    old = tmp_path / "old.params"
    network.collect_params().save(str(old), strip_prefix=network.prefix)
    assert "stage1_conv0_weight" in mx.nd.load(str(old))
    expected, found = load_backbone(path), load_backbone(old)
    assert expected.keys() == found.keys()
    assert all((expected[name] == found[name]).asnumpy().all() for name in expected)


def test_an_old_file_of_another_network_is_refused(tmp_path):
    mx.nd.save(str(tmp_path / "other.params"), {"conv0_weight": mx.nd.zeros((64, 3, 7, 7))})
    with pytest.raises(UserError, match="other.params: not a resnet50_v1"):
        load_backbone(tmp_path / "other.params")


def test_what_is_missing_is_named(zoo):
    arrays = mx.nd.load(str(zoo[1]))
    del arrays["features.6.5.body.7.gamma"]
    with pytest.raises(UserError, match="x.params: .* lacks features.6.5.body.7.gamma"):
        from_model_zoo(arrays, "x.params")


class Answer:
    """What requests.get gives for a page."""

    def __init__(self, content, status_code=200):
        self.content, self.status_code, self.headers = content, status_code, {}

    def iter_content(self, chunk_size):
        yield self.content


def zipped(name, content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture()
def models(tmp_path, monkeypatch):
    """gluoncv's folder of models in a place of its own, and what it expects resnet50_v1 to be."""
    expected = b"as if parameters"
    monkeypatch.setenv("MXNET_HOME", str(tmp_path))
    monkeypatch.setitem(model_store._model_sha1, "resnet50_v1", hashlib.sha1(expected).hexdigest())
    return tmp_path / "models", f"resnet50_v1-{hashlib.sha1(expected).hexdigest()[:8]}.params", expected


def test_a_model_is_downloaded_once_and_only_when_asked_for(models, monkeypatch):
    """Over https; a file of another hash on the disk is not taken for it."""
    folder, name, content = models
    folder.mkdir()
    (folder / name).write_bytes(b"another")
    asked = []

    def get(url, **settings):
        asked.append(url)
        return Answer(zipped(name, content))
    monkeypatch.setattr(requests, "get", get)
    for _ in range(2):
        assert model_file("resnet50_v1") == str(folder / name)
        assert (folder / name).read_bytes() == content
    assert len(asked) == 1 and asked[0].startswith("https://")
    with pytest.raises(UserError, match="PRETRAINED: 'resnet101_v1' is not known; choose from resnet50_v1"):
        model_file("resnet101_v1")


def unreachable(url, **settings):
    raise requests.exceptions.ConnectionError(f"no route to {url}")


@pytest.mark.parametrize("get", [
    unreachable, lambda url, **settings: Answer(b"", 404), lambda url, **settings: Answer(b"please log in"),
    lambda url, **settings: Answer(zipped(url.rpartition("/")[2].replace(".zip", ".params"), b"another file"))],
    ids=["no network", "no such page", "another page", "another file"])
def test_a_download_that_fails_is_one_line(get, models, monkeypatch):
    monkeypatch.setattr(requests, "get", get)
    with pytest.raises(UserError, match="^PRETRAINED: resnet50_v1 could not be downloaded .*give") as raised:
        model_file("resnet50_v1")
    assert "\n" not in str(raised.value)
