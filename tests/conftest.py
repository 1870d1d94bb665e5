"""What many tests share, made once a session and only read; a test that changes one of these copies it first."""

from __future__ import annotations

import pytest
from described import random_weights
from model_a import BACKBONE, EXPERIMENTS
from refining import run, street_in

from experiments import export
from repro.config.presets import load_preset
from repro.data.minicity import write_minicity
from repro.models import parameters


@pytest.fixture(scope="session")
def lite():
    """The preset that the committed tables were measured with."""
    return load_preset(EXPERIMENTS / "presets" / "lite.yaml", "lite")


@pytest.fixture(scope="session")
def backbone():
    """{name: array} of the shipped backbone of a quarter of the paper's width."""
    return parameters.load(BACKBONE)


@pytest.fixture(scope="session")
def city(tmp_path_factory):
    """A folder of drawn scenes of 128x256: 6 to train on, 3 to measure on, 2 with coarse labels."""
    root = tmp_path_factory.mktemp("data") / "city"
    write_minicity(root, seed=5, size=(128, 256), train=6, val=3, coarse=2, progress=False)
    return root


@pytest.fixture(scope="session")
def about(tmp_path_factory):
    """The description of a .params file of Model A with random values; `about.path` is the file."""
    return random_weights(tmp_path_factory.mktemp("weights") / "a.params")


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """Model A with random values as ONNX, with three regions of eight, as `make export` writes it."""
    path = tmp_path_factory.mktemp("exported") / "network.onnx"
    assert export.main(["--row", "model-a", "--weights", "random", "--size", "100x250", "--images", "2", "--k", "3",
                        "--out", str(path)]) == 0
    return path


@pytest.fixture()
def street(tmp_path, monkeypatch):
    """A small CamVid folder; what experiments.refine writes lies beside it, and budgets have two steps."""
    return street_in(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def refined_folder(tmp_path_factory):
    """What experiments.refine leaves for such a street: the folder of both networks, at cache/refine/camvid.

    Its record and page are published in tables/ beside cache/.
    """
    root = tmp_path_factory.mktemp("refined")
    with pytest.MonkeyPatch.context() as patch:
        assert run("--data", street_in(root, patch), "--publish") == 0
    return root / "cache" / "refine" / "camvid"
