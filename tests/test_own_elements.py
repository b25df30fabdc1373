"""A circuit says itself which activation its units have: weights with another one are refused."""

import numpy as np
import pytest

from diodeq.analysis.realized import realized
from diodeq.errors import InputError
from diodeq.network import ACTIVATIONS, Activation, Network, Stage
from diodeq.synthesis.compile import compile_network

MORE = ["leaky-relu:0.3", "hard-tanh:2", "soft-threshold:1", "asinh:0.1"]
# A real diode is both.
SAME = {"relu": {"relu", "diode-relu"}, "diode-relu": {"relu", "diode-relu"}}


def network(activation: str) -> Network:
    random = np.random.default_rng(0)
    inner = Stage(
        random.normal(size=(3, 2)), np.ones(3), 0.2 * random.normal(size=(3, 3)), Activation.parse(activation)
    )
    return Network((inner, Stage(random.normal(size=(2, 3)), np.zeros(2), None, Activation("identity"))))


@pytest.mark.parametrize("diode", ["ideal", "1N4148"])
@pytest.mark.parametrize("activation", [*(name for name in ACTIVATIONS if name != "sigmoid"), *MORE])
def test_weights_of_another_activation_are_refused(activation, diode):
    circuit = compile_network(network(activation), diode=diode).circuit
    realized(circuit, network(activation))
    others = {*ACTIVATIONS, *MORE} - {activation, "sigmoid"} - SAME.get(activation, set())
    for other in sorted(others)[diode == "ideal" :: 4]:
        with pytest.raises(InputError, match=f"the units of stage 0 of circuit .* are not {other}"):
            realized(circuit, network(other))
