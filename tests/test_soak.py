"""Long runs: the page from made-up measurements, and both runs for a moment."""

from __future__ import annotations

import json

import pytest
from made_up import PROVENANCE
from speed_records import assert_drawn, lines_of

from experiments.lib import paths
from experiments.speed import soak
from repro.data.minicity import write_minicity
from repro.prediction.segmenter import ENGINES
from repro.tables.soak import PICTURE, draw, findings, page, steepness
from repro.training import logs

MIB = 2 ** 20


def made_run(**changes):
    """60 windows of half a minute, 60 done in each; flat after the first five."""
    return {"seconds": [30.0 * n for n in range(1, 61)], "done": [60 * n for n in range(1, 61)],
            "memory": [(300 + 20 * min(n, 5)) * MIB for n in range(60)], "descriptors": [5] * 60, "threads": [7] * 60,
            "files": [2] * 60, "bytes": [n * MIB for n in range(60)], **changes}


def measured(**changes):
    return {"minutes": 30.0, "windows": 60, "of": {
        "prediction": {"scenes": 24, "sizes": 11, "engines": 7},
        "training": {"table": "3", "row": "some-row", "preset": "lite", "data": "minicity", "checkpoint": 50},
    }, "runs": {"prediction": made_run(**changes), "training": made_run()},
            "provenance": PROVENANCE}


def test_a_flat_run_is_so_by_its_figures():
    text = page(measured())
    assert text.startswith("# Long runs: 30 minutes of prediction and of training\n")
    assert lines_of(text, "Prediction") == [["Prediction", "3600 images in 30.0 minutes"]]
    assert lines_of(text, "A second, last third") == [["A second, last third", "2.00 images (+0.0%)"],
                                                      ["A second, last third", "2.00 steps (+0.0%)"]]
    assert lines_of(text, "Memory grown, by the line")[0][1] == "+0.0 MiB (+0.00%), +0.0 MiB an hour"
    assert lines_of(text, "**Flat**") == [["**Flat**", "**yes**"]] * 2
    assert "Commit 0123456;" in text and "Medians of 60 windows" in text
    assert "24 drawn scenes in 11 sizes, of which 7 engines at most are kept" in text
    assert "the row some-row of Table 3, preset lite, on minicity" in text and "a checkpoint every 50 steps" in text


@pytest.mark.parametrize("change, figure", [
    ({"memory": [(400 + n / 5) * MIB for n in range(60)]}, "+9.8 MiB (+2.41%), +24.0 MiB an hour"),
    ({"done": [60 * min(n, 40) + 55 * max(0, n - 40) for n in range(1, 61)]}, "1.83 images (-8.3%)"),
    ({"descriptors": [5] * 40 + [6] * 20}, "5 and 6"),
    ({"files": [2] * 20 + [3 + n for n in range(40)]}, "2 and 34.5"),
])
def test_what_grows_or_slows_is_not_flat(change, figure):
    whole = {key: [round(value) for value in values] for key, values in change.items()}
    text = page(measured(**whole))
    assert figure in text and [line[1] for line in lines_of(text, "**Flat**")] == ["**no**", "**yes**"]


def test_what_happens_once_does_not_tip_the_line():
    assert steepness([1, 2, 3, 4, 5], [1, 2, 90, 4, 5]) == 1
    spike = made_run(memory=[400 * MIB] * 30 + [900 * MIB] + [400 * MIB] * 29)
    assert findings(spike)["grown"] == 0 and findings(spike)["flat"]


def test_the_picture_is_the_same_each_time_and_shows_the_figures(tmp_path):
    assert_drawn(draw, measured(), measured(memory=[MIB] * 60), tmp_path, PICTURE)


def test_a_watch_says_what_is_done_and_held_once_a_window(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(soak.time, "monotonic", lambda: now[0])
    said = []
    watch = soak.Watch(tmp_path, 60.0, said.append)
    (tmp_path / "file").write_bytes(b"12345")
    for moment in (0.3, 0.9, 1.2, 1.6, 5.5, 5.9, 6.1):  # windows are of a second
        now[0] = moment
        watch()
    assert [(line["seconds"], line["done"]) for line in said] == [(1.2, 3), (5.5, 5), (6.1, 7)]
    assert all((line["files"], line["bytes"]) == (1, 5) and line["memory"] > 10 * MIB for line in said)
    assert all(line["descriptors"] > 2 and line["threads"] > 0 for line in said)
    now[0] = 60.0
    with pytest.raises(soak.Over):
        watch()
    assert said[-1]["done"] == 8


def counted(most):
    """A watch that ends a run when so many are done, and the list of them."""
    def watch():
        done.append(1)
        if len(done) == most:
            raise soak.Over
    done = []
    return watch


def test_photos_are_predicted_in_more_sizes_than_engines_are_kept(tmp_path, monkeypatch):
    assert len({soak.size_of_photo(number) for number in range(soak.PHOTOS)}) == 11 == ENGINES + 3
    monkeypatch.setattr(soak, "COMMON", ((64, 128), (96, 128)))
    monkeypatch.setattr(soak, "RARE", ((128, 64),))
    monkeypatch.setattr(soak, "PHOTOS", 4)
    with pytest.raises(soak.Over):
        soak.prediction(tmp_path)(counted(6))  # the four, and two once more
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        f"{number:02d}_{kind}" for number in range(4) for kind in ("labelIds.png", "overlay.jpg"))


def test_training_is_the_real_one(tmp_path, monkeypatch):
    write_minicity(tmp_path / "city", size=(128, 256), train=2, val=1, coarse=0, progress=False)
    monkeypatch.setattr(soak, "data_folder", lambda data, preset: (tmp_path / "city", ""))
    monkeypatch.setattr(soak, "EVERY", 2)
    with pytest.raises(soak.Over):
        soak.training(tmp_path)(counted(3))
    assert [line["step"] for line in logs.read(tmp_path / "run" / "log.jsonl")] == [1, 2, 3]
    assert (tmp_path / "run" / "checkpoint.params").exists()


@pytest.mark.parametrize("engine", ["mxnet", "openvino"])
def test_a_moment_of_prediction_in_its_process(engine, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "OWN", tmp_path)
    monkeypatch.setattr(soak, "RUNS", ("prediction",))
    assert soak.main(["--minutes", "1e-4", "--engine", engine]) == 2  # a moment is no soak, and has no page
    assert capsys.readouterr().err.endswith("error: MINUTES: 1 windows are too few to say what is flat\n")
    record = json.loads((tmp_path / "soak.json").read_text())
    assert record["runs"]["prediction"]["done"][0] >= 1
    assert record["provenance"]["command"] == \
        f"make soak MINUTES=0.0001{'' if engine == 'mxnet' else ' ENGINE=openvino'}"
    assert record["of"]["prediction"] == {"scenes": 24, "sizes": 11, "engines": ENGINES, "engine": engine}
    assert {len(values) for values in record["runs"]["prediction"].values()} == {1}


def test_the_page_names_another_engine_than_mxnet():
    record = measured()
    record["of"]["prediction"]["engine"] = "openvino"
    assert "24 drawn scenes in sizes whose engines are all kept (ENGINE=openvino)." in page(record)


@pytest.mark.parametrize("arguments, words", [
    (["--minutes", "0"], "MINUTES: 0 is not above 0"),
    (["--engine", "torch"], "ENGINE: 'torch' is not known; choose from mxnet, onnx, openvino"),
])
def test_a_users_mistake_is_one_line(arguments, words, capsys):
    assert soak.main(arguments) == 2
    assert capsys.readouterr().err == f"error: {words}\n"
