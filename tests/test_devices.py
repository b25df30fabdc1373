"""The parts: data, law against ngspice, activation as a resolvent, and the command line, for every diode known."""

import json
import math
import multiprocessing

import numpy as np
import pytest
from click.testing import CliRunner

from diodeq.cli.devices import devices
from diodeq.devices import DiodeModel, catalogue
from diodeq.devices.activation import activation, diode_relu
from diodeq.devices.diode.law import law
from diodeq.devices.one_ports import forward_voltage, one_ports
from diodeq.errors import InputError, UsageError

TEMPERATURES = (-40.0, 27.0, 85.0)
# Two diodes with every effect of the law; the catalogue alone has no reverse knee and no temperature coefficients.
SYNTHETIC = (
    DiodeModel(
        "knees",
        {"is": 1e-9, "n": 1.5, "rs": 2, "ikf": 1e-4, "ikr": 1e-5, "bv": 12, "ibv": 1e-3, "nbv": 1.3}
        | {"tcv": 1e-3, "trs1": 1e-3, "trs2": 1e-5},
    ),
    DiodeModel(
        "recombination",
        {"is": 1e-13, "n": 1.1, "rs": 5, "isr": 1e-9, "nr": 2, "vj": 0.7, "m": 0.4, "tm1": 1e-3, "tm2": 1e-6}
        | {"eg": 1.0, "xti": 2, "tnom": 30, "ikf": 1e-3},
    ),
)
MODELS = {model.name: model for model in (*map(catalogue.get, catalogue.names("diode")), *SYNTHETIC)}
# V_f at 1 µA, 100 µA and 1 mA, 27 °C, measured in ngspice when the parameters were collected.
FORWARD = {
    "1N4148": (0.271, 0.480, 0.585),
    "1N4148-nxp": (0.268, 0.495, 0.609),
    "1N4007": (0.232, 0.447, 0.555),
    "1N5817": (0.001, 0.051, 0.124),
    "BAT54": (0.062, 0.179, 0.240),
    "BAT85": (0.046, 0.162, 0.225),
    "BAS70": (0.159, 0.288, 0.378),
    "1N5711": (0.136, 0.257, 0.344),
    "BAS16": (0.285, 0.508, 0.620),
}


def voltages(diode):
    """Breakdown, reverse, around zero, forward; no zero, where a relative error means nothing."""
    edge = diode.breakdown if math.isfinite(diode.breakdown) else 10.0
    high = 1.2 if diode.resistance else 400.0 * diode.n_vt  # without a resistor the current is exponential without end
    around = np.concatenate([-np.geomspace(1e-3, 1.0, 16), np.geomspace(1e-3, 1.0, 16)]) * min(high, 1.0)
    return np.unique(np.concatenate([np.linspace(-edge - 2.0, -0.5, 24), around, np.linspace(high / 24, high, 24)]))


def deck(model, temperature):
    """A deck that sweeps a voltage source through `voltages` by index, straight across one diode."""
    diode = law(model, temperature)
    # Sweeps of ngspice 39 fail, by a NaN capacitance, where VJ has fallen below zero (BAT85 at 85 °C). At direct
    # current VJ acts through ISR only.
    card = [pair for pair in model.card() if diode.potential > 0.0 or pair[0] != "VJ"]
    points = ",".join(f"{k},{v:.17g}" for k, v in enumerate(voltages(diode)))
    return "\n".join(
        [
            f"{model.spice_name} at {temperature}",
            "vindex index 0 0",
            f"bdrive a 0 v=pwl(v(index),{points})",
            f"d1 a 0 {model.spice_name}",
            f".model {model.spice_name} d({' '.join(f'{key}={value:.17g}' for key, value in card)})",
            f".options reltol=1e-9 vntol=1e-12 abstol=1e-18 gmin=1e-12 temp={temperature} tnom=27",
            ".save v(a) @d1[id] @d1[vd] @d1[gd] i(bdrive)",
            ".end",
        ]
    )


def run_decks(jobs, pipe):
    """In a process of its own, since only one libngspice fits in one: run (deck, samples) jobs, send the vectors."""
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    from PySpice.Spice.NgSpice.Shared import NgSpiceShared

    NgSpiceShared.LIBRARY_PATH = "libngspice.so.0"
    ngspice = NgSpiceShared.new_instance(send_data=False)
    answers = []
    for text, samples in jobs:
        ngspice.load_circuit(text)
        ngspice.exec_command(f"dc vindex 0 {samples - 1} 1")
        plot = ngspice.plot(None, ngspice.last_plot)
        answers.append({name: np.array(vector._data) for name, vector in plot.items()})
        ngspice.exec_command("destroy all")
        ngspice.remove_circuit()
    pipe.send(answers)


@pytest.fixture(scope="module")
def measured():
    """ngspice's answers, by model name and temperature."""
    keys = [(name, temperature) for name in MODELS for temperature in TEMPERATURES]
    jobs = [(deck(MODELS[name], t), len(voltages(law(MODELS[name], t)))) for name, t in keys]
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=run_decks, args=(jobs, there))
    process.start()
    there.close()
    try:
        assert here.poll(60), "ngspice did not answer"
        answers = here.recv()
    finally:
        process.terminate()
        process.join()
    return dict(zip(keys, answers, strict=True))


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("name", MODELS)
class TestAgainstNgspice:
    def test_junction(self, name, temperature, measured):
        """At the junction voltage ngspice stopped at, the law is ngspice's to rounding."""
        diode, found = law(MODELS[name], temperature), measured[name, temperature]
        current, conductance = diode.junction(found["@d1[vd]"])
        assert len(current) == len(voltages(diode))
        np.testing.assert_allclose(current, found["@d1[id]"], rtol=1e-12)
        if not diode.recombination:  # where ngspice's own gd is the derivative
            np.testing.assert_allclose(conductance, found["@d1[gd]"], rtol=1e-12)

    def test_terminals(self, name, temperature, measured):
        """Across the series resistance too, as far as ngspice's own convergence goes."""
        diode, found = law(MODELS[name], temperature), measured[name, temperature]
        v = found["a"]
        # ngspice converges to 1e-9 in the junction's voltage, which a current through a resistor does not feel; a
        # current of nanoamperes is below the rounding of the source's branch, and is read at the junction instead.
        branch, junction = -found["bdrive#branch"], found["@d1[id]"]
        best = np.where(np.abs(branch * diode.resistance) > 1e-3, branch, junction)
        np.testing.assert_allclose(diode.current(v), best, rtol=1e-9)
        np.testing.assert_allclose(diode.junction_voltage(v), found["@d1[vd]"], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("name", MODELS)
def test_conductance_is_the_derivative(name, temperature):
    diode = law(MODELS[name], temperature)
    v = voltages(diode)
    # The law has corners, at -3 nVt and at -BV: keep a step away from them.
    junction, h = diode.junction_voltage(v), 1e-5 * diode.n_vt
    smooth = (np.abs(junction + 3.0 * diode.n_vt) > 1e-3 * diode.n_vt) & (np.abs(junction + diode.breakdown) > 1e-6)
    v = v[smooth & (np.abs(v) < 50.0)]  # and where h is not lost in the rounding of v
    slope = (diode.current(v + h) - diode.current(v - h)) / (2.0 * h)
    noise = 1e-15 * np.abs(diode.current(v)) / h + 1e-15 * np.abs(v) * diode.conductance(v) / h
    np.testing.assert_array_less(np.abs(diode.conductance(v) - slope), 1e-5 * slope + 4.0 * noise)


@pytest.mark.parametrize("name", MODELS)
def test_load_line_is_exact_from_millivolts_to_a_kilovolt(name):
    """Source = v + R i to rounding, for any resistance, without overflow."""
    diode = law(MODELS[name])
    generator = np.random.default_rng(0)
    source = np.concatenate([generator.uniform(-1e3, 1e3, 400), generator.normal(size=400), [-1e3, 0.0, 1e3]])
    resistance = 10.0 ** generator.uniform(-1.0, 9.0, source.size)
    v, i, g = diode.load_line(source, resistance)
    assert np.all(np.isfinite([v, i, g]))
    assert np.all(g > 0.0)
    scale = np.abs(source) + np.abs(v) + np.abs(resistance * i)
    near_jump = np.abs(v - diode.resistance * i + diode.breakdown) < 1e-9 * diode.breakdown
    np.testing.assert_array_less(np.abs(v + resistance * i - source)[~near_jump], (1e-14 * scale + 1e-300)[~near_jump])
    # i must be the diode's own current at v: near 0 the resistor hides what v does, so compare where it does not
    firm = (diode.conductance(v) * np.abs(v) < 1e4 * np.abs(i)) & ~near_jump & (np.abs(v) < 50.0) & (v != 0.0)
    np.testing.assert_allclose(diode.current(v)[firm], i[firm], rtol=1e-9)


@pytest.mark.parametrize("alpha", [1e2, 1e4, 1e7])
@pytest.mark.parametrize("name", MODELS)
def test_activation_is_the_resolvent(name, alpha):
    """x = v + α F(v) with F(v) = -i(-v), and the derivative is that of v."""
    diode = law(MODELS[name])
    x = np.linspace(-40.0, 40.0, 402)
    v, slope = activation(diode, x, alpha)
    back = v - alpha * diode.current(-v)
    # An error of one rounding in v is an error of α G roundings in x.
    rounding = 1e-15 * np.abs(v) * (1.0 + alpha * diode.conductance(-v)) + 1e-14 * np.abs(x)
    np.testing.assert_array_less(np.abs(back - x), 8.0 * rounding)
    assert np.all((slope >= 0.0) & (slope <= 1.0))
    h = 1e-5
    difference = (activation(diode, x + h, alpha)[0] - activation(diode, x - h, alpha)[0]) / (2.0 * h)
    junction = diode.junction_voltage(-v)
    smooth = (np.abs(junction + 3 * diode.n_vt) > 1e-2 * diode.n_vt) & (np.abs(junction + diode.breakdown) > 1e-3)
    smooth &= np.abs(junction) > 100.0 * h * np.minimum(slope, 1.0)  # the ideal diode's corner is sharper than h
    np.testing.assert_allclose(slope[smooth], difference[smooth], rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("rs", [0.0, 0.5, 100.0])
@pytest.mark.parametrize("alpha", [1.0, 1e4, 1e7])
def test_closed_form_is_the_exact_activation_of_a_plain_diode(rs, alpha):
    diode = law(DiodeModel("plain", {"is": 2e-9, "n": 1.7, "rs": rs}), gmin=0.0)
    # Above a volt the exact law follows ngspice's cubic instead of the exponential, a relative 2e-2 of Is at most.
    x = np.linspace(-40.0, 3.0 * diode.n_vt, 301)
    closed = diode_relu(x, alpha, diode.saturation, diode.n_vt, diode.resistance)
    np.testing.assert_allclose(closed, activation(diode, x, alpha)[0], rtol=1e-12, atol=1e-13)
    x = np.linspace(3.0 * diode.n_vt, 40.0, 301)
    closed = diode_relu(x, alpha, diode.saturation, diode.n_vt, diode.resistance)
    assert np.max(np.abs(closed - activation(diode, x, alpha)[0])) <= 0.06 * alpha * diode.saturation


def test_diode_relu_without_any_resistance_is_the_identity():
    np.testing.assert_array_equal(diode_relu([-1.0, 2.0], 0.0, 1e-9, 0.05), [-1.0, 2.0])


@pytest.mark.parametrize("name", FORWARD)
def test_forward_voltages(name):
    diode = law(catalogue.get(name))
    found = [forward_voltage(diode, current) for current in (1e-6, 1e-4, 1e-3)]
    np.testing.assert_allclose(found, FORWARD[name], atol=5.1e-4)
    np.testing.assert_allclose(diode.current(found), [1e-6, 1e-4, 1e-3], rtol=1e-11)


def test_the_ideal_part_is_nearly_ideal_at_every_temperature():
    for temperature in TEMPERATURES:
        v, _ = activation(law(catalogue.get("ideal"), temperature), [-40.0, -2.0, 2.0, 40.0], 1e2)
        np.testing.assert_allclose(v, [0.0, 0.0, 2.0, 40.0], atol=1e-3)


def test_shapes_follow_the_arguments():
    diode = law(catalogue.get("1N4148"))
    assert diode.current(0.5).shape == ()
    assert diode.current(np.zeros((2, 0))).shape == (2, 0)
    v, slope = activation(diode, np.zeros((3, 1)), np.ones(4))
    assert v.shape == slope.shape == (3, 4)


@pytest.mark.parametrize("name", catalogue.names("diode"))
def test_models_survive_json(name):
    model = catalogue.get(name.upper())
    assert DiodeModel.from_json(json.loads(json.dumps(model.to_json()))) == model
    assert hash(DiodeModel.from_json(model.to_json())) == hash(model)
    assert model.source
    assert model.description


def test_netlist_names_and_second_names():
    assert catalogue.get("1n4148").spice_name == "d1n4148"
    assert catalogue.get("1N4148-NXP").spice_name == "d1n4148_nxp"
    assert DiodeModel("a", {"JS": 1e-9, "CJ0": 1e-12}) == DiodeModel("a", (("cjo", 1e-12), ("is", 1e-9)))
    assert DiodeModel("a", {"n": 2.0}).get("nbv") == 2.0
    assert DiodeModel("a", {"is": 1e-9, "bv": 5, "n": 2}).card()[:2] == [("IS", 1e-9), ("N", 2.0)]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"is": 0.0}, "IS = 0 is out of range"),
        ({"is": math.nan}, "not a finite number"),
        ({"n": -1.0}, "N = -1 is out of range"),
        ({"rs": -0.1}, "RS = -0.1 is out of range"),
        ({"bv": "5"}, "not a finite number"),
        ({"vfwd": 0.6}, "a different diode"),
        ({"mfg": 1}, "a rating"),
        ({"isrr": 1e-9}, "did you mean ISR"),
        ({"is": 1e-9, "js": 1e-9}, "given twice"),
    ],
)
def test_bad_parameters_are_refused(parameters, message):
    with pytest.raises(InputError, match=message) as refused:
        DiodeModel("x", parameters)
    assert refused.value.remedy


def test_bad_conditions_are_refused():
    with pytest.raises(InputError, match="not a temperature"):
        law(catalogue.get("ideal"), -300.0)
    with pytest.raises(InputError, match="saturation current"):
        law(DiodeModel("steep", {"n": 0.001}), 85.0)
    with pytest.raises(InputError, match="not finite"):
        law(catalogue.get("ideal")).current([0.0, math.nan])
    with pytest.raises(InputError, match="at least 0 ohm"):
        activation(law(catalogue.get("ideal")), 1.0, -1.0)


def test_an_unknown_part_names_its_neighbours():
    with pytest.raises(UsageError, match=r"1N4148.*`diodeq devices list`"):
        catalogue.get("1N4184")


class TestUserCatalogue:
    def test_adds_and_overrides(self, tmp_path, monkeypatch):
        path = tmp_path / "mine.toml"
        path.write_text("[bat54]\nparameters = { is = 1e-6 }\n[mine]\nparameters = { is = 1e-9, n = 2 }\n")
        monkeypatch.setenv("DIODEQ_DEVICES", str(path))
        assert catalogue.get("mine").get("n") == 2.0
        assert catalogue.get("BAT54").get("is") == 1e-6
        assert catalogue.names()[-1] == "mine"

    def test_is_found_in_the_configuration_folder(self, tmp_path, monkeypatch):
        monkeypatch.delenv("DIODEQ_DEVICES", raising=False)
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        assert "mine" not in catalogue.names()
        (tmp_path / "diodeq").mkdir()
        (tmp_path / "diodeq" / "devices.toml").write_text("[mine]\nparameters = {}\n")
        assert "mine" in catalogue.names()

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("[mine", "not valid TOML"),
            ("mine = 3", "mine is not a table"),
            ("[mine]\nis = 1e-9", "mine.toml: diode 'mine' has no table of parameters; add one, as in parameters = {"),
            (
                "[mine]\nparameters = { is = 1e-9 }\nfoo = 1",
                "'mine' has the unknown entry 'foo'; only parameters, source",
            ),
            ("[mine]\nparameters = { vfwd = 1 }", "different diode"),
            (None, "cannot be read"),
        ],
    )
    def test_errors_name_the_file(self, text, message, tmp_path, monkeypatch):
        path = tmp_path / "mine.toml"
        if text is not None:
            path.write_text(text)
        monkeypatch.setenv("DIODEQ_DEVICES", str(path))
        with pytest.raises(InputError, match=message) as refused:
            catalogue.names()
        assert "mine.toml" in refused.value.problem


class TestCommands:
    def run(self, *arguments):
        result = CliRunner().invoke(devices, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    def test_list(self):
        assert [part["name"] for part in json.loads(self.run("list", "--json"))] == catalogue.names()
        text = self.run("list")
        assert all(name in text for name in catalogue.names())

    def test_the_list_has_the_voltage_at_which_a_diode_breaks_down(self):
        volts = {part["name"]: part["breakdown_volts"] for part in json.loads(self.run("list", "--json"))}
        assert volts["1N4148"] is None or volts["1N4148"] > 50
        zener, ports = volts["BZX84C3V3"], one_ports([catalogue.get("BZX84C3V3")], [0], 27.0)
        assert zener == pytest.approx(3.3, rel=0.1)
        assert float(ports.current([-zener])[0]) == pytest.approx(-1e-3, rel=1e-6)
        text = self.run("list")
        assert "V_z at" in text
        (row,) = (line for line in text.splitlines() if "BZX84C3V3" in line)
        assert f"{zener:.4g}" in row

    def test_show(self):
        part = json.loads(self.run("show", "1n4148", "--json"))
        assert part["card"].startswith(".model d1n4148 D(IS=2.52e-09 N=1.752 RS=0.568 ")
        hot = self.run("show", "1n4148", "--temperature", "85")
        assert "onsemi" in hot
        assert "at 85 °C" in hot

    @pytest.mark.parametrize("name", ["1N4148", "BZX84C3V3"])
    def test_plot_measures_in_ngspice(self, name, tmp_path):
        path = tmp_path / "plot.svg"
        document = json.loads(self.run("plot", name, "-o", str(path), "--json"))
        assert document["simulator"].startswith("ngspice")
        assert document["points"] > 50
        assert document["largest_activation_deviation_volts"] < 1e-8
        assert document["largest_relative_current_deviation"] < 1e-3
        assert path.read_text().startswith("<svg")

    def test_plot_refuses_unknown_formats(self, tmp_path):
        with pytest.raises(UsageError, match=r"\.gif"):
            CliRunner().invoke(devices, ["plot", "ideal", "-o", str(tmp_path / "a.gif")], catch_exceptions=False)

    @pytest.mark.parametrize("command", [(), ("list",), ("show",), ("plot",)])
    def test_help_has_an_example(self, command):
        assert f"diodeq devices {' '.join(command)}".strip() in self.run(*command, "--help")


@pytest.mark.parametrize("temperature", [1e308])
@pytest.mark.parametrize("name", MODELS)
def test_a_temperature_without_a_law_is_one_sentence(name, temperature):
    """No warning of numpy's on the way."""
    with pytest.raises(InputError, match="choose a temperature nearer to TNOM"):
        law(MODELS[name], temperature)
