"""What works with a bench, a circuit on the table or its twin: calibration, replay, which points to probe, how fast."""
