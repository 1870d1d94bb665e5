"""What befalls a run, on purpose: kills, full disks, others at the same table (experiments/faults.py counts them)."""
