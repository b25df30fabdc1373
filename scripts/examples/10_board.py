"""From a trained circuit to what one orders: values of E24, boards off by 5 %, a KiCad project."""

import diodeq

run = diodeq.train("iris", parts=40, power=1e-3, quantize="E24", epochs=20)
print(f"{len(run.circuit.resistors)} resistors of E24: {run.accuracy:.1%} of the held-out flowers")

boards = diodeq.monte_carlo(run.circuit, run.data.x_test, run.data.y_test, boards=10, variation="tolerance=5%")
print(f"the worst of {len(boards)} boards: {min(board.accuracy for board in boards):.1%}")

project = diodeq.kicad_project(run.circuit, "iris")  # schematic, routed board, parts list, libraries
project.save("iris")
print(f"open iris/{project.built.name}.kicad_pro in KiCad")
