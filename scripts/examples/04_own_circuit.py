"""A circuit put together by hand, two nodes that look at different inputs, and trained."""

import numpy as np

import diodeq

board = diodeq.Assembly()
bias, x = board.bias(5.0), board.inputs(["left", "right"])  # a rail at plus and one at minus each
one, two = board.layer(3, "one"), board.layer(3, "two", unit="pair")
top = board.layer(6, "top")
board.join(x[:2], one)
board.join(x[2:], two)
board.join([*one, *two, *bias], top)
board.join([*top, *bias], board.outputs(2))
circuit = board.circuit(median=1e-5, seed=0, title="two branches")
print(circuit)

random = np.random.default_rng(0)
points = random.uniform(-3, 3, size=(160, 2))
above = (points[:, 0] > points[:, 1]).astype(int)
run = diodeq.train((points, above), start=circuit, epochs=6)
print(f"{run.metrics[0].test:.0%} of the held-out points after an epoch, {run.accuracy:.0%} after six")
diodeq.export(run.circuit, "svg", "branches.svg")
