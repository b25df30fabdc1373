"""Writes the networks of scikit-learn and skl2onnx: ``python make_sklearn.py``."""

from __future__ import annotations

import warnings
from zipfile import ZIP_DEFLATED

import numpy as np
import skl2onnx
import sklearn
import skops.io
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC
from table import HERE, Table, onnxruntime_outputs

warnings.simplefilter("ignore")
table = Table("sklearn")
BY, ONNX = f"scikit-learn {sklearn.__version__}", f"skl2onnx {skl2onnx.__version__}"
RNG = np.random.default_rng(0)
DATA = RNG.normal(size=(60, 3)) * [1, 10, 0.1] + [0, 5, 1]
X = DATA[:3].astype(np.float32)
KINDS = np.digitize(DATA[:, 0] + DATA[:, 1] / 10, [0.2, 0.9])
SIZE = {"hidden_layer_sizes": (4,), "max_iter": 30, "random_state": 0}
MODELS = {
    "classes": make_pipeline(StandardScaler(), MLPClassifier(**SIZE)).fit(DATA, KINDS),
    "words": MLPClassifier(activation="logistic", **SIZE).fit(DATA, np.array(["a", "b", "c"])[KINDS]),
    "two-classes": make_pipeline(StandardScaler(), MLPClassifier(activation="tanh", **SIZE)).fit(DATA, KINDS > 0),
    "labels": MLPClassifier(**SIZE).fit(DATA, np.stack([KINDS > 0, KINDS > 1], 1)),
    "number": make_pipeline(StandardScaler(), MLPRegressor(**SIZE)).fit(DATA, DATA.sum(1)),
    "numbers": MLPRegressor(**{**SIZE, "hidden_layer_sizes": (4, 3)}).fit(DATA, DATA[:, :2]),
    "linear": MLPRegressor(activation="identity", **SIZE).fit(DATA, DATA[:, :2]),
}
OTHERS = {
    "scaled": make_pipeline(MinMaxScaler(), MLPRegressor(**SIZE)).fit(DATA, DATA.sum(1)),
    "regression": LinearRegression().fit(DATA, DATA[:, :2]),
    "ridge": make_pipeline(StandardScaler(), Ridge()).fit(DATA, DATA.sum(1)),
}
REFUSED = {
    "polynomial": (
        make_pipeline(PolynomialFeatures(2), MLPRegressor(**SIZE)).fit(DATA, DATA.sum(1)),
        "PolynomialFeatures",
        "Concat|Pow|Mul|Gather|Identity",
    ),
    "support": (SVC(probability=False).fit(DATA, KINDS), "SVC", "SVMClassifier"),
}


def last_layer(model, x):
    """Before a softmax, by scikit-learn's own forward pass; after a logistic function."""
    for step in getattr(model, "steps", [])[:-1]:
        x = step[1].transform(x)
    network = model[-1] if hasattr(model, "steps") else model
    kind = network.out_activation_
    network.out_activation_ = "identity" if kind == "softmax" else kind
    try:
        return network._forward_pass_fast(np.asarray(x, np.float64), check_input=False)
    finally:
        network.out_activation_ = kind


def onnx_file(name, model, kind=FloatTensorType, options=None, words=None, **more):
    path = HERE / f"skl-{name}.onnx"
    made = skl2onnx.convert_sklearn(model, initial_types=[("X", kind([None, 3]))], options=options, **more)
    path.write_bytes(made.SerializeToString())
    if words:
        table.refused(path, ONNX, words)
    else:
        x = X.astype(np.float64 if kind is DoubleTensorType else np.float32)
        table.read(path, ONNX, x, onnxruntime_outputs(path, x))


if __name__ == "__main__":
    for name, model in MODELS.items():
        skops.io.dump(model, HERE / f"{name}.skops", compression=ZIP_DEFLATED, compresslevel=9)
        table.read(HERE / f"{name}.skops", BY, X, last_layer(model, X))
    for name, model in {**MODELS, **OTHERS}.items():
        onnx_file(name, model, options={"zipmap": False} if name == "labels" else None)
    onnx_file("plain", MODELS["classes"], options={"zipmap": False})
    onnx_file("double", MODELS["number"], DoubleTensorType)
    onnx_file("old", MODELS["number"], target_opset={"": 9, "ai.onnx.ml": 1})
    for name, (model, kind, node) in REFUSED.items():
        skops.io.dump(model, HERE / f"{name}.skops", compression=ZIP_DEFLATED, compresslevel=9)
        table.refused(HERE / f"{name}.skops", BY, kind)
        onnx_file(name, model, words=node)
    skops.io.dump(OTHERS["scaled"], HERE / "scaled.skops", compression=ZIP_DEFLATED, compresslevel=9)
    table.refused(HERE / "scaled.skops", BY, "MinMaxScaler")
    for name in ("classes", "two-classes", "numbers"):
        model = MODELS[name]
        network, path = (model[-1], HERE / f"{name}.npz") if hasattr(model, "steps") else (model, HERE / f"{name}.npz")
        arrays = {f"coefs_{k}": W for k, W in enumerate(network.coefs_)}
        arrays |= {f"intercepts_{k}": b for k, b in enumerate(network.intercepts_)}
        arrays |= {"activation": network.activation, "out_activation_": network.out_activation_}
        if network is not model:
            arrays |= {"mean_": model[0].mean_, "scale_": model[0].scale_}
        np.savez(path, **arrays)
        table.read(path, BY, X, last_layer(model, X))
    table.write()
