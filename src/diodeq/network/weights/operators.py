"""The ONNX operators that diodeq reads: what each computes, the attributes it may have, and how many inputs."""

from __future__ import annotations

from diodeq.network.weights import activating, moving, steps
from diodeq.network.weights.node import Step

_WINDOW = {"auto_pad", "dilations", "kernel_shape", "pads", "strides"}

STEPS: dict[str, tuple[Step, set[str], int]] = {
    "Gemm": (steps.gemm, {"alpha", "beta", "transA", "transB", "broadcast"}, 3),
    "MatMul": (steps.matmul, set(), 2),
    "Conv": (steps.convolution, _WINDOW | {"group"}, 3),
    "ConvTranspose": (steps.transposed_convolution, _WINDOW | {"group", "output_padding", "output_shape"}, 3),
    "AveragePool": (steps.average_pool, _WINDOW | {"ceil_mode", "count_include_pad"}, 1),
    "GlobalAveragePool": (moving.global_average, set(), 1),
    "Add": (steps.arithmetic, set(), 2),
    "Sub": (steps.arithmetic, set(), 2),
    "Mul": (steps.arithmetic, set(), 2),
    "Div": (steps.arithmetic, set(), 2),
    "Neg": (steps.negative, set(), 1),
    "Sum": (steps.total, set(), 64),
    "BatchNormalization": (
        steps.batch_normalization,
        {"epsilon", "momentum", "training_mode", "spatial", "is_test"},
        5,
    ),
    "Scaler": (steps.scaler, {"offset", "scale"}, 1),
    "LinearRegressor": (steps.linear_model, {"coefficients", "intercepts", "targets", "post_transform"}, 1),
    "Relu": (activating.plain, set(), 1),
    "Tanh": (activating.plain, set(), 1),
    "Sigmoid": (activating.plain, set(), 1),
    "LeakyRelu": (activating.leaky, {"alpha"}, 1),
    "Elu": (activating.exponential, {"alpha"}, 1),
    "PRelu": (activating.leaky, set(), 2),
    "Clip": (activating.clip, {"min", "max"}, 3),
    "Max": (activating.extreme, set(), 64),
    "Min": (activating.extreme, set(), 64),
    "Abs": (activating.magnitude, set(), 1),
    "HardSigmoid": (activating.hard_sigmoid, {"alpha", "beta"}, 1),
    "Shrink": (activating.shrink, {"lambd", "bias"}, 1),
    "Flatten": (moving.flatten, {"axis"}, 1),
    "Reshape": (moving.reshape, {"allowzero", "shape"}, 2),
    "Squeeze": (moving.squeeze, {"axes"}, 2),
    "Unsqueeze": (moving.unsqueeze, {"axes"}, 2),
    "Transpose": (moving.transpose, {"perm"}, 1),
    "Concat": (moving.concat, {"axis"}, 256),
    "Split": (moving.split, {"axis", "split", "num_outputs"}, 2),
    "Slice": (moving.slice_, {"axes", "starts", "ends", "steps"}, 5),
    "Gather": (moving.gather, {"axis"}, 2),
    "Pad": (moving.pad, {"mode", "pads", "value"}, 4),
    "ReduceMean": (moving.reduce, {"axes", "keepdims", "noop_with_empty_axes"}, 2),
    "ReduceSum": (moving.reduce, {"axes", "keepdims", "noop_with_empty_axes"}, 2),
    "Cast": (moving.cast, {"to", "saturate", "round_mode"}, 1),
    "Dropout": (moving.dropout, {"ratio", "seed", "is_test"}, 3),
    "Identity": (moving.same, set(), 1),
}
ENDINGS = {"Softmax", "LogSoftmax", "ArgMax", "Binarizer", "ZipMap", "ArrayFeatureExtractor"}
"""What makes decisions of outputs is left out at the end of a model."""
AFTER_ENDINGS = {"Cast", "Reshape", "Identity", "Squeeze", "Unsqueeze", "Flatten", "Normalizer"}
"""What may follow those; it is left out too."""
SEVERAL = {"Split"}
"""Operators with several outputs."""
SINGLE = {
    "MatMul",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Neg",
    "Relu",
    "LeakyRelu",
    "Elu",
    "Tanh",
    "Sigmoid",
    "Clip",
    "Identity",
}
SINGLE |= {"Constant", "Dropout", "HardSigmoid", "Abs"}
"""Operators that do to one sample alone, a row without a batch, what they do to each of many."""
MACHINE_LEARNING = {"Scaler", "LinearRegressor", "ZipMap", "ArrayFeatureExtractor", "Normalizer"}
"""Operators of the domain ai.onnx.ml."""
