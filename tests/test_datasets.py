"""Data sets: what is split and scaled how, and that every unusable input ends in one sentence naming the place."""

from __future__ import annotations

import gzip
import struct
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

from diodeq import tables
from diodeq.errors import InputError, UsageError
from diodeq.learning import dataset_tables
from diodeq.learning.datasets import BUILT_IN, load, targeted
from diodeq.learning.encoding import units


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_sets_are_split_by_class(name):
    data = load(name, 3)
    if not data.classes:
        assert (name in ("diabetes", "friedman"), data.targets, data.y_train.shape[1]) == (True, ("y",), 1)
        assert len(data.x_test) == int(np.ceil(0.25 * (len(data.x_train) + len(data.x_test))))
        return
    classes = len(data.classes)
    everything = len(data.x_train) + len(data.x_test)
    assert len(data.x_test) == int(np.ceil(0.25 * everything))
    share = np.bincount(data.y_train, minlength=classes) / len(data.y_train)
    assert np.bincount(data.y_test, minlength=classes) / len(data.y_test) == pytest.approx(share, abs=0.03)
    assert np.isfinite(data.x_train).all()
    assert not np.array_equal(load(name, 4).x_test, data.x_test)


def test_iris_is_scikit_learns_own_split():
    bunch = load_iris()
    _, x_test, _, y_test = train_test_split(
        bunch.data, bunch.target, test_size=0.25, stratify=bunch.target, random_state=7
    )
    data = load("iris", 7)
    assert np.array_equal(data.x_test, x_test)
    assert [data.classes[k] for k in data.y_test] == [bunch.target_names[k] for k in y_test]


def test_units_come_from_the_training_samples_alone():
    x = np.array([[1.0, 5.0, 0.0], [3.0, 5.0, 0.0], [5.0, 5.0, 3e-3]])
    scaling = units(x, "unbounded", 4.0, beta=2.0)
    volts = scaling.to_volts(x)
    assert volts.mean(axis=0) == pytest.approx([0, 0, 0], abs=1e-12)
    assert volts.std(axis=0) == pytest.approx([4.0, 0.0, 4.0])
    assert scaling.to_volts([[1.0, 9.0, 0.0]])[0, 1] == 0.0, "a feature that never varied is not driven"
    assert scaling.output_scale == 2.0
    limited = units(x, "unbounded", 4.0, floor=1.0).to_volts(x)
    assert limited[:, 2].std() < 0.01


def test_units_refuse_values_beyond_computing():
    with pytest.raises(InputError, match="feature 2"):
        units(np.array([[1.0, 1e308], [2.0, -1e308], [3.0, 1e308]]), "unbounded", 1.0)


@pytest.mark.parametrize(
    ("spec", "hint"), [("irsi", "did you mean iris"), ("mnist", "idx:FOLDER"), ("csv:", "csv:PATH"), ("", "iris")]
)
def test_unknown_sets(spec, hint):
    with pytest.raises(UsageError, match=hint):
        load(spec)


# --- csv ----------------------------------------------------------------------------------------------------------

ROWS = [f"{k},{k % 3 + 0.5},{'cat' if k % 2 else 'dog'}" for k in range(12)]


def csv_of(folder, *lines, raw: bytes | None = None) -> str:
    path = folder / "data.csv"
    path.write_bytes("\n".join(lines).encode() if raw is None else raw)
    return f"csv:{path}"


@pytest.mark.parametrize("header", [[], ["width,height,animal"], ["", "width, height, animal", ""]])
def test_csv_with_and_without_header(tmp_path, header):
    data = load(csv_of(tmp_path, *header, *ROWS))
    assert data.classes == ("cat", "dog")
    assert sorted(np.concatenate([data.x_train, data.x_test])[:, 0]) == list(range(12))
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        assert np.array_equal(x[:, 0] % 2 == 1, y == 0)


def test_csv_numeric_labels_sort_as_numbers(tmp_path):
    rows = [f"{k},{label}" for k, label in enumerate(["10", "9", "9.0", "2"] * 5)]
    assert load(csv_of(tmp_path, *rows)).classes == ("2", "9", "10")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "is empty"),
        (["a,b,label"], "no samples"),
        (["1", "2", "3"], "single column"),
        ([*ROWS, "1,2"], "line 13 has 2 columns"),
        ([*ROWS, "1,2,3,cat"], "line 13 has 4 columns"),
        (["w,h,a", *ROWS, "1,nan,cat"], "line 14, column 2 is 'nan'"),
        ([*ROWS, "inf,1,cat"], "line 13, column 1 is 'inf'"),
        ([*ROWS, "1,many,cat"], "line 13, column 2 is 'many'"),
        ([*ROWS, "1,,cat"], "line 13, column 2 is empty"),
        ([*ROWS, "1,2, "], "line 13 has no label"),
        ([f"{k},1" for k in range(12)], "every sample is of class '1'"),
        ([*ROWS, "1,2,bird"], "class 'bird' has a single sample"),
        ([f"{k},{k // 2}" for k in range(12)], "12 samples are too few"),
        ([*(f"{k},{k % 2}" for k in range(12)), "1,nan"], "label of row 13 is nan"),
    ],
)
def test_bad_csv(tmp_path, lines, words):
    with pytest.raises(InputError) as caught:
        load(csv_of(tmp_path, *lines))
    assert words in caught.value.problem
    assert caught.value.remedy
    assert "data.csv" in caught.value.problem


def test_a_large_csv_is_never_held_as_text(tmp_path, monkeypatch):
    """Rows as lists of strings took fifty times the file's size."""
    monkeypatch.setattr(tables, "TOLD", 64)
    spec = csv_of(tmp_path, *["1,2,3,a", "1,2,3,b"] * 25000)
    path = Path(spec.removeprefix("csv:"))
    tracemalloc.start()
    try:
        found = dataset_tables.read_csv(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * path.stat().st_size
    assert found.x.shape == (50000, 3)
    assert found.y[:3].tolist() == [0, 1, 0]


@pytest.mark.parametrize("raw", [b"\xff\xfe1\x002", b"1,2,a\x00\n1,2,b\n", gzip.compress(b"1,2,a", mtime=0)])
def test_csv_that_is_no_text(tmp_path, raw):
    with pytest.raises(InputError, match=r"data\.csv"):
        load(csv_of(tmp_path, raw=raw))


@pytest.mark.parametrize("kind", ["csv", "npz", "idx"])
def test_missing_files(tmp_path, kind):
    with pytest.raises(InputError, match="there is no"):
        load(f"{kind}:{tmp_path / 'none'}")
    if kind != "idx":
        with pytest.raises(InputError, match="is a folder"):
            load(f"{kind}:{tmp_path}")


# --- npz ----------------------------------------------------------------------------------------------------------

X = np.arange(24.0).reshape(12, 2)
Y = np.arange(12) % 2


def npz_of(folder, **arrays) -> str:
    np.savez(folder / "data.npz", **arrays)
    return f"npz:{folder / 'data.npz'}"


def test_npz_splits_unless_it_has_a_test_set(tmp_path):
    assert len(load(npz_of(tmp_path, X=X, y=Y)).x_test) == 3
    data = load(npz_of(tmp_path, X=X.astype(np.uint8), y=Y.reshape(-1, 1), X_test=X[:5], y_test=Y[:5]))
    assert np.array_equal(data.x_train, X)
    assert np.array_equal(data.y_test, Y[:5])
    images = load(npz_of(tmp_path, X=np.zeros((12, 3, 4)), y=np.array(["a", "b"])[Y]))
    assert images.x_train.shape == (9, 12)
    assert images.classes == ("a", "b")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"X": X}, "no array 'y'"),
        ({"y": Y}, "no array 'X'"),
        ({"X": X, "y": Y[:-1]}, "12 samples but 11 labels"),
        ({"X": X, "y": Y, "X_test": X}, "only one of"),
        ({"X": X, "y": Y, "X_test": X[:, :1], "y_test": Y}, "1 column but"),
        ({"X": X, "y": Y, "X_test": X, "y_test": Y + 1}, "class '2'"),
        ({"X": X, "y": Y, "X_test": X, "y_test": Y.astype(str)}, "different kinds"),
        ({"X": np.where(X == 5, np.nan, X), "y": Y}, "row 3, column 2 is nan"),
        ({"X": np.where(X == 4, -np.inf, X), "y": Y}, "row 3, column 1 is -inf"),
        ({"X": X, "y": Y, "X_test": X + np.inf, "y_test": Y}, "test row 1, column 1"),
        ({"X": X[:, 0], "y": Y}, "shape (12,)"),
        ({"X": X[:0], "y": Y[:0]}, "shape (0, 2)"),
        ({"X": X[:, :0], "y": Y}, "shape (12, 0)"),
        ({"X": X + 1j, "y": Y}, "not numbers"),
        ({"X": X.astype(str), "y": Y}, "not numbers"),
        ({"X": X, "y": np.zeros(12)}, "every sample is of class '0'"),
        ({"X": X, "y": np.eye(12)}, "shape (12, 12)"),
        ({"X": X, "y": np.array([None] * 12)}, "pickled"),
    ],
)
def test_bad_npz(tmp_path, arrays, words):
    with pytest.raises(InputError) as caught:
        load(npz_of(tmp_path, **arrays))
    assert words in caught.value.problem
    assert caught.value.remedy


def test_npz_that_is_none(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, X=X, y=Y)
    whole = path.read_bytes()
    for content in (b"", b"junk", whole[:-40], whole[:60]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"data\.npz"):
            load(f"npz:{path}")
    np.save(tmp_path / "one.npy", X)
    with pytest.raises(InputError, match="single array"):
        load(f"npz:{tmp_path / 'one.npy'}")


# --- idx ----------------------------------------------------------------------------------------------------------

IMAGES = np.arange(240, dtype=np.uint8).reshape(20, 3, 4)
LABELS = (np.arange(20) % 5).astype(np.uint8)


def idx_bytes(array) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def idx_of(folder, pack=bytes, suffix="", **changes) -> str:
    files = {
        "train-images-idx3-ubyte": idx_bytes(IMAGES),
        "train-labels-idx1-ubyte": idx_bytes(LABELS),
        "t10k-images-idx3-ubyte": idx_bytes(IMAGES[:4]),
        "t10k-labels-idx1-ubyte": idx_bytes(LABELS[:4]),
    }
    for name, content in files.items():
        content = changes.get(name.split("-idx")[0].replace("-", "_"), content)
        if content is not None:
            (folder / (name + suffix)).write_bytes(pack(content))
    return f"idx:{folder}"


@pytest.mark.parametrize(("pack", "suffix"), [(bytes, ""), (gzip.compress, ".gz"), (gzip.compress, "")])
def test_idx_plain_and_zipped(tmp_path, pack, suffix):
    data = load(idx_of(tmp_path, pack, suffix))
    assert np.array_equal(data.x_train, IMAGES.reshape(20, 12))
    assert np.array_equal(data.y_train, LABELS)
    assert np.array_equal(data.x_test, IMAGES[:4].reshape(4, 12))
    assert data.classes == ("0", "1", "2", "3", "4")


def test_idx_without_a_test_set_is_split(tmp_path):
    data = load(idx_of(tmp_path, t10k_images=None, t10k_labels=None))
    assert len(data.x_test) == 5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train_images": None, "train_labels": None}, "holds no train-images"),
        ({"train_labels": None}, "holds no train-labels"),
        ({"t10k_images": None}, "holds no t10k-images"),
        ({"train_images": b""}, "not an idx file"),
        ({"train_images": idx_bytes(LABELS)}, "not an idx file"),
        ({"train_images": idx_bytes(IMAGES)[:-1]}, "fewer bytes than the 240"),
        ({"train_images": idx_bytes(IMAGES) + b"x"}, "more bytes than the 240"),
        ({"train_images": idx_bytes(IMAGES)[:9]}, "not an idx file"),
        ({"train_labels": idx_bytes(LABELS[:-1])}, "20 images but"),
        ({"t10k_labels": idx_bytes(LABELS[:4] + 9)}, "class '9'"),
        ({"train_images": gzip.compress(idx_bytes(IMAGES))[:-20]}, "damaged"),
        ({"train_images": b"\x00\x00\x08\x03" + b"\xff" * 12}, "fewer bytes"),
    ],
)
def test_bad_idx(tmp_path, changes, words):
    with pytest.raises(InputError) as caught:
        load(idx_of(tmp_path, **changes))
    assert words in caught.value.problem
    assert caught.value.remedy


# --- tables -------------------------------------------------------------------------------------------------------

ANIMALS = ["name;legs;height", *(f"{'cat' if k % 2 else 'dog'};{4 + k % 2};{k}.5" for k in range(12))]


@pytest.mark.parametrize("target", ["name", "NAME", "1"])
@pytest.mark.parametrize("separator", [";", "\t", ","])
def test_a_column_is_chosen_by_name_or_number(tmp_path, separator, target):
    spec = csv_of(tmp_path, *(line.replace(";", separator) for line in ANIMALS))
    data = load(targeted(spec, target))
    assert data.classes == ("cat", "dog")
    assert np.array_equal(data.x_train[:, 0] == 5, data.y_train == 0)
    for part, whole in ((data.x_train, 9), (data.x_test, 3)):
        assert part.shape == (whole, 2)


def test_csv_of_quotes_and_a_mark(tmp_path):
    lines = ['\ufeff"width, cm","kind ""of"" it"', *(f'"{k}.5","a, {k % 2}"' for k in range(12))]
    data = load(csv_of(tmp_path, *lines))
    assert data.classes == ("a, 0", "a, 1")
    assert sorted(np.concatenate([data.x_train, data.x_test])[:, 0]) == [k + 0.5 for k in range(12)]


def test_a_target_that_a_header_has_makes_it_one(tmp_path):
    data = load(targeted(csv_of(tmp_path, "kind,2,3", *(f"{k % 2},{k},5" for k in range(12))), "kind"))
    assert data.classes == ("0", "1")
    assert len(data.x_train) + len(data.x_test) == 12


@pytest.mark.parametrize(
    ("lines", "target", "words"),
    [
        ([*ANIMALS, ";4;1"], "name", "line 14 has no label in column 1"),
        ([*ANIMALS, "cat;;1"], "name", "line 14, column 2 is empty (legs)"),
        ([*ANIMALS, "cat;4;NA"], "name", "line 14, column 3 is 'NA' (height)"),
        ([*ANIMALS, "cat;4;?"], "1", "line 14, column 3 is '?' (height)"),
        (ANIMALS, "height", "line 2, column 1 is 'dog' (name)"),
    ],
)
def test_rows_and_columns_of_a_table_are_named(tmp_path, lines, target, words):
    with pytest.raises(InputError) as caught:
        load(targeted(csv_of(tmp_path, *lines), target))
    assert words in caught.value.problem


def test_targets_that_are_none(tmp_path):
    spec = csv_of(tmp_path, "a,a,b", *(f"{k},{k},{k % 2}" for k in range(12)))
    for target, words in (("c", "no column 'c'"), ("4", "no column"), ("0", "no column"), ("a", "2 columns called")):
        with pytest.raises(UsageError, match=words):
            load(targeted(spec, target))
    for other in ("iris", f"npz:{tmp_path}", targeted(spec, "b")):
        with pytest.raises(UsageError, match="no target can be chosen"):
            targeted(other, "b")


def test_many_classes_of_whole_numbers_are_classes(tmp_path):
    assert len(load(csv_of(tmp_path, *(f"{k},{k % 30}" for k in range(900)))).classes) == 30


ARFF = """% made
@RELATION animals
@ATTRIBUTE legs NUMERIC
@ATTRIBUTE 'the height' REAL
@ATTRIBUTE kind {dog, cat}
@DATA
"""


def arff_of(folder, *rows: str) -> str:
    (folder / "data.arff").write_text(ARFF + "\n".join(rows))
    return f"arff:{folder / 'data.arff'}"


def test_arff(tmp_path):
    data = load(arff_of(tmp_path, *(f"{4 + k % 2},{k}.5,{'cat' if k % 2 else 'dog'}" for k in range(12))))
    assert data.classes == ("cat", "dog")
    assert np.array_equal(data.x_train[:, 0] == 5, data.y_train == 0)
    with pytest.raises(InputError, match=r"column 3 \(kind\) is not of numbers"):
        load(targeted(arff_of(tmp_path, "1,2,cat", "2,2,dog"), "legs"))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["4,?,dog", "4,2,cat"], "row 1, column 2 is empty (the height)"),
        (["4,1,dog", "4,2,?"], "row 2, column 3 is empty (kind)"),
        (["4,1,bird"], "damaged"),
        (["4,1"], "damaged"),
    ],
)
def test_bad_arff(tmp_path, rows, words):
    with pytest.raises(InputError) as caught:
        load(arff_of(tmp_path, *rows))
    assert words in caught.value.problem


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "data.parquet"
    columns = {"kind": ["cat", "dog"] * 6, "legs": [5, 4] * 6, "height": [k + 0.5 for k in range(12)]}
    parquet.write_table(pyarrow.table(columns), path)
    data = load(targeted(f"parquet:{path}", "kind"))
    assert data.classes == ("cat", "dog")
    assert np.array_equal(data.x_train[:, 0] == 5, data.y_train == 0)
    with pytest.raises(InputError, match=r"column 1 \(kind\) is not of numbers"):
        load(f"parquet:{path}")
    parquet.write_table(pyarrow.table({**columns, "legs": [None, *columns["legs"][1:]]}), path)
    with pytest.raises(InputError, match=r"row 1, column 2 is empty \(legs\)"):
        load(targeted(f"parquet:{path}", "1"))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="damaged"):
        load(f"parquet:{path}")


def test_parquet_names_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"diodeq\[data\]"):
        load(f"parquet:{tmp_path / 'x.parquet'}")
