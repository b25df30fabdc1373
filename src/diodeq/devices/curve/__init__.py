"""Measured I-V curves: their knots, the law through them, and the CSV files they come from."""
