"""``python -m diodeq``: the same as the ``diodeq`` command."""

from diodeq.cli.main import run

run()
