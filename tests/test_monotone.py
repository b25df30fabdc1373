"""Newton's method in a bracket, beside diodes that have a closed form and laws that jump or rest elsewhere."""

import numpy as np
import pytest

from diodeq.devices import catalogue
from diodeq.devices.diode.law import law
from diodeq.devices.monotone import solve


def loads(count, seed=0):
    random = np.random.default_rng(seed)
    sources = random.choice([-1.0, 1.0], count) * 10.0 ** random.uniform(-6, 3, count)
    return sources, np.where(random.random(count) < 0.1, 0.0, 10.0 ** random.uniform(-9, 9, count))


def missed(v, i, s, r):
    return np.max(np.abs(v + r * i - s) / (np.abs(v) + np.abs(r * i) + np.abs(s)))


@pytest.mark.parametrize("name", ["1N4148", "1N5817", "BZX84C3V3", "ideal"])
def test_it_finds_what_the_diode_knows_in_few_looks(name):
    diode = law(catalogue.get(name))
    looked = []

    def evaluate(index, v):
        looked.append(v.size)
        return diode.evaluate(v)

    s, r = loads(5000)
    v, i, g = solve(evaluate, s, r)
    wanted = diode.load_line(s, r)
    assert missed(v, i, s, r) < 4 * 2.0**-52
    assert v == pytest.approx(wanted[0], rel=1e-13, abs=1e-16)
    assert i == pytest.approx(wanted[1], rel=1e-13)
    assert g == pytest.approx(wanted[2], rel=1e-11)
    assert sum(looked) < 7 * s.size


def test_laws_that_rest_elsewhere_jump_or_do_nothing():
    s, r = loads(5000, 1)

    def resting(index, v):
        return 1e-3 * np.expm1(np.minimum((v + 2.0) / 0.1, 500.0)), 1e-2 * np.exp(np.minimum((v + 2.0) / 0.1, 500.0))

    v, i, _ = solve(resting, s, r)
    assert missed(v, i, s, r) < 4 * 2.0**-52

    def jumping(index, v):
        return np.where(v > 0.3, 1.0, 0.0) + 1e-9 * v, np.full(v.size, 1e-9)

    v, i, _ = solve(jumping, s, r)
    assert missed(v, i, s, r) < 4 * 2.0**-52
    assert np.all((v < 0.3) | (v > 0.3) | ((i >= 0.0) & (i <= 1.000001)))
    assert i[v < 0.3 - 1e-9] == pytest.approx(1e-9 * v[v < 0.3 - 1e-9], rel=1e-12)
    assert i[v > 0.3 + 1e-9] == pytest.approx(1.0 + 1e-9 * v[v > 0.3 + 1e-9], rel=1e-12)
    assert np.count_nonzero(np.abs(v - 0.3) < 1e-12) > 100

    v, i, _ = solve(lambda index, v: (np.full(v.size, 0.5), np.zeros(v.size)), s, r)
    assert np.array_equal(i, np.full(s.size, 0.5))
    assert v == pytest.approx(s - 0.5 * r, rel=1e-14, abs=1e-14)


def test_shapes_broadcast_and_nothing_is_nothing():
    v, i, g = solve(lambda index, v: (v, np.ones(v.size)), np.ones((3, 1)), np.ones(2))
    assert v.shape == i.shape == g.shape == (3, 2)
    assert v == pytest.approx(np.full((3, 2), 0.5))
    assert solve(lambda index, v: (v, v), np.empty((0, 2)), 1.0)[0].shape == (0, 2)
    v, *_ = solve(lambda index, v: (v**3, 3 * v**2), 10.0, 1.0, low=1.0, high=3.0)
    assert v == pytest.approx(2.0)
