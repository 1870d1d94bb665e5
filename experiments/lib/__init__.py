"""What the scripts share; they import nothing else of experiments."""
