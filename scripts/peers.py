"""Other people's simulators beside diodeq's, from a copy of their code that the user has; none is shipped.

DRN: https://github.com/rain-neuromorphics/energy-based-learning, the code of B. Scellier, A fast algorithm to simulate
nonlinear resistive networks (ICML 2024): ideal diodes, float32, a number of sweeps that is fixed beforehand.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from diodeq.errors import InputError, SimulatorMissingError

# Sweeps of its training runs for one, two and three hidden layers, and the inputs' gains.
SWEEPS = {1: 4, 2: 5, 3: 6}
GAINS = {1: 480.0, 2: 2000.0, 3: 4000.0}


# A file of that repository that no other has by chance.
OWN = Path("model/resistive/minimizer.py")
REPOSITORY = "https://github.com/rain-neuromorphics/energy-based-learning"


def demand_drn(folder: str) -> None:
    """Raise ``InputError`` where the folder is no copy of DRN's code, ``SimulatorMissingError`` where PyTorch is not
    installed."""
    if not (Path(folder) / OWN).is_file():
        raise InputError(f"{folder} is no copy of DRN's code, which has {OWN}", f"git clone {REPOSITORY}")
    if importlib.util.find_spec("torch") is None:
        raise SimulatorMissingError("DRN's code needs PyTorch, which is not installed", "pip install 'diodeq[torch]'")


def drn(folder: str, widths: tuple[int, ...], batch: int) -> Callable[[], object]:
    """One batch of DRN's training by backpropagation, without the update: settle, and the gradient of all weights."""
    demand_drn(folder)
    sys.path.insert(0, str(Path(folder).resolve()))
    import torch

    try:
        from model.function.cost import SquaredError
        from model.function.network import Network
        from model.resistive.minimizer import QuadraticMinimizer
        from model.resistive.network import DeepResistiveEnergy
        from training.sgd import Backprop
    except ImportError as error:
        raise InputError(f"DRN's code in {folder} cannot be imported: {error}", f"git clone {REPOSITORY}") from error

    torch.set_num_threads(1)
    hidden = min(max(len(widths) - 2, 1), 3)
    energy = DeepResistiveEnergy(
        [(2, widths[0]), *((width,) for width in widths[1:])], [1.0] * (len(widths) - 1), GAINS[hidden]
    )
    energy.set_device("cpu")
    cost = SquaredError(energy.layers()[-1])
    network = Network(energy)
    minimizer = QuadraticMinimizer(energy, network.free_layers())
    minimizer.num_iterations, minimizer.mode = SWEEPS[hidden], "asynchronous"
    estimator = Backprop(energy.params(), energy.layers(), cost, minimizer)
    random = np.random.default_rng(1)
    inputs = torch.tensor(random.random((batch, 1, widths[0])), dtype=torch.float32)
    labels = torch.tensor(random.integers(widths[-1], size=batch))

    def once() -> object:
        network.set_input(inputs, reset=True)
        cost.set_target(labels)
        return estimator.compute_gradient()

    return once
