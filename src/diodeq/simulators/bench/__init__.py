"""The bench: a circuit on the table, or its twin, as an engine that reads through converters."""
