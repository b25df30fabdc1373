"""What is certain of a circuit before any board is built, and what random boards do."""

import diodeq

stage = diodeq.Stage([[0.2, -0.1], [0.1, 0.2]], [0.1, -0.1], [[0.0, 0.5], [0.5, 0.0]])  # U, b, W
network = diodeq.Network([stage])
compiled = diodeq.compile(network, diode="1N4148")
inputs = [[2.0, 1.0], [1.0, -2.0]]

found = diodeq.verify(compiled.circuit, network, inputs, tolerance=0.01)
print(found.certificate.sentence())
print(f"1 % of all resistors moves the outputs by at most {found.displacement:.4f}, whatever the board")

boards = diodeq.monte_carlo(compiled.circuit, inputs, boards=20, variation="tolerance=1%")
worst = max(board.largest for board in boards) * compiled.circuit.scaling.output_scale
print(f"the worst of {len(boards)} random boards is off by {worst:.4f}")
