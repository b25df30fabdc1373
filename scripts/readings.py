"""What readings of a bench do to gradients and to learning: the figures of guide/bench.md.

``curves``: the error of the answers to currents over their amplitude, for bits and noise, with the optimum that a
measurement of the noise predicts. ``dither``: few bits and repeated readings, with noise and without. ``cycles``: how
the loss of a circuit goes on at a constant rate when what holds its outputs is off by some millivolts, and what cures
it. ``taps``: learning with and without values kept finer than a tap. ``nodes``: the gradient where the outputs alone
are read, by the model and by currents into one node after the other, and as all nodes tell it (guide/calibration.md).
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings

import numpy as np

from diodeq.circuit import Circuit
from diodeq.cli.main import plainly
from diodeq.errors import InexactRuleWarning
from diodeq.learning import datasets
from diodeq.learning.datasets import Dataset
from diodeq.learning.initial import fresh, technology_of
from diodeq.learning.objective import bind
from diodeq.learning.recipe import Recipe
from diodeq.learning.recipes import asked, recipe_for
from diodeq.learning.rules import named
from diodeq.learning.snapshots import parametrization
from diodeq.learning.updates import UPDATES
from diodeq.simulators import conductance_range, create
from diodeq.simulators.bench.codes import TapTable
from diodeq.simulators.two_sided import best_amplitude, reader, two_sided

AMPLITUDES = np.geomspace(5e-6, 5e-3, 10)
COUPLED = ("", ":chopped=yes", ":centered=yes", ":eta=0.3")
RULES = ("hardware-linearization", *(f"coupled-learning{each}" for each in COUPLED))
WIDE = "pumps.range=[-0.1,0.1]:limits.amperes=1"
"""Pumps for any amplitude, of 48 bits where the bench is ideal"""


def begun(data: str, seed: int = 0) -> tuple[Dataset, Recipe, Circuit]:
    """Data, recipe and the first circuit on the taps of the bench of that name."""
    loaded = datasets.load(data, seed)
    recipe = asked(recipe_for(data), conductance_range(f"bench:{data}"), {})
    return loaded, recipe, fresh(recipe, "1N4148", loaded, technology_of(recipe, "1N4148"))


def curves(data: str) -> dict[str, object]:
    """Errors of answers (volts for one ampere, root mean square over nodes and samples), and the prediction."""
    loaded, recipe, circuit = begun(data)
    drives = circuit.scaling.to_volts(loaded.x_train[:32])
    loss = bind(recipe, circuit, loaded.y_train[:32])
    exact = create("wave")
    point = exact.operate(circuit, drives)
    unit = loss(point.outputs)[1]
    unit = unit / np.abs(unit).max(axis=1, keepdims=True)
    wanted = exact.small_signal(point, unit).node_voltages
    free = wanted.any(axis=0)
    size = float(np.sqrt(np.mean(wanted[:, free] ** 2)))
    found: dict[str, object] = {"amplitudes": AMPLITUDES.tolist(), "answer": size}
    changes = [f"adc.bits={bits}:reads.noise=1e-3" for bits in (8, 10, 12, 16)]
    changes += [f"reads.noise={noise}" for noise in (1e-4, 1e-3, 1e-2)]
    changes += [f"adc.bits={bits}" for bits in (8, 10, 12)]
    for change in changes:
        bench = create(f"bench:{data}:ideal:{WIDE}:{change}")
        read = reader(bench, circuit)
        chosen = best_amplitude(read, circuit, drives, unit, 1, bench.resolution)
        errors = []
        for amplitude in AMPLITUDES.tolist():
            missed = np.stack([two_sided(read, drives, unit, amplitude) - wanted for _ in range(2)])
            errors.append(float(np.sqrt(np.mean(missed[:, :, free] ** 2)) / size))
        best = int(np.argmin(errors))
        found[change] = {
            "errors": errors,
            "best": float(AMPLITUDES[best]),
            "least": errors[best],
            "predicted": chosen.best,
            "predicted_error": chosen.error(chosen.best) / size,
            "measured_noise": chosen.noise,
        }
        print(change, *(f"{each:.3g}" for each in errors), f"best {AMPLITUDES[best]:.3g} predicted {chosen.best:.3g}")
    return found


def dither(data: str) -> dict[str, object]:
    """Errors of the gradient against the exact one over repeats, with few bits, and no noise or so many codes of it."""
    loaded, recipe, circuit = begun(data)
    drives, exact = circuit.scaling.to_volts(loaded.x_train[:64]), create("wave")
    loss = bind(recipe, circuit, loaded.y_train[:64])
    wanted = named("hardware-linearization")(exact, circuit, drives, loss).conductances
    found: dict[str, object] = {}
    for bits in (5, 6, 8):
        code = 10.24 / 2**bits
        for codes in (0.0, 0.5):
            errors = {}
            for repeats in (1, 4, 16, 64):
                change = f"adc.bits={bits}:reads.noise={codes * code}:reading.amplitude=2e-4:reading.repeats={repeats}"
                bench = create(f"bench:{data}:ideal:{change}")
                got = named("hardware-linearization")(bench, circuit, drives, loss).conductances
                errors[repeats] = float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted))
            found[f"{bits} bits, noise of {codes} codes"] = errors
            print(bits, codes, *(f"{each:.3g}" for each in errors.values()), flush=True)
    return found


def cycles(data: str, epochs: int) -> dict[str, object]:
    """Training losses epoch by epoch at a constant rate."""
    found: dict[str, object] = {}
    for rule in RULES:
        for bench in ("ideal", "ideal:holds.offset=3e-3", "ideal:holds.offset=0.01"):
            losses = learned(data, f"bench:{data}:{bench}", rule, epochs)
            found[f"{rule} {bench}"] = losses
            least = int(np.argmin(losses))
            last = np.mean(losses[-10:])
            print(f"{rule} {bench}: least {min(losses):.3f} at epoch {least}, last ten {last:.3f}", flush=True)
    return found


def taps(data: str, epochs: int) -> dict[str, object]:
    """Losses with values kept finer than a tap, with the taps alone, and with rounding at random."""
    found: dict[str, object] = {}
    for how in ("finer", "rounded", "dithered"):
        losses = learned(data, f"bench:{data}", "hardware-linearization", epochs, how=how)
        found[how] = losses
        print(f"{how}: least {min(losses):.3f}, last {losses[-1]:.3f}", flush=True)
    return found


def nodes(data: str, path: str | None) -> dict[str, object]:
    """Cosines and errors of the gradient against that of the board, mean over boards, and readings a sample."""
    loaded, recipe, circuit = begun(data)
    circuit = Circuit.load(path) if path else circuit
    drives, exact, rule = circuit.scaling.to_volts(loaded.x_train[:32]), create("wave"), named("hardware-linearization")
    loss = bind(recipe, circuit, loaded.y_train[:32])
    found: dict[str, object] = {}
    for change in ("", *(f':reads.nodes="outputs":injections.nodes="{each}"' for each in ("outputs", "all"))):
        agree = []
        for seed in range(1, 9):
            bench = create(f"bench:{data}:seed={seed}{change}")
            bench.operate(circuit, drives[:1])  # the circuit is on the table
            twin = bench._body
            board = circuit.with_conductances(twin.parts.conductances(twin.taps(), 0.0))
            wanted = rule(exact, board, drives, loss).conductances
            before = bench.readings
            got = rule(bench, circuit, drives, loss).conductances
            cosine = got @ wanted / np.linalg.norm(got) / np.linalg.norm(wanted)
            agree.append((cosine, np.linalg.norm(got - wanted) / np.linalg.norm(wanted)))
        cosine, error = np.mean(agree, axis=0).tolist()
        readings = (bench.readings - before) / len(drives)
        found[change] = {"cosine": cosine, "error": error, "readings": readings}
        print(f"{change or 'all read'}: cosine {cosine:.5f}, error {error:.2%}, {readings:g} readings", flush=True)
    return found


def learned(data: str, engine: str, rule: str, epochs: int, rate: float = 0.03, how: str = "finer") -> list[float]:
    """Losses of the training samples on the bench after every epoch, at a constant rate; by gradient descent
    with momentum (Adam)."""
    loaded, recipe, circuit = begun(data)
    bench = create(engine)
    turned = parametrization(recipe, technology_of(recipe, "1N4148"))
    table = TapTable(bench.description.taps)
    theta = turned.read(circuit)
    update = UPDATES["adam"](rate, lambda step: 1.0)
    state, now = update.start(theta), turned.turn(circuit, theta)
    random, finder = np.random.default_rng(0), named(rule)
    drives = circuit.scaling.to_volts(loaded.x_train)
    losses = []
    for _ in range(epochs):
        order = random.permutation(len(drives))
        for at in range(0, len(order), recipe.batch_size):
            batch = order[at : at + recipe.batch_size]
            gradient = finder(bench, now, drives[batch], bind(recipe, circuit, loaded.y_train[batch]))
            now, state = turned.step(now, gradient, update, theta, state)
            if how != "finer":
                now = now.with_conductances(tapped(table, now.conductances, random if how == "dithered" else None))
                theta[:] = turned.read(now)
        losses.append(bind(recipe, circuit, loaded.y_train)(bench.operate(now, drives).outputs)[0])
    return losses


def tapped(table: TapTable, siemens: np.ndarray, random: np.random.Generator | None) -> np.ndarray:
    """Values of taps: the nearest, or one of the two neighbours by chance, right on average in logarithms."""
    nearest = table.encode(siemens)
    if random is None:
        return table.decode(nearest)
    other = np.clip(nearest + np.where(table.decode(nearest) > siemens, 1, -1), 0, table.count - 1)
    one, two = np.log(table.decode(nearest)), np.log(table.decode(other))
    share = np.divide(np.log(siemens) - one, two - one, out=np.zeros_like(one), where=two != one)
    return table.decode(np.where(random.random(len(siemens)) < share, other, nearest))


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("what", choices=["curves", "cycles", "dither", "nodes", "taps"])
    parser.add_argument("--data", default="iris")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--circuit", help="of nodes; else the one that training begins with")
    parser.add_argument("--out", help="JSON")
    given = parser.parse_args()
    warnings.simplefilter("ignore", InexactRuleWarning)
    made = {"curves": lambda: curves(given.data), "cycles": lambda: cycles(given.data, given.epochs)}
    made["dither"] = lambda: dither(given.data)
    made["nodes"] = lambda: nodes(given.data, given.circuit)
    made["taps"] = lambda: taps(given.data, given.epochs)
    found = made[given.what]()
    if given.out:
        with open(given.out, "w") as file:
            json.dump(found, file, indent=1)


if __name__ == "__main__":
    sys.exit(plainly(main))
