"""Where results go, the command that repeats a run, options as make's variables, processes of their own."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess

import pytest
from speed_records import refused

from experiments.lib import paths, processes
from experiments.lib.command import TARGET, Parser
from experiments.lib.measurement import Measurement, options, reduced
from experiments.lib.pages import MEASUREMENTS
from experiments.lib.repeat import command_of, portable
from repro.errors import UserError
from repro.tables import engines, precision, profile, profile_onnx, refine, table6

MADE = Measurement("made", lambda folder: json.loads((folder / "made.json").read_text())["a"],
                   lambda found: f"{found}\n", lambda found, pages: (pages / "made.png").write_text("drawn"))


def parser() -> Parser:
    made = Parser(prog="python -m made", description="Made up.")
    made.add_argument("--row", default="", help="one (default %(default)r)")
    made.add_argument("--rate", type=float, default=0.25, help="of it")
    made.add_argument("--rounds", type=int, default=9, help="turns")
    made.add_argument("--cuda-graph", action="store_true", help="at once")
    made.add_argument("--data", default="minicity", help="images")
    options(made)
    return made


@pytest.fixture()
def folders(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "tables" / "results")
    monkeypatch.setattr(paths, "OWN", tmp_path / "own")
    return tmp_path


@pytest.mark.parametrize("arguments, command, less", [
    ([], "make made", ""),
    (["--publish", "--render"], "make made", ""),
    (["--rate", "0.5", "--row", "a,b", "--cuda-graph"], "make made ROW=a,b RATE=0.5 CUDA_GRAPH=1",
     "--row a,b, --rate 0.5, --cuda-graph"),
    (["--rounds", "3"], "make made ROUNDS=3", "--rounds 3 is less than 9"),
    (["--rounds", "12"], "make made ROUNDS=12", ""),
    (["--data", "/home/me/roads"], "make made DATA=/path/to/camvid", ""),
])
def test_a_run_has_the_command_that_repeats_it_and_says_what_it_lacks(arguments, command, less):
    given = parser().parse_args(arguments)
    assert command_of(given, "made", data=portable(given.data, "camvid")) == command
    assert reduced(given, but=("data",)) == less
    assert portable("minicity") == "minicity" and portable("/home/me/roads") == "/path/to/roads"


def test_results_go_into_the_cache_unless_they_are_published(folders, capsys):
    def written():
        return sorted(str(path.relative_to(folders)) for path in folders.rglob("*") if path.is_file())
    MADE.run(parser().parse_args(["--rounds", "1"]), lambda: {"a": 1})
    own = os.path.relpath(folders / "own")
    assert capsys.readouterr().out == f"to be written: {own}/made.json\n{own}/made.md\n"
    assert written() == ["own/made.json", "own/made.md", "own/made.png"]
    with pytest.raises(UserError, match="PUBLISH: --rounds 1 is less than 9: only the whole measurement is published"):
        MADE.run(parser().parse_args(["--rounds", "1", "--publish"]), lambda: {"a": 1})
    MADE.run(parser().parse_args(["--publish"]), lambda: {"a": 2})
    assert written()[3:] == ["tables/made.md", "tables/made.png", "tables/results/made.json"]
    (folders / "tables" / "made.md").unlink()
    MADE.run(parser().parse_args(["--render"]), lambda: 1 / 0)  # measures nothing
    assert (folders / "tables" / "made.md").read_text() == "2\n"
    assert (folders / "own" / "made.md").read_text() == "1\n"


@pytest.mark.parametrize("script, arguments, name", [
    ("table6", [], "table6.json"), ("engines", [], "engines-"), ("profile", [], "profile.json"),
    ("profile", ["--engine", "onnx"], "profile-onnx.json"), ("profile", ["--engine", "openvino"], "profile-openvino."),
])
@pytest.mark.parametrize("publish", [[], ["--publish"]], ids=["own", "published"])
def test_every_script_follows_the_rule(script, arguments, name, publish, folders, monkeypatch, capsys):
    asked, written = importlib.import_module(f"experiments.speed.{script}"), []

    def write(path, text):
        written.append(path)
        raise UserError("not to be written here")
    monkeypatch.setattr("experiments.lib.measurement.write_text", write)
    for module in {"experiments.speed.profile_onnx", asked.__name__}:
        monkeypatch.setattr(f"{module}.measure", lambda *_: {})
    assert asked.main([*arguments, *publish]) == 2
    assert [path.parent for path in written] == [paths.RESULTS if publish else paths.OWN]
    assert written[0].name.startswith(name)
    assert capsys.readouterr().err == "error: not to be written here\n"


@pytest.mark.parametrize("name", [name for name, one in MEASUREMENTS.items() if one.there(paths.RESULTS)])
def test_a_committed_page_is_its_rendering(name, tmp_path, monkeypatch, capsys):
    """With its pictures, in this version of matplotlib. Of the neighbours' page the part that is published."""
    one = MEASUREMENTS[name]
    (tmp_path / "results").symlink_to(paths.RESULTS)
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    one.render()
    for path in tmp_path.glob("*.md"):
        committed = (paths.ROOT / "tables" / path.name).read_text(encoding="utf-8")
        assert path.read_text(encoding="utf-8") == committed.split("\n<!-- measured on this machine")[0]
    assert {path.name for path in tmp_path.glob("*.png")} <= {path.name for path in (paths.ROOT / "tables").iterdir()}


@pytest.mark.parametrize("read, name", [
    (table6.read_table6, "table6.json"), (engines.read_engines, "engines-GenuineIntel-6-207.json"),
    (profile.read_measured, "profile.json"),
    (profile_onnx.read_measured, "profile-onnx.json"), (precision.read_measured, "precision.json"),
    (refine.read_refined, "refine-camvid.json")])
def test_a_record_of_another_version_is_one_line(read, name, tmp_path):
    record = json.loads((paths.RESULTS / name).read_text())
    assert read(paths.RESULTS / name).keys() == record.keys()
    assert "unknown key 'other'" in refused(read, {"other": 1}, tmp_path / name)
    record.pop("provenance")
    assert "key 'provenance' is missing" in refused(read, record, tmp_path / name)
    (tmp_path / name).write_text("{")
    with pytest.raises(UserError, match=f"{name}: not a readable measurement"):
        read(tmp_path / name)


def test_makes_variables_are_options(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["made", "--rounds", "7"])
    for name, value in (("ROW", "--odd name"), ("ROUNDS", "3"), ("CUDA_GRAPH", "1"), ("PUBLISH", "0"), ("DATA", "")):
        monkeypatch.setenv(name, value)
    assert parser().parse_args().row == ""  # not make's
    monkeypatch.setenv(TARGET, "made")
    given = parser().parse_args()
    assert (given.row, given.rounds, given.cuda_graph, given.publish, given.data) == (
        "--odd name", 7, True, False, "minicity")
    assert TARGET not in os.environ  # another process has options of its own
    monkeypatch.setenv(TARGET, "made")
    monkeypatch.setenv("RATE", "fast")
    with pytest.raises(SystemExit):
        parser().parse_args()
    assert capsys.readouterr().err == "error: argument --rate: invalid float value: 'fast'\n"


def test_a_variable_that_a_target_has_not_is_said(monkeypatch, capsys):
    for name, value in (("ROWS", "a"), ("TURNS", ""), ("OMP_NUM_THREADS", "1"), ("PYTHON", "x"), ("DATA", "~")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["made", "--rate", "1"])
    monkeypatch.setenv(TARGET, "made TURNS OMP_NUM_THREADS PYTHON DATA")
    assert parser().parse_args().data == os.path.expanduser("~")
    monkeypatch.setenv(TARGET, "made ROWS DATA")
    with pytest.raises(SystemExit) as ended:
        parser().parse_args()
    assert ended.value.code == 2 and capsys.readouterr().err == (
        "error: ROWS: make made has no such variable; choose from ROW, ROUNDS, CUDA_GRAPH, DATA, PUBLISH, RENDER\n")
    monkeypatch.delenv("MAKEFLAGS", raising=False)  # nor are those given that `make test` was given
    for words, told in ((["SEED=1"], 'MAKE_TARGET="table3 SEED"'), (["predict", "INPUT=a"], 'MAKE_TARGET="table3 "')):
        done = subprocess.run(["make", "-n", "table3", *words], cwd=paths.ROOT, capture_output=True, text=True)
        assert told in done.stdout


def test_make_help_describes_the_variables_of_a_target():
    done = subprocess.run(["make", "help", "TARGET=clean"], cwd=paths.ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "error: TARGET: 'clean' has no variables; choose from table1 " in done.stderr
    text = parser().variables(["--rate", "0.5"])
    assert re.findall(r"^  (\w+=1?) +(.*)$", text, re.M) == [
        ("ROW=", "one (default '')"), ("ROUNDS=", "turns"), ("CUDA_GRAPH=1", "at once"), ("DATA=", "images"),
        ("PUBLISH=1", "write into tables/, not .cache/speed/"),
        ("RENDER=1", "write the page from the published records alone")]


def doubled(pipe, value) -> None:
    pipe.send(os.environ["OMP_NUM_THREADS"])
    if value is None:
        raise UserError("no value")
    if value < 0:
        os._exit(3)
    pipe.send(2 * value)


def test_a_process_sends_and_what_it_raises_is_raised_here():
    before = os.environ.get("OMP_NUM_THREADS")
    with processes.Process(doubled, 4, OMP_NUM_THREADS=3) as one, processes.Process(doubled, None, OMP_NUM_THREADS=1) \
            as wrong, processes.Process(doubled, -1, OMP_NUM_THREADS=1) as ends:
        assert one.read() == "3" and one.read() == one.last == 8
        assert wrong.read() == "1" and os.environ.get("OMP_NUM_THREADS") == before
        with pytest.raises(UserError, match="no value"):
            wrong.read()
        assert ends.read() == "1"
        with pytest.raises(RuntimeError, match="ended with code 3"):
            ends.read()
