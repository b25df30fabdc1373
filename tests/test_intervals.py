"""Intervals of units for a box of inputs: nothing within the box is outside them."""

import numpy as np
import pytest

from diodeq.network import Activation, Network, Stage
from diodeq.network.intervals import intervals
from diodeq.network.solve import solve


def drawn(seed, activation, margin=0.4):
    """An equilibrium stage, a feed-forward one and a read-out."""
    random = np.random.default_rng(seed)
    A, P = random.normal(size=(2, 6, 6)) / 4.0
    W = (1.0 - margin) * np.eye(6) - A.T @ A + P - P.T
    first = Stage(random.normal(size=(6, 3)), random.normal(size=6), W, activation)
    second = Stage(random.normal(size=(4, 6)), random.normal(size=4), None, activation)
    return Network((first, second, Stage(random.normal(size=(2, 4)), np.zeros(2), None, Activation("identity"))))


@pytest.mark.parametrize("name", ["relu", "leaky-relu:0.2", "tanh", "identity"])
@pytest.mark.parametrize("seed", range(3))
def test_every_input_of_the_box_is_within(name, seed):
    network, random = drawn(seed, Activation.parse(name)), np.random.default_rng(seed)
    low = random.uniform(-1.0, 0.0, 3)
    high = low + random.uniform(0.0, 1.0, 3)
    x = random.uniform(low, high, (200, 3))
    x[:100] = np.where(x[:100] > (low + high) / 2.0, high, low)
    for states, (least, most) in zip(solve(network, x).states, intervals(network, low, high), strict=True):
        assert np.all(states >= least)
        assert np.all(states <= most)


def test_a_box_of_one_point_is_its_solution():
    network, x = drawn(0, Activation("relu")), np.array([0.3, -0.2, 0.5])
    for z, (least, most) in zip(solve(network, x[None]).states, intervals(network, x, x), strict=True):
        assert np.all(most - least < 1e-4)
        assert np.all((least <= z[0]) & (z[0] <= most))


def test_a_stage_without_a_margin_proves_nothing_from_there_on():
    network = drawn(0, Activation("relu"), margin=-5.0)
    assert intervals(network, -np.ones(3), np.ones(3)) == (None, None, None)
