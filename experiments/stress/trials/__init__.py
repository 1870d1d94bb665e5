"""What befalls a run, on purpose: kills, full disks, others at the same table (stress/faults.py counts them)."""
