"""repro/timing/clock.py: what is run, how often, in which order, and what is said of it."""

from contextlib import contextmanager

from repro.timing.clock import Timing, interleaved


def test_median_and_95th_percentile():
    timing = Timing(tuple(float(i) for i in range(100, 0, -1)))
    assert timing.median == 50.5 and timing.p95 == 95
    assert Timing((3.0,)).p95 == 3 and Timing((1.0, 2.0)).p95 == 2


def test_each_has_its_turn_in_every_round_and_slow_ones_in_some():
    calls = []
    timings = interleaved({name: lambda name=name: calls.append(name) for name in "abs"}, rounds=4, counts={"s": 2})
    assert "".join(calls) == "aabbs" + "abs" + "ab" + "abs" + "ab"
    assert [len(timings[name].seconds) for name in "abs"] == [4, 4, 2]
    assert all(second >= 0 for timing in timings.values() for second in timing.seconds)
    for count in (1, 3, 7, 9):
        assert len(interleaved({"a": int}, 7, counts={"a": count})["a"].seconds) == min(count, 7)


def test_what_holds_a_run_is_entered_at_each_of_its_turns():
    calls = []

    @contextmanager
    def held():
        calls.append("(")
        yield
        calls.append(")")

    runs = {name: lambda name=name: calls.append(name) for name in "as"}
    interleaved(runs, rounds=2, warmup=1, counts={"s": 1}, during={"s": held})
    assert "".join(calls) == "a(s)" + "a(s)" + "a"
    calls.clear()
    interleaved(runs, rounds=1, warmup=0, during={"s": held})
    assert "".join(calls) == "a(s)"
