"""One reader of comma-separated text: the same dialects, names and labels for inputs, data sets and curves."""

import numpy as np
import pytest

from diodeq.cli.drives import rows_of
from diodeq.devices.curve.file import read_curve
from diodeq.devices.hardware.technology import Technology
from diodeq.errors import InputError
from diodeq.learning.dataset_tables import read_arff, read_csv
from diodeq.learning.datasets import assemble, load
from diodeq.learning.experiment import Experiment, build
from diodeq.learning.objective import fits
from diodeq.learning.recipe import Recipe
from diodeq.tables import plain, read_matrix

ROWS = [(0.5, 1.5), (2.0, -3.0), (4.0, 1e-3)]
DIALECTS = {
    "commas": (",", ""),
    "semicolons": (";", ""),
    "tabs": ("\t", ""),
    "said": (";", "sep=;\n"),
    "said in quotes": (";", '"sep=;"\r\n'),
    "comments": (",", "# made by a program, version 2\n\n#\n"),
    "a mark": (",", "\ufeff"),
    "all": ("\t", "\ufeff# one\nsep=\t\n# two\n"),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_reader_reads_every_dialect(dialect, tmp_path):
    separator, before = DIALECTS[dialect]
    path = tmp_path / "x.csv"

    def write(names, rows):
        path.write_text(before + "\n".join(separator.join(map(str, row)) for row in [names, *rows]) + "\n")

    write(('"v1"', "v2"), ROWS)
    assert read_matrix(path, ("v2", "v1")).tolist() == [list(row[::-1]) for row in ROWS]
    write(("v1", "v2", "species"), [(*row, f'"{name}"') for row, name in zip(ROWS, "abb", strict=True)])
    assert read_matrix(path, ("v1", "v2"), True, ("a", "b"))[:, 2].tolist() == [0, 1, 1]
    raw = read_csv(path)
    assert raw.x.tolist() == [list(row) for row in ROWS]
    assert raw.features == ("v1", "v2")
    write(("volts", "amperes"), [(0, 0), (1, 1e-3), (2, 5e-3)])
    assert read_curve(path, "c").model.amperes == (0.0, 1e-3, 5e-3)


def test_numpys_own_header_is_one(tmp_path):
    np.savetxt(tmp_path / "x.csv", ROWS, delimiter=",", header="v2,v1")
    assert read_matrix(tmp_path / "x.csv", ("v1", "v2")).tolist() == [list(row[::-1]) for row in ROWS]
    assert read_csv(tmp_path / "x.csv", "v2").features == ("v1",)


def test_names_are_matched_as_netlists_spell_them(tmp_path):
    (tmp_path / "x.csv").write_text("Petal width (cm),PETAL length\n1,2\n")
    assert read_matrix(tmp_path / "x.csv", ("petal_length", "petal_width_cm")).tolist() == [[2, 1]]
    assert [plain(name) for name in ("x0", "Größe", "2nd", "%", " a-b ")] == ["x0", "gro_sse", "x_2nd", "x", "a_b"]


@pytest.mark.parametrize(
    ("cell", "classes", "wanted"),
    [
        ("2", (), 2),
        ("cat", ("cat", "dog"), 0),
        ("1", ("cat", "dog"), 1),
        ("3", ("1", "3"), 1),
        ("3.0", ("1", "3"), 1),
        ("0", ("1", "3"), "label '0'; give one of the classes 1, 3"),
        ("cow", ("cat", "dog"), "label 'cow'; give one of the classes cat, dog"),
        ("cat", (), "label 'cat'; give class numbers"),
    ],
)
def test_labels_are_names_of_classes_or_their_numbers(cell, classes, wanted, tmp_path):
    (tmp_path / "x.csv").write_text(f"1,{cell}\n")
    if isinstance(wanted, str):
        with pytest.raises(InputError, match="line 1 has the " + wanted):
            read_matrix(tmp_path / "x.csv", ("v1",), True, classes)
    else:
        assert read_matrix(tmp_path / "x.csv", ("v1",), True, classes).tolist() == [[1, wanted]]


def test_a_run_keeps_the_names_of_its_features(tmp_path):
    rows = [f"{k % 7},{k % 5},{'left' if k % 7 < 3 else 'right'}" for k in range(60)]
    (tmp_path / "sides.csv").write_text("\n".join(["Speed [m/s],mass,side", *rows]))
    (tmp_path / "turned.csv").write_text("\n".join(["mass,Speed [m/s],side", *rows]))
    data = load(f"csv:{tmp_path}/sides.csv")
    circuit = build(Experiment("csv:sides.csv", Recipe(hidden=(3,))), data, Technology())
    assert circuit.inputs.names == ("speed_m_s", "mass")
    circuit.save(tmp_path / "c.npz")
    (tmp_path / "x.csv").write_text("mass;speed [m/s]\n1;0\n2;6\n")
    assert rows_of(circuit, tmp_path / "x.csv")[0].tolist() == [[0, 1], [6, 2]]
    (tmp_path / "x.csv").write_text("mass,height\n1,0\n")
    with pytest.raises(InputError, match="column 2 'height', which is no input of the circuit; name the columns spe"):
        rows_of(circuit, tmp_path / "x.csv")
    fits(circuit, data)
    with pytest.raises(InputError, match="has its column mass where the circuit has its input speed_m_s"):
        fits(circuit, load(f"csv:{tmp_path}/turned.csv"))


def test_labels_that_doubles_do_not_tell_apart_are_refused(tmp_path):
    (tmp_path / "x.csv").write_text("".join(f"{k},{9007199254740992 + k % 2}\n" for k in range(8)))
    with pytest.raises(InputError, match="labels of more than 15 digits"):
        load(f"csv:{tmp_path}/x.csv")
    (tmp_path / "x.csv").write_text("".join(f"{k},{9007199254740992 + 2 * (k % 2)}\n" for k in range(8)))
    assert load(f"csv:{tmp_path}/x.csv").classes == ("9007199254740992", "9007199254740994")


def test_features_whose_names_would_be_one_have_none(tmp_path):
    (tmp_path / "x.csv").write_text("a b,a-b,c\n" + "".join(f"{k},{k},{k % 2}\n" for k in range(8)))
    assert assemble("x", read_csv(tmp_path / "x.csv"), 0).features == ()


def test_nominal_values_of_an_arff_are_text_of_any_language(tmp_path):
    (tmp_path / "x.arff").write_text(
        "@relation r\n@attribute größe numeric\n@attribute art {süß,b,'sehr süß'}\n@data\n3,'sehr süß'\n1,süß\n2,b\n",
        "utf-8",
    )
    raw = read_arff(tmp_path / "x.arff")
    assert raw.y.tolist() == ["sehr süß", "süß", "b"]
    assert raw.features == ("größe",)
