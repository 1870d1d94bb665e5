"""What `make submit` writes is what cityscapesScripts reads, and it finds in it what we measure."""

from __future__ import annotations

import zipfile

import cv2
import mxnet as mx
import numpy as np
import pytest
from folders import write_camvid, write_cityscapes
from made_up import made_up
from peers import cityscapes_evaluation, cityscapes_prediction

from experiments import submit
from experiments.lib import paths, tables
from repro.config.presets import load_preset
from repro.data import CITYSCAPES, open_dataset
from repro.data.loader import evaluation_batches
from repro.data.minicity import write_minicity
from repro.errors import UserError
from repro.evaluation.inference import evaluate
from repro.models.build import Plan
from repro.models.parameters import arrays_of, load, save_arrays
from repro.records import record_path, write_record
from repro.training.run import network_factory

LITE = load_preset(paths.HERE / "presets" / "lite.yaml", "lite")
ROW = "isctf-sparse-p0.25-l0.001-r256"


def row_of(table, id):
    return tables.chosen_rows(table, id)[0]


def untrained(row, size, path):
    """Random parameters of a row's lite network, such that it predicts many classes, in a file."""
    mx.random.seed(0)
    network = Plan(row.network, row.training, LITE, size).build(len(CITYSCAPES), size)
    network.initialize(mx.init.Xavier(magnitude=4))
    network.hybridize()
    network(mx.nd.zeros((1, 3, *size)))
    save_arrays(path, arrays_of(network))
    return path


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """Scenes whose sides are no multiples of a region, and a cache that holds a record of ROW with its parameters."""
    root = tmp_path_factory.mktemp("submission")
    write_minicity(root / "city", size=(120, 250), train=1, val=3, coarse=0, progress=False)
    row = row_of("3", ROW)
    record = made_up(row)
    write_record(root / "cache" / "results", record)
    untrained(row, (128, 256), record_path(root / "cache" / "results", record).with_suffix(".params"))
    return root


@pytest.fixture()
def command(city, tmp_path, monkeypatch, capsys):
    """Runs the command on the city's val split: (exit code, what it said, OUT)."""
    monkeypatch.setattr(paths, "CACHE", city / "cache")

    def runs(*arguments, data="city", table="3", row=ROW, split="val"):
        code = submit.main(["--data", str(city / data), "--table", table, "--row", row, "--split", split,
                            "--out", str(tmp_path / "out"), *arguments])
        captured = capsys.readouterr()
        return code, captured.out if code == 0 else captured.err, tmp_path / "out"
    return runs


def test_cityscapesscripts_finds_what_we_measure_in_files_of_original_ids_that_are_zipped(city, command):
    """Single-channel files of 8 bits, of the images' size."""
    code, said, out = command("--zip")
    assert code == 0 and said == f"{out}: labels of 3 images\n{out}.zip\n"
    dataset = open_dataset(city / "city")
    truths = [sample.label for sample in dataset.val]
    predictions = [cityscapes_prediction(out, truth) for truth in truths]
    assert sorted(predictions) == sorted(map(str, out.iterdir()))
    found = cityscapes_evaluation(predictions, truths)

    row = row_of("3", ROW)
    plan = Plan(row.network, row.training, LITE, (120, 250))
    arrays = load(record_path(city / "cache" / "results", made_up(row)).with_suffix(".params"))
    networks = network_factory(plan, arrays, len(CITYSCAPES), "fast", mx.cpu())
    ours, _ = evaluate(networks, evaluation_batches(dataset.val, CITYSCAPES, 1, (plan.multiple,) * 2),
                       CITYSCAPES.names, mx.cpu())
    assert ours.mean_iou == pytest.approx(100 * found["averageScoreClasses"], rel=1e-12)
    assert ours.mean_iou > 0 and ours.k == 2

    with zipfile.ZipFile(f"{out}.zip") as archive:
        assert sorted(archive.namelist()) == sorted(path.name for path in out.iterdir())
        assert all(archive.read(path.name) == path.read_bytes() for path in out.iterdir())
    seen = set()
    for path in out.iterdir():
        assert path.read_bytes()[24:26] == bytes([8, 0])  # IHDR: depth, colour type grey
        labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert labels.shape == (120, 250) and labels.dtype == np.uint8
        seen |= set(np.unique(labels))
    assert len(seen) > 3 and seen <= set(CITYSCAPES.ids)


def test_test_images_need_no_labels_and_parameters_may_be_named(city, command, tmp_path):
    """A row that selects nothing, from a file of its own, on a test split without labels."""
    write_cityscapes(tmp_path / "street", (("train", 1), ("val", 1), ("test", 2)), size=(50, 70))
    for label in (tmp_path / "street" / "gtFine" / "test").rglob("*.png"):
        label.unlink()
    weights = untrained(row_of("1", "stride32"), (64, 96), tmp_path / "mine.params")
    code, said, out = command("--weights", str(weights), table="1", row="stride32", split="test",
                              data=tmp_path / "street")
    assert code == 0, said
    assert sorted(path.name for path in out.iterdir()) == ["aachen_000000_000019_labelIds.png",
                                                           "zurich_000001_000019_labelIds.png"]
    assert cv2.imread(str(next(out.iterdir())), cv2.IMREAD_UNCHANGED).shape == (50, 70)


def test_a_second_submission_replaces_the_first_unless_it_is_refused(city, command, tmp_path):
    """For parameters of another row, or for other files, which would be mixed in; a bad image leaves no zip."""
    street, arguments = tmp_path / "street", ("--zip", "--weights", str(next(city.rglob("*.params"))))
    write_cityscapes(street, (("train", 1), ("val", 3)), size=(120, 250))
    code, said, out = command(*arguments, data=street)
    assert code == 0, said
    first = {path: path.read_bytes() for path in out.iterdir()}
    for path in first:
        path.write_bytes(b"of an earlier run")
    assert command(*arguments, data=street)[0] == 0
    assert {path: path.read_bytes() for path in out.iterdir()} == first and len(first) == 3
    code, said, _ = command(*arguments, data=street, row="sctf-sparse-p0.5-l0.001-r256")
    assert code == 2 and "of another network" in said
    assert {path: path.read_bytes() for path in out.iterdir()} == first
    bad = max((street / "leftImg8bit" / "val").rglob("*.png"))
    bad.write_bytes(bad.read_bytes()[:100])
    code, said, _ = command(*arguments, data=street)
    assert code == 2 and bad.name in said
    assert [path.name for path in out.iterdir()] == ["aachen_000000_000019_labelIds.png"]
    assert not out.with_name("out.zip").exists()
    (out / "aachen_000000_000019_color.png").write_bytes(b"")
    code, said, _ = command(*arguments, data=street)
    assert code == 2 and "aachen_000000_000019_color.png" in said and "OUT" in said


@pytest.mark.parametrize("settings, words", [
    ({"row": ""}, ("ROW of table3", ROW)),
    ({"table": ""}, ("TABLE", "1, 2, 3, 4, 5")),
    ({"split": "test"}, ("SPLIT", "no images in test", "val, train")),
    ({"arguments": ("--extra", "coarse")}, ("EXTRA of " + ROW, "'coarse'")),
    ({"arguments": ("--preset", "huge")}, ("PRESET", "'huge'", "lite")),
    ({"arguments": ("--seed", "1")}, (f"`make table3 DATA={{}} ROW={ROW} PRESET=lite BUDGET=full SEEDS=1` trains",
                                      "it has those of PRESET=lite BUDGET=full SEED=0")),
    ({"arguments": ("--budget", "full+steps9")}, ("BUDGET=full STEPS=9 SEEDS=0` trains",)),
    ({"data": "camvid"}, ("camvid has no evaluation server", "Cityscapes")),
])
def test_a_wrong_choice_is_one_line(settings, words, city, command):
    if settings.get("data") == "camvid" and not (city / "camvid").exists():
        write_camvid(city / "camvid")
    code, said, out = command(*settings.get("arguments", ()), **{k: v for k, v in settings.items() if k != "arguments"})
    assert code == 2 and said.startswith("error: ") and said.count("\n") == 1, said
    assert all(word.format(city / "city") in said for word in words), said
    assert not out.exists()


@pytest.mark.parametrize("settings, words", [
    (("--seed", "a"), "SEED: 'a'"), (("--budget", "long"), "'long' is not known; choose from quick, full"),
    (("--weights", "/no/such.params"), "/no/such.params: no such file"),
    (("--split", "holdout"), "SPLIT: 'holdout' is not known; choose from test, val, train"),
    (("--out", __file__), "is a file, not a folder"),
])
def test_what_is_wrong_is_told_before_data_is_written(settings, words, command, monkeypatch):
    """The drawn scenes take minutes."""
    monkeypatch.setattr(submit, "data_folder", None)
    code, said, _ = command(*settings)
    assert code == 2 and words in said


def test_scores_that_are_not_finite_are_no_labels(city, command, tmp_path):
    """Neither submitted nor measured."""
    arrays = load(next(city.rglob("*.params")))
    save_arrays(tmp_path / "huge.params", {key: value * 1e35 if "decoder" in key else value
                                           for key, value in arrays.items()})
    code, said, out = command("--weights", str(tmp_path / "huge.params"))
    assert code == 2 and "error: the network's scores are not finite" in said and not out.exists()
    scores = np.full((1, 19, 4, 4), np.nan, np.float32)

    class Network:
        outputs = ("scores",)

        def __call__(self, x):
            return mx.nd.array(scores)
    with pytest.raises(UserError, match="not finite"):
        evaluate(lambda h, w: Network(), [(np.zeros((1, 3, 16, 16), np.float32), [np.zeros((16, 16), np.uint8)],
                                           [(16, 16)])], CITYSCAPES.names, mx.cpu())
