from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from made_up import made_up

from repro import records
from repro.config.rows import load_rows
from repro.errors import UserError

ROWS = load_rows(Path(__file__).parent.parent / "experiments" / "table3.yaml")


def test_written_records_are_read_back(tmp_path):
    record = made_up(ROWS[6], 12.3457, recipe={"rate": 0.01, "crops": [1, 2]})
    path = records.write_record(tmp_path, record)
    assert path == tmp_path / "minicity-lite-full" / "isctf-half3463-full3463-r256-sparse-p0.25-l0.001.json"
    assert records.read_record(path) == record
    assert json.loads(path.read_text())["training"]["lambda"] == 0.001


def test_seeds_have_their_own_files_and_are_found_in_order(tmp_path):
    for seed in (2, 0, 11):
        records.write_record(tmp_path, made_up(ROWS[6], 50 + seed, seed=seed))
    records.write_record(tmp_path, made_up(ROWS[5]))
    names = sorted(path.name for path in tmp_path.glob("*/*p0.25*"))
    assert [name.split("l0.001")[1] for name in names] == ["-seed11.json", "-seed2.json", ".json"]
    loaded = records.load_records(tmp_path)
    assert [one.seed for one in records.find(loaded, ROWS[6].network, ROWS[6].training)] == [0, 2, 11]
    assert records.find(loaded, ROWS[7].network, ROWS[7].training) == ()
    assert records.find(loaded, ROWS[6].network, ROWS[6].training, ("camvid", "lite", "full")) == ()


def test_matching_is_on_what_a_record_says_not_on_its_name(tmp_path):
    path = records.write_record(tmp_path, made_up(ROWS[6]))
    path.rename(path.with_name("renamed.json"))
    loaded = records.load_records(tmp_path)
    assert len(records.find(loaded, ROWS[6].network, ROWS[6].training)) == 1
    path.write_bytes(path.with_name("renamed.json").read_bytes())
    with pytest.raises(UserError, match="renamed.json: the same measurement as .*l0.001.json"):
        records.load_records(tmp_path)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda v: v.update(format=2), "format 2 is not known; this program reads 1"),
        (lambda v: v.pop("format"), "format None"),
        (lambda v: v.update(more=1), "unknown key 'more'"),
        (lambda v: v.pop("steps"), "key 'steps' is missing"),
        (lambda v: v["network"].update(fusion="other"), "network: fusion: 'other' is not known"),
        (lambda v: v["training"].update(p=3), "training: p: 3"),
    ],
)
def test_malformed_records_are_one_line_naming_file_and_key(tmp_path, change, words):
    path = records.write_record(tmp_path, made_up(ROWS[6]))
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    with pytest.raises(UserError) as caught:
        records.load_records(tmp_path)
    assert str(caught.value).startswith(f"{path}: ") and words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["{", "[]"])
def test_other_files_are_no_records(tmp_path, content):
    path = tmp_path / "minicity-lite-full" / "a.json"
    assert records.load_records(path.parent) == ()  # there is none
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(UserError, match="a.json"):
        records.load_records(tmp_path)


def test_an_unsound_record_is_not_written(tmp_path):
    with pytest.raises(UserError, match="p0.25-l0.001.json: a figure of it is not a number"):
        records.write_record(tmp_path, made_up(ROWS[6], float("nan")))
    assert list(tmp_path.rglob("*")) == []


def test_provenance_fits_a_record(tmp_path):
    origin = records.provenance("make table3", 2)
    path = records.write_record(tmp_path, made_up(ROWS[6], provenance=origin))
    assert records.read_record(path).provenance == origin
    assert origin["versions"]["mxnet"].startswith("1.9") and origin["machine"].endswith(", 2 threads")
    assert origin["command"] == "make table3"


def test_provenance_is_dirty_by_tracked_code_outside_tables(tmp_path, monkeypatch):
    def git(*arguments):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=tmp_path, check=True)

    monkeypatch.setattr(records, "SOURCE", tmp_path)
    origin = records.provenance("c", 1)  # without git
    assert (origin["commit"], origin["dirty"]) == ("unknown", True)
    for name in ("code.py", "tables/table1.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("one")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    (tmp_path / "tables" / "table1.md").write_text("two")
    (tmp_path / "new.py").write_text("untracked")
    assert records.provenance("c", 1)["dirty"] is False
    assert len(records.provenance("c", 1)["commit"]) == 40
    (tmp_path / "code.py").write_text("two")
    assert records.provenance("c", 1)["dirty"] is True
