"""Sigmoids as tanhs: no one-port gives half a unit at rest, but ``sigmoid(x) = (1 + tanh(x / 2)) / 2``."""

from __future__ import annotations

import numpy as np

from diodeq.network import Activation, Network, Stage

TANH, IDENTITY = Activation("tanh"), Activation("identity")


def without_sigmoids(network: Network) -> Network:
    """The same outputs from stages of tanh: a unit holds ``u = 2 z - 1``, and what is fed by it is fed by z.

    A last stage of sigmoids gets a stage of identities behind it.
    """
    if all(stage.activation.name != "sigmoid" for stage in network.stages):
        return network
    stages: list[Stage] = []
    halved = False  # whether the stage before holds u for z
    for stage in network.stages:
        U, b, W = stage.U, stage.b, stage.W
        if halved:
            U, b = U / 2.0, b + U.sum(axis=1) / 2.0
        halved = stage.activation.name == "sigmoid"
        if halved:
            b = b if W is None else b + W.sum(axis=1) / 2.0
            U, b, W = U / 2.0, b / 2.0, None if W is None else W / 4.0
        stages.append(Stage(U, b, W, TANH if halved else stage.activation))
    if halved:
        n = stages[-1].size
        stages.append(Stage(np.eye(n) / 2.0, np.full(n, 0.5), None, IDENTITY))
    return Network(tuple(stages))
