"""``python -m diodeq`` and the console script: an interruption before there is a command line ends quietly too."""

from diodeq import interrupts, orphans

# A process that a command spawned loads this first.
orphans.leave_with_starter()


def run() -> None:
    """Load the command line, which takes a moment, and run it."""
    interrupts.end_at_once()
    from diodeq.cli.main import run as command

    command()


if __name__ == "__main__":
    run()
