"""Train reference networks on scikit-learn's digits with PyTorch: a monotone equilibrium network and an MLP.

Writes digits-mondeq.npz (keys A0 P0 m0 U0 b0 U1 b1), digits-mlp.npz (U0 b0 U1 b1 U2 b2), digits-mon.npz (a smaller
equilibrium network under the keys that Winston and Kolter's own state dicts have, U.weight A.weight B.weight, and m),
and the held-out quarter as digits-X.csv (64 features, the grey levels 0…16) and digits-test.csv (the same with the
label in the last column); with --training the other three quarters as digits-train.csv too. The
networks train on levels scaled to 0…1; the files' U0 has that scale in it, so that they take the data as it is.
The printed accuracies are those of diodeq's own reference solution of the written files, on samples never trained on.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from diodeq.cli.main import plainly
from diodeq.files import write_atomically
from diodeq.network import certify_network, solve, weights

MARGIN = 0.5
"""The monDEQ's m: the least conductance of its circuit's units to ground, in units of an isolated unit's."""

LEVELS = 16.0
"""The largest grey level."""

STEPS = 60  # splitting iterations of the forward pass; 1e-8 or better at this margin


class Equilibrium(nn.Module):
    """``z = relu(W z + U x + b)`` with ``W = (1 - m) I - AᵀA + P - Pᵀ`` (Winston and Kolter 2020)."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.drive = nn.Linear(inputs, units)
        self.A = nn.Parameter(torch.randn(units, units) * 0.5 / math.sqrt(units))
        self.P = nn.Parameter(torch.randn(units, units) * 0.5 / math.sqrt(units))

    def recurrent(self) -> Tensor:
        eye = torch.eye(len(self.A))
        return (1.0 - MARGIN) * eye - self.A.T @ self.A + self.P - self.P.T

    def forward(self, x: Tensor) -> Tensor:
        W, drive = self.recurrent(), self.drive(x)
        with torch.no_grad():
            z = _equilibrium(W, drive)
        # One more application carries the derivatives; the hook turns those at fixed z into those of the equilibrium.
        out = torch.relu(z @ W.T + drive)
        if out.requires_grad:
            slopes = (out > 0).to(out.dtype).detach()
            matrix = torch.eye(len(W)) - W.T.detach() * slopes[:, None, :]
            out.register_hook(lambda gradient: torch.linalg.solve(matrix, gradient))
        return out


def _equilibrium(W: Tensor, drive: Tensor) -> Tensor:
    """Peaceman–Rachford splitting, as in ``diodeq.network.solve``."""
    eye = torch.eye(len(W))
    H = eye - W
    alpha = 1.0 / math.sqrt(MARGIN * float(torch.linalg.matrix_norm(H, 2)))
    inverse = torch.linalg.inv(eye + alpha * H).T
    u = torch.zeros_like(drive)
    for _ in range(STEPS):
        reflected = 2.0 * torch.relu(u) - u
        u = 2.0 * (reflected + alpha * drive) @ inverse - reflected
    return torch.relu(u)


def train(model: nn.Module, x: Tensor, y: Tensor, epochs: int, rate: float, decay: float, noise: float) -> None:
    """Adam with decoupled weight decay and a cosine schedule; every batch is shifted and blurred by noise anew."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)
    batches = math.ceil(len(x) / 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * batches)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(64):
            seen = augmented(x[rows], noise)
            loss = nn.functional.cross_entropy(model(seen), y[rows], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def augmented(x: Tensor, noise: float) -> Tensor:
    """Half the images as they are, the others moved by one pixel at most; all with some noise."""
    images = nn.functional.pad(x.reshape(-1, 8, 8), (1, 1, 1, 1))
    down, right = torch.randint(0, 3, (2, len(x), 1, 1))
    still = torch.rand(len(x), 1, 1) < 0.5
    rows = torch.where(still, 1, down) + torch.arange(8)[:, None]
    columns = torch.where(still, 1, right) + torch.arange(8)[None, :]
    moved = images[torch.arange(len(x))[:, None, None], rows, columns].reshape(len(x), -1)
    return moved + noise * torch.randn_like(moved)


def arrays_of(model: nn.Sequential) -> dict[str, np.ndarray]:
    """The model's weights under diodeq's keys."""
    found: dict[str, np.ndarray] = {}
    layers = [layer for layer in model if not isinstance(layer, nn.ReLU)]
    for k, layer in enumerate(layers):
        linear = layer.drive if isinstance(layer, Equilibrium) else layer
        if isinstance(layer, Equilibrium):
            found |= {f"A{k}": _numpy(layer.A), f"P{k}": _numpy(layer.P), f"m{k}": np.array(MARGIN)}
        weight = _numpy(linear.weight) / (LEVELS if k == 0 else 1.0)
        found |= {f"U{k}": weight, f"b{k}": _numpy(linear.bias)}
    return found


def as_authors(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """An equilibrium layer and its read-out under the names of Winston and Kolter's state dicts."""
    named = {"U0": "U.weight", "b0": "U.bias", "A0": "A.weight", "P0": "B.weight", "m0": "m"}
    return {
        named.get(key, {"U1": "Wout.weight", "b1": "Wout.bias"}.get(key, key)): each for key, each in arrays.items()
    }


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Atomically; diodeq itself writes W rather than A, P and m."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def _numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy()


def evaluated(path: Path, x: np.ndarray, y: np.ndarray, x_train: np.ndarray, y_train: np.ndarray) -> dict[str, object]:
    """What the written file computes, by diodeq's reference solution in float64."""
    network = weights.load(path, "relu" if path.stem.endswith("-mon") else None)
    held_out, seen = solve(network, x), solve(network, x_train)
    certificate = certify_network(network)
    return {
        "file": str(path),
        "widths": list(network.widths),
        "test_accuracy": float(np.mean(held_out.outputs.argmax(axis=1) == y)),
        "train_accuracy": float(np.mean(seen.outputs.argmax(axis=1) == y_train)),
        "margin": certificate.margin,
        "residual": held_out.residual,
        "largest_weight": max(
            float(np.abs(w).max()) for stage in network.stages for w in (stage.U, stage.b, stage.W) if w is not None
        ),
    }


def csv_text(*columns: np.ndarray) -> str:
    """One row a sample, shortest spelling of every number."""
    return "".join(",".join(f"{value:.17g}" for value in row) + "\n" for row in np.column_stack(columns))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/reference"), help="folder (default: build/reference)")
    parser.add_argument("--seed", type=int, default=0, help="of the split and the training (default: 0)")
    parser.add_argument("--training", action="store_true", help="write the samples that the networks learn as well")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of sentences")
    options = parser.parse_args()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)  # matrices this small only wait for each other
    options.out.mkdir(parents=True, exist_ok=True)

    digits = load_digits()
    x_train, x_test, y_train, y_test = train_test_split(
        digits.data, digits.target, test_size=0.25, stratify=digits.target, random_state=options.seed
    )
    write_atomically(options.out / "digits-X.csv", csv_text(x_test))
    write_atomically(options.out / "digits-test.csv", csv_text(x_test, y_test))
    if options.training:
        write_atomically(options.out / "digits-train.csv", csv_text(x_train, y_train))
    recipes = {
        "mondeq": (lambda: nn.Sequential(Equilibrium(64, 64), nn.Linear(64, 10)), 60),
        "mon": (lambda: nn.Sequential(Equilibrium(64, 40), nn.Linear(40, 10)), 60),
        "mlp": (lambda: nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)), 200),
    }
    document: dict[str, object] = {"seed": options.seed, "train": len(x_train), "test": len(x_test)}
    for name, (build, epochs) in recipes.items():
        started = time.perf_counter()
        torch.manual_seed(options.seed)
        model = build()
        train(model, torch.tensor(x_train / LEVELS), torch.tensor(y_train), epochs, rate=1e-2, decay=1e-2, noise=0.1)
        path = options.out / f"digits-{name}.npz"
        arrays = arrays_of(model)
        write_npz(path, as_authors(arrays) if name == "mon" else arrays)
        result = evaluated(path, x_test, y_test, x_train, y_train)
        result |= {"epochs": epochs, "seconds": round(time.perf_counter() - started, 1)}
        document[name] = result
        if not options.json:
            widths = "-".join(map(str, result["widths"]))
            print(
                f"{path}: {widths}, held-out accuracy {result['test_accuracy']:.2%} of {len(x_test)}, training "
                f"{result['train_accuracy']:.2%}, margin {result['margin']:.3g}, {result['seconds']} s"
            )
    if options.json:
        json.dump(document, sys.stdout, indent=2)
        print()


if __name__ == "__main__":
    sys.exit(plainly(main))
