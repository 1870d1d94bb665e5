"""Steps at once: order, threads, and where an error is raised; and which CPU a record is of."""

from __future__ import annotations

import threading
import time

import pytest

from repro.device import cpu, cpu_words, same_cpu, threads
from repro.errors import UserError
from repro.pipeline import pipeline
from repro.records import parse_provenance, provenance

OLD = {"machine": "AMD EPYC, 2 threads"}


def test_results_come_in_order_from_steps_at_once():
    busy, most, lock = 0, 0, threading.Lock()

    def slow(number):
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        time.sleep(0.02 if number % 2 else 0.01)
        with lock:
            busy -= 1
        return number * 2
    assert list(pipeline(range(9), slow, 2)) == [2 * number for number in range(9)]
    assert most == 2 and list(pipeline([], slow, 1)) == []


def test_an_error_is_raised_in_its_place():
    def things():
        yield from (1, 2)
        raise UserError("the third is damaged")

    def step(number):
        if number == 2:
            raise ValueError("two")
        return number
    for source, function, wanted, kind in ((things(), str, ["1", "2"], UserError), ((1, 2, 3), step, [1], ValueError)):
        found = []
        with pytest.raises(kind):
            for one in pipeline(source, function, 2):
                found.append(one)
        assert found == wanted


def test_it_does_not_read_far_ahead_and_ends_when_it_is_left():
    read = []

    def things():
        for number in range(1000):
            read.append(number)
            yield number
    made = pipeline(things(), str, 1, ahead=3)
    assert next(made) == "0"
    made.close()
    assert len(read) <= 4


def test_a_cpu_is_told_from_others(tmp_path):
    (tmp_path / "cpuinfo").write_text(
        "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n"
        "stepping\t: 1\nflags\t\t: fpu avx2 avx512f avx512_bf16\n\nprocessor\t: 1\nmodel\t\t: 18\n")
    amd = cpu(tmp_path / "cpuinfo")
    assert amd == {"vendor": "AuthenticAMD", "family": "25", "model": "17", "stepping": "1",
                   "flags": "avx2 avx512 bf16"}
    assert cpu(tmp_path / "none") == {**dict.fromkeys(amd, "unknown"), "flags": "none"}
    new = {**OLD, "cpu": amd}
    assert cpu_words(new) == ("AMD EPYC, 2 threads (AuthenticAMD family 25, model 17, stepping 1; avx2, avx512, bf16)")
    assert cpu_words(OLD) == "AMD EPYC, 2 threads"
    assert same_cpu(OLD, {"machine": "AMD EPYC, 1 threads"})
    assert same_cpu(new, {**new, "machine": "AMD EPYC, 9 threads"})
    assert not same_cpu(OLD, new) and not same_cpu(new, {**new, "cpu": {**amd, "stepping": "2"}})
    assert not same_cpu(OLD, {"machine": "Intel, 2 threads"})
    here = provenance("make it")
    assert parse_provenance(here, "x") == here
    del here["cpu"]
    assert parse_provenance(here, "x") == here
    with pytest.raises(UserError, match="x: cpu: .*stepping"):
        parse_provenance({**here, "cpu": {name: "1" for name in amd if name != "stepping"}}, "x")


def test_threads_are_those_asked_for(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert threads() >= 1
