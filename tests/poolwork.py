"""What the pool's tests let workers do: a session without an engine, and jobs that misbehave."""

import os
import pathlib
import re
import signal
import time
from dataclasses import dataclass, field

from diodeq.errors import InputError


class Session:
    """A session that counts its jobs."""

    version = "test-1"

    def __init__(self):
        self.jobs = 0


class Frail(Session):
    """Dies at its start as often as the file in ``$FRAIL`` has bytes left, and takes one."""

    def __init__(self):
        super().__init__()
        path = pathlib.Path(os.environ["FRAIL"])
        left = path.read_bytes()
        if left:
            path.write_bytes(left[1:])
            os.kill(os.getpid(), signal.SIGKILL)


class Broken:
    def __init__(self):
        raise ZeroDivisionError("no engine here")


@dataclass
class Square:
    value: float
    seconds: float = 0.0

    def run(self, session):
        time.sleep(self.seconds)
        session.jobs += 1
        return self.value**2


@dataclass
class Refused:
    value: float
    seconds: float = 0.0

    def run(self, session):
        time.sleep(self.seconds)
        raise InputError(f"value {self.value:g} is refused", "give another")


@dataclass
class Bug:
    def run(self, session):
        return 1 / 0


@dataclass
class Doomed:
    """Notes its start in a file and then ``dies``, ``computes`` or ``sleeps``; after ``times`` starts it answers."""

    notes: str
    how: str
    times: int = 1_000_000
    work: float = 1.0

    def run(self, session):
        with open(self.notes, "a") as file:
            file.write("x")
        if os.path.getsize(self.notes) > self.times:
            return "done"
        if self.how == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        while self.how == "computes":
            pass
        time.sleep(600)
        return None


@dataclass
class Spend:
    """Uses that many seconds of processor time, holding on to the interpreter as a large matrix product might."""

    seconds: float
    work: float = 1.0

    def run(self, session):
        began = time.process_time()
        while time.process_time() - began < self.seconds:
            sum(range(100_000))
        return self.seconds


@dataclass
class Unsendable:
    what: object = field(default_factory=lambda: lambda: None)

    def run(self, session):
        return None


@dataclass
class Unreadable:
    """Its answer cannot be read by who asked."""

    notes: str

    def run(self, session):
        with open(self.notes, "a") as file:
            file.write("x")
        return Secret()


class Secret:
    def __reduce__(self):
        return (eval, ("1 / 0",))


@dataclass
class Large:
    """An argument and an answer larger than any pipe's buffer."""

    data: bytes

    def run(self, session):
        return self.data[::-1]


@dataclass
class Hold:
    """Computes for minutes without letting any other thread of the process run."""

    def run(self, session):
        re.fullmatch("(a|a)*b", "a" * 40)


@dataclass
class Copy:
    """Uses that many seconds of the kernel's time, and next to none of its own."""

    seconds: float

    def run(self, session):
        with open("/dev/zero", "rb", buffering=0) as file:
            block = bytearray(1 << 24)
            while os.times().system < self.seconds:
                file.readinto(block)
        return self.seconds
