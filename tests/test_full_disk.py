"""A disk that is full, or a folder that takes no files: the file of before stays whole, and one line says why."""

from __future__ import annotations

import mxnet as mx
import pytest
from folders import full_disk, write_png
from test_photos import noise, video

from experiments import predict
from repro.errors import UserError
from repro.files import write_text
from repro.models import parameters
from repro.training import logs

LINES = [{"step": n, "loss": 1 / n, "total": 3 / n, "rate": 0.1, "q": 0.3, "active": 9.0} for n in range(1, 9)]


def test_a_full_disk_leaves_what_was_there_and_any_name_is_written(tmp_path):
    for suffix, save in ((".txt", lambda path: write_text(path, "x" * 3000)),
                         (".params", lambda path: parameters.save_arrays(path, {"a": mx.nd.ones(2000)})),
                         (".png", lambda path: logs.plot(LINES, path, "a"))):
        path = tmp_path / f"Straße 東京\n{suffix}"
        save(path)
        before = path.read_bytes()
        with full_disk(100), pytest.raises((OSError, UserError)):
            save(path)
        with pytest.raises((OSError, UserError)):
            save(path / f"below a file{suffix}")
        assert path.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == [path.name]
        path.unlink()
    log = logs.Log(tmp_path / "a.jsonl")  # which grows line by line
    with full_disk(300), pytest.raises(OSError):
        for line in LINES:
            log.add(line)
    log.close()
    found = logs.read(tmp_path / "a.jsonl")
    assert found and found == LINES[:len(found)]


def test_a_full_disk_leaves_results_of_before_and_is_one_line(about, tmp_path, capsys):
    write_png(tmp_path / "a.png", noise())
    video(tmp_path / "a.avi")
    for given, result, left in (("a.png", "a_labelIds.png", 50), ("a.png", "a_overlay.jpg", 400),
                                ("a.avi", "a_overlay.mp4", 1500)):
        path = tmp_path / "out" / result
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"old")
        with full_disk(left):
            assert predict.main(["--input", str(tmp_path / given), "--output", str(path.parent), "--weights",
                                 str(about.path)]) == 2
        assert path.read_bytes() == b"old" and not [*path.parent.glob(".writing-*")]
        assert capsys.readouterr().err.splitlines()[-1].startswith("error: ")
