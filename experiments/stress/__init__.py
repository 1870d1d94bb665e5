"""Give readers what is wrong, kill runs, fill disks: make robustness, faults."""
