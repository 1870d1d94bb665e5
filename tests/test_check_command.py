"""make check, row and compare, on a row that was trained for a few steps and published in a folder of the test."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from types import SimpleNamespace

import pytest
from folders import write_camvid

from experiments import check, compare, row, table
from experiments.lib import paths
from experiments.lib.published import group_of
from experiments.speed import table6 as speed
from repro.records import read_record, write_record

ROW = ["--table", "1", "--row", "stride32", "--budget", "quick"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(folder of the data, the record of the row trained here): its .params, .npz and .jsonl.gz are beside it."""
    root = tmp_path_factory.mktemp("check")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "CACHE", root / "cache")
        patch.setattr(paths, "RESULTS", root / "results")
        patch.setattr(table.tables, "write", lambda *given, **more: None)  # no page of the project
        data = write_camvid(root / "street", size=(32, 32))

        assert table.main([*ROW, "--data", str(data)]) == 0
        patch.setattr(table.tables, "write", lambda *given, **more: pytest.fail("a check writes no page"))
        path, = (root / "cache" / "results").glob("*/*.json")
        yield data, path


@pytest.fixture
def published(trained):
    """Publish the row with two seeds, a point apart, so many points above what was measured; return the record."""
    data, path = trained
    record = read_record(path)

    def publish(above: float):
        whole = record.evaluations["whole"]
        for seed in (0, 1):
            figures = {**whole, "mean_iou": round(whole["mean_iou"] + above + seed, 4)}
            made = write_record(paths.RESULTS, replace(record, seed=seed, evaluations={"whole": figures},
                                                       recipe={**record.recipe, "content": ""}))
            for suffix in (".npz", ".jsonl.gz"):
                made.with_suffix(suffix).write_bytes(path.with_suffix(suffix).read_bytes())
        return record
    return publish


def test_a_training_is_inside_the_band_or_not(trained, published, capsys):
    data = ["--data", str(trained[0])]
    record = published(0)
    value = f"{record.evaluations['whole']['mean_iou']:.2f}%"
    assert check.main([*ROW, *data]) == 0
    out = capsys.readouterr().out
    assert f"inside: {value} here" in out and "mean IoU in whole inference" in out and "from its 2 seeds" in out
    weights = ["--weights", str(trained[1].with_suffix(".params"))]
    assert check.main([*ROW, *data, *weights]) == 0
    assert f"inside: {value} here" in capsys.readouterr().out  # the same figure, by evaluating alone
    assert check.main([*ROW, *data, "--what", "cost"]) == 0
    assert "core-seconds here" in capsys.readouterr().out
    published(50)
    assert check.main([*ROW, *data]) == check.main([*ROW, *data, *weights]) == 1
    assert f"OUTSIDE: {value} here" in capsys.readouterr().out


def test_a_row_of_other_steps_is_checked_with_as_many(trained, published, monkeypatch):
    """BUDGET=quick+steps3 was not known once the test images were to be read."""
    published(0)
    for path in list(paths.RESULTS.rglob("*.json")):
        made = write_record(paths.RESULTS, replace(read_record(path), budget="quick+steps3"))
        for suffix in (".npz", ".jsonl.gz"):
            made.with_suffix(suffix).write_bytes(path.with_suffix(suffix).read_bytes())
    arguments = [*ROW[:-1], "quick+steps3", "--data", str(trained[0])]
    assert check.main([*arguments, "--weights", str(trained[1].with_suffix(".params"))]) == 0
    asked = []

    def measured(given):
        asked.append(given)
        return [trained[1]]
    monkeypatch.setattr(check, "measured", measured)
    assert check.main(arguments) == 0
    assert (asked[0].budget, asked[0].steps) == ("quick", 3)


def test_a_dry_run_measures_nothing(trained, published, capsys, monkeypatch):
    published(0)
    monkeypatch.setattr(check, "measured", None)
    assert check.main([*ROW, "--data", "camvid", "--dry-run"]) == 0
    assert "core-hours, by what is published (60 steps)" in capsys.readouterr().out


@pytest.mark.parametrize("arguments, words", [
    (["--table", "9", "--row", "x"], "TABLE: '9'"),
    (["--table", "4", "--row", "1120-1241", "--extra", "x"], "'x' is not known; choose from bootstrapping, coarse"),
    (["--table", "1", "--row", "x"], "ROW of table1: 'x' is not known; choose from stride8"),
    (["--table", "1", "--row", "stride32", "--extra", "coarse"], "no training but its own"),
    ([*ROW, "--data", "nowhere"], "'nowhere' is neither a folder nor published; choose from camvid"),
    ([*ROW, "--data", "camvid", "--preset", "street"], "it is of DATA=camvid PRESET=lite BUDGET=quick"),
    ([*ROW, "--data", "camvid", "--what", "taste"], "WHAT: 'taste' is not known; choose from accuracy, cost"),
    ([*ROW, "--data", "camvid", "--what", "cost", "--weights", "x"], "leave WHAT=cost out"),
    ([*ROW, "--data", "camvid", "--seed", "-1"], "SEED"),
    ([*ROW, "--data", "camvid", "--dry-run", "--gpu", "x"], "GPU: 'x' is not a list of card numbers"),
    ([*ROW, "--data", "camvid", "--dry-run", "--weights", "x"], "weights x: no such file"),
    ([*ROW, "--data", "camvid", "--dry-run", "--weights", str(paths.STREET)], "of another network: it lacks"),
    ([*ROW, "--data", "camvid", "--weights", str(paths.STREET)], "of another network: it lacks"),
    ([*ROW, "--data", "camvid", "--dry-run", "--pretrained", "x"], "PRETRAINED: x: no such file"),
    (["--table", "6", "--row", "model-a"], "what the others are compared with"),
    (["--table", "6", "--row", "icnet", "--gpu", "0"], "GPU: 0: of table 6 times are checked"),
])
def test_a_mistake_is_a_line(arguments, words, trained, published, capsys):
    published(0)
    assert check.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and words in error


def test_speed_is_a_ratio_of_one_run(monkeypatch, capsys, tmp_path):
    table6 = {"rows": [{"row": name, "precision": "float32", "seconds": [seconds]}
                       for name, seconds in (("icnet", 3.0), ("model-a", 1.0))]}
    measured = {"rows": [{**one} for one in table6["rows"]]}
    monkeypatch.setattr(check, "read_table6", lambda path: table6 if path.parent == paths.RESULTS else measured)
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    timed = []

    def here(command, **more):
        return SimpleNamespace(returncode=speed.main(command[command.index("experiments.speed.table6") + 1:]))
    monkeypatch.setattr(speed, "write", lambda given: timed.append(given.row))
    monkeypatch.setattr(subprocess, "run", here)
    assert check.main(["--table", "6", "--row", "icnet"]) == 0 and timed == ["icnet,model-a"]
    measured["rows"][0]["seconds"] = [3.8]
    assert check.main(["--table", "6", "--row", "icnet"]) == 1
    assert "OUTSIDE: 3.80 times here, 2.40 to 3.75 times asked" in capsys.readouterr().out
    assert check.main(["--table", "6", "--row", "icnet", "--dry-run"]) == 0 and len(timed) == 2
    monkeypatch.setattr(subprocess, "run", lambda *given, **more: SimpleNamespace(returncode=2))
    capsys.readouterr()
    assert check.main(["--table", "6", "--row", "icnet"]) == 2 and capsys.readouterr().err == ""  # it said why


def test_without_a_preset_it_is_that_of_the_published_data(published):
    record = published(0)
    write_record(paths.RESULTS, replace(record, data="roads", preset="street"))
    for data, preset in (("camvid", "lite"), ("roads", "street"), ("minicity", "lite")):
        given = SimpleNamespace(data=data, preset="", budget="quick")
        assert group_of(given) == (data, preset, "quick") and given.preset == preset


def test_the_page_of_a_row_and_a_comparison(trained, published, capsys, tmp_path):
    data, _ = trained
    published(0)
    chosen = [*ROW, "--data", str(data), "--out", str(tmp_path)]
    assert row.main(chosen) == 0
    page, = tmp_path.glob("*.md")
    text = page.read_text()
    assert "0001TP_000000" in text and len(list(tmp_path.glob("*-seed?.png"))) == 2 and "| Best images" in text
    a = ["--a", "1/stride32", "--b", "1/stride32", "--data", str(data), "--budget", "quick"]
    assert compare.main(a) == 0
    out = capsys.readouterr().out
    assert "B above A in 0 of" in out and "+0.00 points" in out and ": B is A.\n" in out
    assert compare.main([*a[:2], "--b", "stride32"]) == 2
    assert "B: 'stride32' is not TABLE/ROW" in capsys.readouterr().err
