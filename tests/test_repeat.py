"""What a measurement says of its run: the command that repeats it, and that a reduced run leaves what is published."""

import argparse
import importlib
import os

import pytest

from experiments.lib.command import Parser
from experiments.lib.repeat import changed, command_of, make_command, places, portable, script_command, tell
from experiments.speed import engines
from experiments.table import CACHE, RESULTS
from repro.errors import UserError


@pytest.mark.parametrize("arguments, command", [
    ([], "make growth"),
    (["--draw"], "make growth"),
    (["--rate", "0.5", "--rows", "a,b", "--cuda-graph"], "growth.py --rows a,b --rate 0.5 --cuda-graph"),
])
def test_the_command_is_makes_or_the_scripts(arguments, command):
    parser = Parser(prog="growth.py")
    parser.add_argument("--rows", default="")
    parser.add_argument("--rate", type=float, default=0.25)
    for name in ("--cuda-graph", "--draw"):
        parser.add_argument(name, action="store_true")
    assert command_of(parser, parser.parse_args(arguments), "growth") == command


def test_variables_and_options_are_those_that_are_not_as_usual():
    words = changed({"row": "a", "seeds": "0", "data": portable("/home/me/roads", "camvid")},
                    {"data": "minicity", "row": "", "seeds": "0"})
    assert make_command("table3", words) == "make table3 DATA=/path/to/camvid ROW=a"
    assert script_command("python -m x", words) == "python -m x --data /path/to/camvid --row a"
    assert portable("minicity", "minicity") == "minicity"


def test_a_whole_run_is_published_and_a_reduced_one_is_not(tmp_path, capsys):
    page = RESULTS.parent / "growth.md"
    for reduced, path in ((("", ""), page),
                          (("--only batch", "", "--rounds 1 is less than 9"), tmp_path / "growth.md")):
        assert places(reduced, tmp_path, page) == (path,)
        tell(reduced, tmp_path)
    assert capsys.readouterr().err == ("--only batch, --rounds 1 is less than 9: written to "
                                       f"{os.path.relpath(tmp_path)}, and what is published stays\n")


@pytest.mark.parametrize("script, arguments, path", [
    ("table6", [], RESULTS / "table6.json"),
    ("table6", ["--rounds", "1"], CACHE / "speed" / "table6.json"),
    ("table6", ["--rows", "model-a"], CACHE / "speed" / "table6.json"),
    ("engines", [], RESULTS / engines.record_name()),
    ("engines", ["--rounds", "2"], CACHE / "speed" / engines.record_name()),
    ("growth", [], RESULTS / "growth.json"),
    ("growth", ["--rounds", "1"], CACHE / "speed" / "growth.json"),
    ("growth", ["--only", "batch", "--width", "0.5"], CACHE / "speed" / "growth.json"),
    ("soak", [], RESULTS / "soak.json"),
    ("soak", ["--minutes", "1"], CACHE / "speed" / "soak.json"),
    ("soak", ["--what", "training"], CACHE / "speed" / "soak.json"),
    ("profile", [], RESULTS / "profile.json"),
    ("profile", ["--frames", "1"], CACHE / "profile" / "profile.json"),
    ("profile", ["--precision", "int8"], CACHE / "profile" / "profile.json"),
    ("profile_onnx", ["--engine", "onnx"], RESULTS / "profile-onnx.json"),
    ("profile_onnx", ["--engine", "onnx", "--rounds", "1"], CACHE / "profile" / "profile-onnx.json"),
    ("profile_onnx", ["--engine", "openvino"], RESULTS / "profile-openvino.json"),
    ("profile_onnx", ["--engine", "openvino", "--frames", "1"], CACHE / "profile" / "profile-openvino.json"),
    ("profile_onnx", ["--engine", "onnx", "--width", "0.5"], CACHE / "profile" / "profile-onnx.json"),
])
def test_a_reduced_measurement_leaves_the_published_page(script, arguments, path, monkeypatch, capsys):
    asked, written = importlib.import_module("experiments." + script), []

    def write(path, text):
        written.append(path)
        raise UserError("not to be written here")
    monkeypatch.setattr(asked, "measure", lambda *_: {})
    monkeypatch.setattr(asked, "write_text", write)
    assert importlib.import_module("experiments." + script.split("_")[0]).main(arguments) == 2
    assert written == [path]
    assert capsys.readouterr().err == "error: not to be written here\n"


def test_without_options_what_is_measured_is_published(monkeypatch):
    from experiments.speed import table6

    given = argparse.Namespace(rows="", size="1024x2048", width=1.0, rounds=table6.ROUNDS, render=False, draw=False,
                               command="make table6")
    written = []
    monkeypatch.setattr(table6, "measure", lambda *_: {})
    monkeypatch.setattr(table6, "write_text", lambda path, text: written.append(path))
    monkeypatch.setattr(table6, "read_table6", lambda path: written.append(path) or {}["stop"])
    with pytest.raises(KeyError):
        table6.write(given)
    assert written == [RESULTS / "table6.json"] * 2
