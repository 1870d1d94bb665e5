"""What a user gets wrong is one line on stderr and exit code 2; what was measured stays."""

from __future__ import annotations

import dataclasses
import importlib
import json
import shutil

import numpy as np
import pytest
from folders import write_camvid, write_png
from tqdm import tqdm

from experiments import minicity, predict, pretrain
from experiments import table as measure
from experiments.lib import command, paths, schedule
from repro.device import check, parse
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


def test_a_folder_of_nothing_known(capsys, tmp_path):
    assert "layout" in line(capsys, measure.main(["--table", "3", "--data", str(tmp_path)]))


def test_pretrain_and_minicity_say_what_is_wrong(capsys, tmp_path):
    assert "BUDGET" in line(capsys, pretrain.main(["--budget", "some"]))
    assert "height and a width" in line(capsys, minicity.main([str(tmp_path / "x"), "--size", "big"]))


SCRIPTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(paths.HERE.glob("*.py"))}


@pytest.mark.parametrize("script", [name for name, text in SCRIPTS.items() if "parse_args(" in text])
def test_a_wrong_option_is_one_line_without_usage(script, capsys):
    assert "ArgumentParser(" not in SCRIPTS[script]
    if script == "worker":  # its main changes what its process does with signals
        return
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"experiments.{script}").main(["--none-such"])
    error = line(capsys, ended.value.code)
    assert "--none-such" in error or "required: " in error


def test_a_wrong_value_names_its_option(capsys):
    with pytest.raises(SystemExit) as ended:
        predict.main(["--k", "foo"])
    assert line(capsys, ended.value.code) == "error: argument --k: invalid int value: 'foo'\n"


def test_gpu_lists():
    assert parse("") == () and parse("0,1") == (0, 1)
    for wrong in ("-1", "0,0", "0;1", "first"):
        with pytest.raises(UserError, match="card numbers"):
            parse(wrong)


def test_an_interrupt_is_said_without_a_traceback(capsys):
    def interrupted(given):
        raise KeyboardInterrupt
    assert command.run(interrupted, None) == 130
    assert capsys.readouterr().err == "interrupted; finished rows are kept\n"


@pytest.fixture()
def street(tmp_path, monkeypatch):
    """A small CamVid folder, a cache of its own, a preset of two steps."""
    monkeypatch.setattr(paths, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "published")
    folder = tmp_path / "a street"
    random = np.random.RandomState(0)
    for split in ("train", "val", "test"):
        for i in range(2):
            write_png(folder / split / f"{i}.png", random.randint(0, 255, (64, 128, 3)).astype(np.uint8))
            write_png(folder / f"{split}annot" / f"{i}.png", random.randint(0, 12, (64, 128)).astype(np.uint8))
    return folder


def test_finished_rows_survive_a_later_failure_and_are_not_measured_again(street, tmp_path, capfd, monkeypatch):
    """Two jobs, the second of which reads a damaged image: the first one's record stays and is found again."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    jobs = schedule.plan(schedule.Asked("1", data=str(street), row="stride32", seeds="0,1", steps=2))
    first, second = jobs
    bad = street.parent / "bad"
    shutil.copytree(street, bad)
    (bad / "train" / "1.png").write_bytes((bad / "train" / "1.png").read_bytes()[:100])
    second = dataclasses.replace(second, data=str(bad))
    with pytest.raises(command.Reported):
        schedule.measure_all([first, second], 1)
    said = capfd.readouterr().err.split("\n")
    errors = [text for text in said if "error: " in text]
    assert len(errors) == 1 and errors[0].startswith("error: ") and "1.png" in errors[0]  # on a line of its own
    assert not [text for text in said if "\r" in text or "%|" in text], said  # no bars where there is no terminal
    assert list(schedule.finished(jobs)) == [first.specification]
    path = next(iter(schedule.finished(jobs).values()))
    record = json.loads(path.read_text(encoding="utf-8"))
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as beside:
        assert list(beside["images"]) == ["0", "1"] and beside["whole"].shape == (2, 11, 11)
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
    for number, folder in ((1, "trainannot"), (1, "test")):
        path = street / folder / f"{number}.png"
        path.write_bytes(path.read_bytes()[:60])
    error = line(capsys, measure.main(["--table", "1", "--data", str(street), "--steps", "2"]))
    assert str(street / "trainannot" / "1.png") in error and "2 " in error
    assert not list(street.parent.rglob("*.params")) and not list(street.parent.rglob("log.jsonl"))


def test_without_a_driver_gpu_is_one_sentence_and_asks_for_nothing_to_be_installed(monkeypatch):
    def missing(name, **settings):
        raise OSError(f"{name}: cannot open shared object file")
    monkeypatch.setattr("ctypes.CDLL", missing)
    with pytest.raises(UserError, match="'0' needs NVIDIA's driver .libcuda.so.1., which this machine does not"):
        check("0")


class Driver:
    """A stand-in for libcuda with one card of a compute capability."""

    def __init__(self, major, minor):
        self.values = {75: major, 76: minor}

    def cuInit(self, flags):
        return 0

    def cuDeviceGetCount(self, count):
        count._obj.value = 1

    def cuDeviceGet(self, device, card):
        device._obj.value = card

    def cuDeviceGetAttribute(self, value, attribute, device):
        value._obj.value = self.values[attribute]


@pytest.mark.parametrize("major, minor, words", [(9, 0, "compute capability 9.0"), (12, 0, "compute capability 12.0")])
def test_a_card_too_new_for_mxnet_cu112_is_one_sentence(major, minor, words, monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda name, **settings: Driver(major, minor))
    with pytest.raises(UserError, match=f"card 0 has {words}; mxnet-cu112 has kernels up to 8.9"):
        check("0")


def test_a_card_that_is_not_there_is_named_and_an_older_one_is_taken(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda name, **settings: Driver(8, 6))
    with pytest.raises(UserError, match="no card 1; the driver shows 1"):
        check("0,1")
    check("0")
