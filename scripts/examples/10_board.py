"""From a trained circuit to what one orders: values of E24, boards off by 5 %, a KiCad project."""

import diodeq
from diodeq.board import build
from diodeq.files import write_folder

run = diodeq.train("iris", parts=40, power=1e-3, quantize="E24", epochs=20)
print(f"{len(run.circuit.resistors)} resistors of E24: {run.accuracy:.1%} of the held-out flowers")

boards = diodeq.monte_carlo(run.circuit, run.data.x_test, run.data.y_test, boards=10, variation="tolerance=5%")
print(f"the worst of {len(boards)} boards: {min(board.accuracy for board in boards):.1%}")

made = build(run.circuit, "iris")  # what diodeq board writes: schematic, routed board, parts list, libraries
write_folder("iris", made.files)
print(f"open iris/{made.name}.kicad_pro in KiCad")
