"""What holds of a part of every family of one-ports: a new family adds its sample, and no test."""

from dataclasses import replace

import numpy as np
import pytest

from circuits import DRIVES, plain
from decks import run_ngspice, run_ngspice_as_ltspice, run_python, run_xyce_in_ngspice
from diodeq.analysis.extract import kernel_of
from diodeq.circuit import Circuit
from diodeq.devices import catalogue
from diodeq.devices.hardware.technology import Technology
from diodeq.devices.hardware.variation import Variation
from diodeq.devices.one_ports import FAMILIES, forward_voltage, one
from diodeq.learning.losses import half_mean_square
from diodeq.learning.rules import RULES
from diodeq.netlist.dialects import full_deck
from diodeq.network import solve
from diodeq.simulators.wave import WaveSimulator
from diodeq.synthesis.variation import vary
from one_port_samples import SAMPLES
from test_curves import in_ngspices_words


@pytest.fixture(scope="module")
def waved():
    with WaveSimulator() as engine:
        yield engine


@pytest.fixture(params=FAMILIES)
def circuit(request):
    """A layered circuit with half of its one-ports of the family, at 50 degrees."""
    models = (SAMPLES[request.param], catalogue.get("1N4148"))
    drawn = plain()
    which = np.arange(len(drawn.diodes), dtype=np.int32) % 2
    return replace(drawn, models=models, diodes=drawn.diodes.with_values(which), temperature=50.0)


def test_every_family_has_a_sample():
    assert SAMPLES.keys() == FAMILIES.keys()


def test_engines_agree_and_gradients_are_exact(circuit, ngspice, waved):
    # Finite differences of one resistor in four, of every group: each settles the circuit four times.
    circuit = replace(circuit, trainable=np.arange(len(circuit.resistors)) % 4 == 0)
    found = [engine.operate(circuit, DRIVES) for engine in (ngspice, waved)]
    assert found[0].node_voltages == pytest.approx(found[1].node_voltages, rel=0, abs=1e-8)
    wanted = RULES["finite-difference"](waved, circuit, DRIVES, half_mean_square).conductances
    for engine in (ngspice, waved):
        exact = RULES["hardware-linearization"](engine, circuit, DRIVES, half_mean_square).conductances
        assert np.abs(exact - wanted).max() <= 1e-6 * np.abs(wanted).max(), engine.name


def test_every_dialect_prints_the_same_circuit(circuit, waved, tmp_path):
    wanted = waved.operate(circuit, DRIVES[:1]).node_voltages[0, 1:]
    runs = {
        "ngspice": run_ngspice,
        "ltspice": run_ngspice_as_ltspice,
        "xyce": lambda text, folder: run_xyce_in_ngspice(in_ngspices_words(text), folder),
        "pyspice": run_python,
    }
    for dialect, run in runs.items():
        found = run(full_deck(circuit, dialect, DRIVES[0]).text, tmp_path)
        assert [found[node] for node in circuit.nodes[1:]] == pytest.approx(wanted, rel=0, abs=1e-8), dialect


def test_catalogues_files_boards_and_networks_hold_it(circuit, waved, tmp_path, monkeypatch):
    model = circuit.models[0]
    monkeypatch.setenv("DIODEQ_DEVICES", str(tmp_path / "own.toml"))
    (tmp_path / "own.toml").write_text("")
    catalogue.add([model])
    assert catalogue.get(model.name) == model
    circuit.save(tmp_path / "circuit.npz")
    assert Circuit.load(tmp_path / "circuit.npz").models == circuit.models
    board = vary(circuit, Technology(variation=Variation(saturation=0.2, emission=0.01)), np.random.default_rng(0))
    moved = waved.operate(board, DRIVES).outputs - waved.operate(circuit, DRIVES).outputs
    assert 0.0 < np.abs(moved).max() < 1.0
    outputs = solve(kernel_of(circuit).network(), DRIVES).outputs
    assert outputs == pytest.approx(waved.operate(circuit, DRIVES).outputs, rel=0, abs=1e-8)
    volts = forward_voltage(one(model), 1e-4)
    assert one(model).current(np.array([volts])) == pytest.approx(1e-4, rel=1e-9)
