"""What several tests train: Model A, from the shipped backbone."""

from __future__ import annotations

from pathlib import Path

from repro.config.networks import Column, Network

EXPERIMENTS = Path(__file__).resolve().parent.parent / "experiments"
BACKBONE = EXPERIMENTS / "pretrained" / "minicity-quarter.params"
MODEL_A = Network("isctf", (Column(0.5, (1, 2, 4, 1)), Column(1.0, (1, 1, 2, 0))), 32, "optimised", 256)
