"""Netlists: a circuit as text, one file per dialect, printed by jinja2 templates."""
