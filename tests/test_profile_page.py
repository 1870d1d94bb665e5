"""The page on where the time goes, and what the script that writes it refuses."""

from __future__ import annotations

import copy

import pytest
from made_up import PROVENANCE

from experiments.speed import profile
from repro.tables.profile import convolutions, network, page, verdicts


def operator(name, block, milliseconds, multiply_adds=0, kind="Convolution"):
    return {"name": name, "kind": kind, "block": block, "shape": "1x3x8x8 -> 1x8x8x8, 3x3",
            "multiply_adds": round(multiply_adds * 1e9), "moved": 4_000_000, "seconds": milliseconds / 1e3}


OPERATORS = [operator("half_conv", "half column", 200, 16), operator("topk0", "selection", 1, kind="topk"),
             operator("sparse_head", "selection", 1, 0.002), operator("full_conv", "full column", 100, 9),
             operator("pad", "decoder", 38, kind="Pad"), operator("hidden", "decoder", 60, 4.998)]
# 30 billion multiply-adds in 361 ms of layers and 39 ms of others; 83.1 billion a second of a ceiling of 90
FLOAT = {"precision": "float32", "labels": [0.5, 0.5, 0.8], "scores": [0.45, 0.44, 0.46], "ceiling": 90e9, "frames": 10,
         "filling": 0.01, "map": 0.06, "between": 0.03, "memory": {"built": 900 * 2 ** 20, "running": 512 * 2 ** 20},
         "operators": OPERATORS}
INT8 = {**copy.deepcopy(FLOAT), "precision": "int8", "labels": [0.25] * 3, "scores": [0.2] * 3}
MEASURED = {
    "row": "model-a", "label": "Model A: 1-1-2-0-1-2-4-1", "size": "1024x2048", "width": 1.0, "device": "CPU",
    "multiply_adds": 30_000_000_000, "paper": 31_500_000_000, "ceiling": {"rate": 89e9, "layer": "128 -> 128, 3x3"},
    "bandwidth": 20e9, "blocks": ["half column", "selection", "crops", "full column", "uncrop", "decoder", "fusion"],
    "profiles": [FLOAT, INT8], "provenance": PROVENANCE}


def tables(text):
    """{first cell: {header: cell}} of each table."""
    found = []
    for block in [block for block in text.split("\n\n") if block.startswith("| ")]:
        head, _, *lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.strip().split("\n")]
        found.append({line[0]: dict(zip(head, line)) for line in lines})
    return found


def test_the_page_has_times_shares_and_rates():
    text = page(MEASURED, 0.068)
    frames, block, kind, slowest, *again = tables(text)
    assert len(again) == 3
    assert frames["float32"] == {
        "Precision": "float32", "Frames/s": "2.00", "p95": "1.25", "ms": "500.0", "ms, p95": "800.0",
        "ms, scores alone": "450.0", "GFLOP/s, scores": "133.3", "Of the ceiling, scores": "74.9%",
        "Labels": "67.4%", "Memory, MiB": "512", "Being built": "900"}
    assert frames["int8"]["Frames/s"] == "4.00"
    assert block["half column"] == {"Block": "half column", "ms": "200.0", "Share": "40.0%", "Multiply-adds": "16.0g",
                                    "GFLOP/s": "160.0", "Of the ceiling": "88.9%"}
    assert block["decoder"]["ms"] == "98.00" and block["selection"]["Multiply-adds"] == "<0.01g"
    assert block["labels"]["GFLOP/s"] == "-" and block["all"]["ms"] == "500.0" and block["all"]["Share"] == "100.0%"
    assert kind["Convolution"]["Count"] == "4" and kind["Convolution"]["GFLOP/s"] == "166.2"
    assert list(kind) == ["Convolution", "Pad", "topk"]
    assert list(slowest) == ["half_conv", "full_conv", "hidden", "pad", "topk0", "sparse_head"]
    assert slowest["hidden"]["Of the ceiling"] == "92.6%" and slowest["hidden"]["Block"] == "decoder"
    # 2 x 31.5e9 / 0.068 = 926 GFLOP/s of 2 x 2048 x 1126 MHz
    assert "68 ms for 31.5g" in text and "926 GFLOP/s: 20.1% of the GeForce GTX 980's 4.61 TFLOP/s" in text
    assert "this is 70.8% in float32 and 141.6% in int8 of this machine's" in text
    assert "178.0 GFLOP/s, the best float32 convolution" in text and "(128 -> 128, 3x3)" in text
    assert "Commit 0123456;" in text and "medians of 10 and 10 images" in text
    assert "GTX" not in page(MEASURED)


def test_whether_a_target_is_reached_follows_from_the_figures():
    assert convolutions(FLOAT) == pytest.approx(30 / 0.361 / 90)
    assert network(MEASURED, FLOAT, "scores") == pytest.approx(2 / 2.67)
    assert verdicts(MEASURED) == [
        "All convolutions, float32: 92.3% of the ceiling; this project's target is 85%: reached.",
        "The whole network, labels included, float32: 67.4% of the ceiling; this project's target is 75%: not reached."]
    slow = {**FLOAT, "ceiling": 100e9, "labels": [0.44]}
    assert [line.split(": ")[-1] for line in verdicts({**MEASURED, "profiles": [slow]})] == ["not reached.", "reached."]
    assert verdicts({**MEASURED, "profiles": [INT8]}) == []


def line(capsys, code):
    captured = capsys.readouterr()
    assert code == 2 and captured.err.startswith("error: ") and captured.err.count("\n") == 1, captured.err
    return captured.err


@pytest.mark.parametrize("arguments, words", [
    (["--row", "model-b"], ("'model-b'", "ROW", "model-a", "fastscnn", "single")),
    (["--size", "1024"], ("'1024'", "1024x2048")),
    (["--size", "100x200"], ("model-a at 100x200", "multiple of 32")),
    (["--row", "icnet", "--size", "100x200"], ("icnet at 100x200", "multiples of 32")),
    (["--row", "icnet", "--width", "0.5"], ("WIDTH", "0.5", "icnet")),
    (["--frames", "0"], ("FRAMES", "0")),
    (["--gpu", "first"], ("'first'", "card numbers")),
])
def test_what_cannot_be_profiled_is_one_line(arguments, words, capsys):
    error = line(capsys, profile.main(arguments))
    assert all(word in error for word in words), error


def test_without_a_driver_the_alternative_is_named(monkeypatch, capsys):
    def missing(name, **settings):
        raise OSError(f"{name}: cannot open shared object file")
    monkeypatch.setattr("ctypes.CDLL", missing)
    error = line(capsys, profile.main(["--gpu", "0"]))
    assert "'0' needs NVIDIA's driver" in error and "ONNX" in error
