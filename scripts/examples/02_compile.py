"""Compile a network that was trained in scikit-learn, and see what becomes of its decisions."""

from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

import diodeq

x, y = load_iris(return_X_y=True)
x = StandardScaler().fit_transform(x)
mlp = MLPClassifier((8,), solver="lbfgs", alpha=0.1, max_iter=1000, random_state=0).fit(x, y)

(U0, U1), (b0, b1) = mlp.coefs_, mlp.intercepts_  # scikit-learn's weights are inputs by outputs
network = diodeq.Network([diodeq.Stage(U0.T, b0), diodeq.Stage(U1.T, b1, activation="identity")])
compiled = diodeq.compile(network, diode="1N4148", inputs=x)
print([stage.realization for stage in compiled.report.stages], f"{len(compiled.circuit.resistors)} resistors")

found = diodeq.verify(compiled.circuit, network, x[::5], y[::5])
for level, accuracy in found.score().items():
    print(f"{level:<8} {accuracy:.1%}")
