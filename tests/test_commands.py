"""What a user gets wrong is one line on stderr and exit code 2; what was measured stays."""

from __future__ import annotations

import dataclasses
import importlib
import json
import shutil

import numpy as np
import pytest
from folders import write_camvid
from tqdm import tqdm

from experiments import minicity, predict, pretrain
from experiments import table as measure
from experiments.lib import command, paths, schedule
from repro.errors import UserError


def line(capsys, code):
    captured = capsys.readouterr()
    assert code == 2
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1, captured.err
    return captured.err


@pytest.mark.parametrize("arguments, words", [
    (["--table", "9"], ("'9'", "1, 2, 3, 4, 5")),
    (["--table", "3", "--row", "isctf"], ("'isctf'", "ROW", "isctf-sparse-p0.25-l0.001-r256")),
    (["--table", "3", "--preset", "huge"], ("'huge'", "PRESET", "lite", "paper")),
    (["--table", "3", "--budget", "all"], ("'all'", "BUDGET", "quick", "full")),
    (["--table", "3", "--seeds", "a"], ("'a'", "SEEDS")),
    (["--table", "3", "--seeds", "0,-1"], ("'-1'", "SEEDS: '0,-1'", "from 0 to 4294967295")),
    (["--table", "3", "--seeds", "5000000000"], ("'5000000000'", "SEEDS")),
    (["--table", "3", "--checkpoint", "0"], ("CHECKPOINT: 0 is not 1 or more",)),
    *((["--table", "3", f"--{name}", number], (f"{name.upper()}: {number} is not 0 to 64",))
      for name in ("readers", "jobs") for number in ("-1", "1000")),
    (["--table", "5", "--row", "model-a", "--extra", "coarse"], ("EXTRA: 'coarse' is not known; choose from own",)),
    (["--table", "3", "--gpu", "x"], ("'x'", "GPU")),
    (["--table", "3", "--data", "/no/such/folder"], ("/no/such/folder", "minicity")),
    (["--table", "3", "--preset", "paper"], ("PRETRAINED", "width 1", "resnet50_v1")),
    (["--table", "3", "--pretrained", "/no/such.params"], ("/no/such.params", "make pretrain")),
])
def test_a_wrong_choice(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "CACHE", tmp_path)
    write_camvid(tmp_path / "street")
    if "--data" not in arguments:
        arguments = arguments + ["--data", str(tmp_path / "street")]
    error = line(capsys, measure.main(arguments))
    assert all(word in error for word in words), error


@pytest.mark.parametrize("arguments, words", [
    (["--split", "tests", "--data", "a"], "SPLIT of a: 'tests' is not known; choose from val, test"),
    (["--split", "test"], "SPLIT of minicity: 'test' is not known; choose from val"),
    (["--batch", "3", "--hosts", "localhost,localhost"], "BATCH: 3 does not divide among the 2 devices"),
    (["--hosts", "localhost,elsewhere"], "HOSTS: elsewhere: "),
    (["--pretrained", str(paths.STREET)], "camvid-model-a.params: not a backbone"),
    (["--pretrained", str(paths.PRETRAINED), "--preset", "street"],
     "a backbone of width 0.25; preset street needs one of width 0.5"),
])
def test_it_is_said_before_data_are_drawn(arguments, words, capsys, monkeypatch):
    def unknown(name):
        raise OSError("no such name")
    monkeypatch.setattr("socket.gethostbyname", unknown)
    monkeypatch.setattr(schedule, "data_folder", lambda *given: pytest.fail("drawn"))
    assert words in line(capsys, measure.main(["--table", "3", *arguments]))


def test_other_scripts_say_what_is_wrong(capsys, tmp_path):
    assert "layout" in line(capsys, measure.main(["--table", "3", "--data", str(tmp_path)]))
    assert "BUDGET" in line(capsys, pretrain.main(["--budget", "some"]))
    assert "OUT: README.md: must end in .params" in line(capsys, pretrain.main(["--out", "README.md"]))
    (tmp_path / "file").write_text("")
    assert "file is a file, not a folder" in line(capsys, pretrain.main(["--out", str(tmp_path / "file" / "a.params")]))
    (tmp_path / "file").unlink()
    assert "height and a width" in line(capsys, minicity.main([str(tmp_path / "x"), "--size", "big"]))
    with pytest.raises(SystemExit) as ended:
        predict.main(["--k", "foo"])
    assert line(capsys, ended.value.code) == "error: argument --k: invalid int value: 'foo'\n"


SCRIPTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(paths.HERE.glob("*.py"))}


@pytest.mark.parametrize("script", [name for name, text in SCRIPTS.items() if "parse_args(" in text])
def test_a_wrong_option_is_one_line_without_usage(script, capsys):
    assert "ArgumentParser(" not in SCRIPTS[script]
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"experiments.{script}").main(["--none-such"])
    error = line(capsys, ended.value.code)
    assert "--none-such" in error or "required: " in error


def test_an_interrupt_is_said_without_a_traceback(capsys):
    def interrupted(given):
        raise KeyboardInterrupt
    assert command.run(interrupted, None) == 130
    assert capsys.readouterr().err == "interrupted; finished rows are kept\n"


NAMES = ["0001TP_000000.png", "0001TP_000001.png"]  # of the images in each split of `street`


def cut(path):
    path.write_bytes(path.read_bytes()[:60])


@pytest.fixture()
def street(tmp_path, monkeypatch):
    """A small CamVid folder, a cache of its own, a preset of two steps."""
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "published")
    return write_camvid(tmp_path / "a street", train=2, val=2, test=2, size=(64, 128))


def test_finished_rows_survive_a_later_failure_and_are_not_measured_again(street, tmp_path, capfd, monkeypatch):
    """Two jobs, the second of which reads a damaged image: the first one's record stays and is found again."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    jobs = schedule.plan(schedule.Asked("1", data=str(street), row="stride32", seeds="0,1", steps=2))
    first, second = jobs
    bad = street.parent / "bad"
    shutil.copytree(street, bad)
    cut(bad / "train" / NAMES[1])
    second = dataclasses.replace(second, data=str(bad))
    with pytest.raises(command.Reported):
        schedule.measure_all([first, second], 1)
    said = capfd.readouterr().err.split("\n")
    errors = [text for text in said if "error: " in text]
    assert len(errors) == 1 and errors[0].startswith("error: ") and NAMES[1] in errors[0]  # on a line of its own
    assert not [text for text in said if "\r" in text or "%|" in text], said  # no bars where there is no terminal
    assert list(schedule.finished(jobs)) == [first.specification]
    path = next(iter(schedule.finished(jobs).values()))
    record = json.loads(path.read_text(encoding="utf-8"))
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as beside:
        assert [f"{name}.png" for name in beside["images"]] == NAMES and beside["whole"].shape == (2, 11, 11)
    assert record["data"] == "camvid" and record["evaluations"]["whole"]["images"] == 2
    assert record["provenance"]["machine"].endswith(", 3 threads")  # those asked for
    assert str(street) not in json.dumps(record)  # no path of this machine in what may be published


def test_an_error_is_not_glued_to_the_bar_above_it(capsys):
    def failing(given):
        for _ in tqdm(range(9), "a bar", mininterval=0):
            raise UserError("no")
    assert command.run(failing, None) == 2
    assert capsys.readouterr().err.endswith("\nerror: no\n")


def test_a_damaged_file_is_named_before_anything_is_trained(street, capsys):
    for folder in ("trainannot", "test"):
        cut(street / folder / NAMES[1])
    error = line(capsys, measure.main(["--table", "1", "--data", str(street), "--steps", "2"]))
    assert str(street / "trainannot" / NAMES[1]) in error and "2 " in error
    assert not list(street.parent.rglob("*.params")) and not list(street.parent.rglob("log.jsonl"))
