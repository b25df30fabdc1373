"""Noise: against Nyquist, kT/C, shot noise, and against the adjoint, part by part."""

import json
from dataclasses import replace

import numpy as np
import pytest

from circuits import CIRCUITS, DRIVES, plain
from diodeq.analysis.noise import NoiseFigures, output_noise
from diodeq.circuit import Circuit, Inputs, bank
from diodeq.circuit.capacitance import capacitances
from diodeq.cli.main import main
from diodeq.devices import DiodeModel
from diodeq.devices.diode.law import law
from diodeq.errors import InputError
from diodeq.simulators.base import Spectrum

BOLTZMANN, CHARGE = 1.380649e-23, 1.602176634e-19
KT = BOLTZMANN * 300.15


def divider(top=3e4, bottom=1e4):
    return Circuit(
        ("0", "a", "b"),
        resistors=bank("resistors", [(1, 2, 1 / top), (2, 0, 1 / bottom)]),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
        inputs=Inputs([0], [0], [1.0], ("x",)),
        outputs=[(2, 0), (1, 2), (1, 0)],
    )


def test_a_divider_has_the_noise_of_its_resistors_in_parallel(ngspice):
    circuit = divider()
    found = output_noise(ngspice, circuit, capacitances(circuit, 0.0, 1e-12), np.array([[5.0]]))
    assert found.spectrum.densities[:2, 0] == pytest.approx(4 * KT * 7500.0, rel=1e-4)
    assert not found.rms[0, 2]
    assert found.low == 0.0


@pytest.mark.parametrize("farads", [1e-15, 1e-12, 1e-9])
def test_all_that_a_capacitance_lets_through_is_kt_over_c(ngspice, farads):
    circuit = divider()
    found = output_noise(ngspice, circuit, capacitances(circuit, 0.0, farads), np.array([[5.0]]))
    assert found.rms[0, 0] == pytest.approx(np.sqrt(KT / farads), rel=0.01)
    bits = np.log2(np.ptp(found.outputs) / np.sqrt(12 * KT / farads))
    assert found.bits == pytest.approx(bits, abs=0.02)


def test_bandwidth_cuts_noise_off(ngspice):
    circuit = divider()
    found = output_noise(ngspice, circuit, capacitances(circuit, 0.0, 0.0), np.array([[5.0]]), 1e6)
    assert found.rms[0, 0] == pytest.approx(np.sqrt(4 * KT * 7500.0 * 1e6), rel=1e-3)
    # A bandwidth far above the pole lets everything through, slow poles too.
    found = output_noise(ngspice, circuit, capacitances(circuit, 0.0, 1e-9), np.array([[5.0]]), 1e12)
    assert found.rms[0, 0] == pytest.approx(np.sqrt(KT / 1e-9), rel=0.01)
    # Up to a pole only half as many radians as there are hertz times π: arctan(1) = π/4 of π/2.
    pole = 1 / (2 * np.pi * 7500.0 * 1e-12)
    found = output_noise(ngspice, circuit, capacitances(circuit, 0.0, 1e-12), np.array([[5.0]]), pole)
    assert found.rms[0, 0] == pytest.approx(np.sqrt(0.5 * KT / 1e-12), rel=0.01)


@pytest.mark.parametrize("flicker", [0.0, 1e-12])
def test_a_forward_diode_has_shot_noise_and_flickers_if_its_model_does(ngspice, flicker):
    model = DiodeModel("d", {"is": 1e-12, "kf": flicker})
    circuit = Circuit(
        ("0", "a", "b"),
        resistors=bank("resistors", [(1, 2, 1e-6)]),
        diodes=bank("diodes", [(2, 0, 0)]),
        models=(model,),
        voltage_sources=bank("voltage_sources", [(1, 0, 0.0)]),
        inputs=Inputs([0], [0], [1.0], ("x",)),
        outputs=[(2, 0)],
    )
    found = output_noise(ngspice, circuit, capacitances(circuit, 0.0, 1e-12), np.array([[50.0]]))
    volts = found.outputs[0, 0]
    amperes, siemens = (float(part) for part in law(model, 27.0).junction(volts))
    f, density = found.spectrum.frequencies, found.spectrum.densities[0]
    # Up to 1 kHz no capacitance shows.
    low = f < 1e3
    white = 4 * KT * 1e-6 + 2 * CHARGE * amperes
    expected = (white + flicker * amperes / f[low]) / (siemens + 1e-6) ** 2
    assert density[low] == pytest.approx(expected, rel=1e-3)
    assert found.low == (f[0] if flicker else 0.0)


@pytest.mark.parametrize("name", CIRCUITS)
def test_noise_is_what_the_adjoint_collects_from_every_part(ngspice, name):
    """A part's noise current reaches an output through the adjoint voltage across it; folding loses none of it."""
    circuit = CIRCUITS[name]()
    drives = DRIVES[:2]
    found = output_noise(ngspice, circuit, capacitances(circuit, 1e-13, 1e-12), drives)
    row = found.noisiest
    point = ngspice.operate(circuit, drives[row : row + 1])
    device = law(circuit.models[0], circuit.temperature)
    (a, b), (anode, cathode) = circuit.resistors.terminals.T, circuit.diodes.terminals.T
    across = point.node_voltages[0, anode] - point.node_voltages[0, cathode]
    amperes, total = device.current(across), device.conductance(across)
    # Shot noise flows in the junction; seen from the terminals, the series resistance divides it and adds its own.
    inner = total / (1 - device.resistance * total)
    share = 1 / (1 + device.resistance * inner)
    sources = 2 * CHARGE * np.abs(amperes) * share**2 + 4 * KT * device.resistance * total**2
    for k in range(len(circuit.outputs)):
        unit = np.zeros((1, len(circuit.outputs)))
        unit[0, k] = 1.0
        adjoint = ngspice.small_signal(point, unit).node_voltages[0]
        resistors = 4 * KT * circuit.conductances @ (adjoint[a] - adjoint[b]) ** 2
        diodes = sources @ (adjoint[anode] - adjoint[cathode]) ** 2
        assert found.spectrum.densities[k, 0] == pytest.approx(resistors + diodes, rel=1e-3)


def test_accuracy_falls_with_noise_as_two_normal_outputs_do():
    spectrum = Spectrum(np.zeros(1), np.ones(1), np.ones((2, 1)))
    outputs, rms = np.array([[1.0, 0.0]] * 40), np.full((40, 2), 1.0)
    found = NoiseFigures(plain(), outputs, rms, 1.0, 0.0, 1.0, 0, spectrum)
    # P(difference of two unit normals < 1) = Φ(1/√2).
    assert found.accuracy(np.zeros(40, int)) == pytest.approx(0.7602, abs=0.01)
    assert found.accuracy(np.zeros(40, int), 1e-3) == 1.0
    assert found.accuracy(np.zeros(40, int), seed=3) == found.accuracy(np.zeros(40, int), seed=3)


def test_what_has_no_band_is_refused(ngspice):
    circuit = divider()
    with pytest.raises(InputError, match="nothing takes time"):
        output_noise(ngspice, circuit, capacitances(circuit, 0.0, 0.0), np.array([[5.0]]))
    with pytest.raises(InputError, match="bandwidth"):
        output_noise(ngspice, circuit, capacitances(circuit, 0.0, 0.0), np.array([[5.0]]), -1.0)
    with pytest.raises(InputError, match="no outputs"):
        output_noise(ngspice, replace(circuit, outputs=[], output_names=()), np.zeros(3), np.array([[5.0]]))


def test_the_command_prints_a_document(tmp_path, capsys):
    plain().save(tmp_path / "circuit.npz")
    np.savetxt(tmp_path / "X.csv", np.column_stack([DRIVES, [0, 1, 0, 1]]), delimiter=",")
    arguments = [
        "noise",
        str(tmp_path / "circuit.npz"),
        "--inputs",
        str(tmp_path / "X.csv"),
        "--labelled",
        "--workers",
        "1",
    ]
    picture = tmp_path / "noise.svg"
    assert main([*arguments, "--json", "--plot", str(picture)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert 0 < found["rms_volts"]["median"] <= found["rms_volts"]["worst"]
    assert found["effective_bits"] > 1
    assert set(found["accuracy"]) == {"1", "10", "100", "1000"}
    assert found["accuracy"]["1"] == pytest.approx(found["accuracy_without"], abs=0.01)
    assert picture.read_text().count("<svg") == 1
    assert main([*arguments, "--bandwidth", "10meg", "--samples", "2"]) == 0
    assert "over 2 rows" in capsys.readouterr().out
    for options, code in ((["--bandwidth", "0"], 3), (["--bandwidth", "quick"], 2), (["--plot", "a.doc"], 2)):
        assert main([*arguments, *options]) == code
        assert "Traceback" not in capsys.readouterr().err
