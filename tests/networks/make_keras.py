"""Writes the networks of Keras: ``KERAS_BACKEND=torch python make_keras.py``; of tensorflow's, tf2onnx makes ONNX."""

from __future__ import annotations

import os

import numpy as np

BACKEND = os.environ.setdefault("KERAS_BACKEND", "torch")

import keras  # noqa: E402
from keras import layers  # noqa: E402
from table import HERE, Table, onnxruntime_outputs, short  # noqa: E402

table = Table(f"keras-{BACKEND}")
V, IMAGE = (3,), (6, 6, 2)


def residual():
    x = keras.Input(V)
    y = layers.Dense(4, "relu")(x)
    return keras.Model(x, layers.Dense(2)(layers.Add()([layers.Dense(4, "relu")(y), y])))


READ = {
    "mlp": lambda: keras.Sequential(
        [keras.Input(V), layers.Dense(4, "relu"), layers.Dropout(0.2), layers.Dense(2, "softmax")]
    ),
    "norms": lambda: keras.Sequential(
        [
            keras.Input(V),
            layers.BatchNormalization(),
            layers.Dense(4),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.Dense(2),
        ]
    ),
    "leaky": lambda: keras.Sequential(
        [
            keras.Input(V),
            layers.Rescaling([2, 0.5, 1], [-1, 0.25, 0]),
            layers.Dense(4, "leaky_relu"),
            layers.Dense(2, "sigmoid"),
        ]
    ),
    "tanh": lambda: keras.Sequential(
        [keras.Input(V), layers.Dense(4, "tanh", use_bias=False), layers.Dense(2, "hard_sigmoid")]
    ),
    "prelu": lambda: keras.Sequential(
        [keras.Input(V), layers.Dense(4), layers.PReLU(alpha_initializer="random_uniform"), layers.Dense(2)]
    ),
    "images": lambda: keras.Sequential(
        [keras.Input(IMAGE), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(4, "relu"), layers.Dense(2)]
    ),
    "conv": lambda: keras.Sequential(
        [
            keras.Input(IMAGE),
            layers.Conv2D(3, 3, activation="relu"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(2),
        ]
    ),
    "conv-same": lambda: keras.Sequential(
        [
            keras.Input(IMAGE),
            layers.Conv2D(3, 3, strides=2, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    ),
    "residual": residual,
}
REFUSED = {
    "maxpool": (
        lambda: keras.Sequential(
            [keras.Input(IMAGE), layers.Conv2D(3, 3), layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(2)]
        ),
        "MaxPool",
    ),
    "gelu": (lambda: keras.Sequential([keras.Input(V), layers.Dense(4, "gelu"), layers.Dense(2)]), "Gelu|Erf|Mul"),
}


def export(model, path):
    if BACKEND == "torch":
        model.export(str(path), format="onnx", verbose=False)
        return f"Keras {keras.__version__} on torch"
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="x")]
    function = tf.function(lambda x: model(x), input_signature=signature)
    tf2onnx.convert.from_function(function, signature, opset=17, output_path=str(path))
    return f"Keras {keras.__version__} by tf2onnx {tf2onnx.__version__}"


def learned(model):
    """Statistics and weights that are not the initial ones."""
    random = np.random.default_rng(0)
    model.set_weights(
        [
            np.abs(w + 0.3 * random.normal(size=w.shape))
            if "variance" in v.path
            else w + 0.3 * random.normal(size=w.shape)
            for v, w in zip(model.weights, model.get_weights(), strict=True)
        ]
    )
    return model


if __name__ == "__main__":
    for name, made in {**READ, **REFUSED}.items():
        make, words = made if isinstance(made, tuple) else (made, None)
        keras.utils.set_random_seed(0)
        model = learned(make())
        x = short(np.random.default_rng(1).normal(size=(3, *model.input_shape[1:]))).astype(np.float32)
        model(x)
        path = HERE / f"keras-{name}-{BACKEND}.onnx"
        try:
            by = export(model, path)
            y = None if words else onnxruntime_outputs(path, x)
        except Exception as error:
            print(path.name, "NOT EXPORTED", type(error), str(error)[:300])
            path.unlink(missing_ok=True)
            continue
        if words:
            table.refused(path, by, words)
        else:
            table.read(path, by, x, y)
    table.write()
