"""Work shared by threads: all of it is done, the first failure is told, and linear algebra stays in one thread."""

import json
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from diodeq.processors import bands, named, product, share, single_threaded, slices


@pytest.mark.parametrize("workers", [None, 1, 3])
def test_every_piece_is_done_and_the_first_failure_is_told(workers):
    done = np.zeros(100)

    def work(piece):
        done[piece] += 1
        if piece.start >= 40:
            raise ValueError(piece.start)

    with pytest.raises(ValueError, match="40"):
        share(work, slices(100, 20), workers)
    assert (done == 1).all()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_has_threads_of_its_own():
    share(lambda piece: None, slices(4, 1))
    child = os.fork()
    if not child:
        found = np.zeros(4)
        share(lambda piece: found.__setitem__(piece, 1), slices(4, 1))
        os._exit(int(found.sum()))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4


@pytest.mark.parametrize("shape", [(0, 3, 2), (3, 0, 2), (1, 1, 1), (700, 300, 90), (1000, 40, 1), (33, 70, 601)])
def test_products_are_those_of_numpy(shape):
    rows, inner, columns = shape
    random = np.random.default_rng(0)
    left, right = random.normal(size=(rows, inner)), random.normal(size=(inner, columns))
    assert sum(band.stop - band.start for band in bands(*shape)) == rows
    np.testing.assert_allclose(product(left, right), left @ right, rtol=1e-12, atol=1e-12)
    wide = np.full((rows, columns + 1), np.nan)
    product(left, right, out=wide[:, :-1])
    np.testing.assert_array_equal(wide[:, :-1], product(left, right))
    assert np.isnan(wide[:, -1]).all()
    for workers in (1, 3):
        np.testing.assert_array_equal(product(left, right, workers=workers), product(left, right))


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_take_over_how_numpy_handles_errors(workers):
    large = np.full((4, 600), 1e200)

    def overflows(piece):
        large[:, piece] *= large[:, piece]

    with np.errstate(over="ignore"):
        share(overflows, slices(600, 200), workers)
    large[:] = 1e200
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        share(overflows, slices(600, 200), workers)


def test_single_threaded_lasts_as_long_as_it_is_asked_for():
    def threads():
        return [each["num_threads"] for each in threadpool_info()]

    with threadpool_limits(2):
        before = threads()
        assert 2 in before
        with single_threaded():
            assert set(threads()) <= {1}
            with single_threaded():
                pass
            assert set(threads()) <= {1}
        assert threads() == before


def test_the_kernels_are_those_that_compute():
    """OpenBLAS takes another kernel when told to, and what is said follows."""
    code = "import json; from diodeq import processors; print(json.dumps(processors.kernels()))"
    found = {}
    for kernel in ("Nehalem", "Sandybridge"):
        environment = {**os.environ, "OPENBLAS_CORETYPE": kernel}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        found[kernel] = json.loads(run.stdout)
    openblas = [each for each in found["Nehalem"] if each["internal_api"] == "openblas"]
    if not openblas or platform.machine() != "x86_64":
        pytest.skip("no OpenBLAS for this processor")
    assert all(each["version"] for each in openblas)
    for kernel, told in found.items():
        assert {each["architecture"] for each in told if each["internal_api"] == "openblas"} == {kernel}
    assert named(openblas[:1]) == f"openblas {openblas[0]['version']} Nehalem"
    assert named([]) == "not known"


def test_libraries_that_come_later_have_one_thread_too():
    code = """
from threadpoolctl import threadpool_info, threadpool_limits
from diodeq.processors import single_threaded
with single_threaded():
    pass
import sklearn.utils, sklearn.metrics, scipy.linalg
with threadpool_limits(2), single_threaded():
    print([each["num_threads"] for each in threadpool_info()])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = json.loads(run.stdout)
    assert found
    assert set(found) == {1}
