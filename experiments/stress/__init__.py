"""Give readers and writers what is wrong, kill runs, fill disks: make robustness, faults."""
