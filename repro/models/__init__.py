"""Networks from rows and presets: build them, fill and count their parameters, count their multiply-adds."""
