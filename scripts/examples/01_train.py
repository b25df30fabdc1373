"""Train a circuit on flowers, and ask it about two."""

import diodeq

run = diodeq.train("iris", epochs=10, seed=0)
print(f"{len(run.circuit.resistors)} resistors and {len(run.circuit.diodes)} diodes")
print(f"{run.accuracy:.1%} of {len(run.data.y_test)} held-out flowers are right")

flowers = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]  # centimetres
for scores in diodeq.simulate(run.circuit, flowers, simulator="ngspice"):
    print(run.data.classes[scores.argmax()], scores.round(2))

diodeq.save(run.circuit, "iris.npz")
diodeq.export(run.circuit, "ltspice", "iris.net")
