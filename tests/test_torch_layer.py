"""The PyTorch layer: exact gradients, state dicts, and training between ordinary layers."""

from dataclasses import replace

import numpy as np
import pytest

from circuits import CIRCUITS, DRIVES, plain
from diodeq.errors import InputError
from diodeq.simulators import create

torch = pytest.importorskip("torch")
layer_module = pytest.importorskip("diodeq.torch")


@pytest.fixture(scope="module")
def engines(ngspice):
    with create("wave") as wave:
        yield {"wave": wave, "ngspice": ngspice}


def volts(rows=2):
    return torch.from_numpy(DRIVES[:rows].copy()).requires_grad_()


@pytest.mark.parametrize("name", CIRCUITS)
@pytest.mark.parametrize("engine", ["wave", "ngspice"])
def test_gradcheck(name, engine, engines):
    layer = layer_module.CircuitLayer(CIRCUITS[name](), engines[engine])
    step = 1e-5 if engine == "wave" else 1e-3
    inputs = volts(1)
    assert torch.autograd.gradcheck(layer, (inputs,), eps=step, atol=1e-6, rtol=1e-4)
    if engine == "wave":
        held = inputs.detach()

        def by_logarithms(logarithms):
            return torch.func.functional_call(layer, {"log_conductances": logarithms}, (held,))

        assert torch.autograd.gradcheck(by_logarithms, (layer.log_conductances,), eps=step, atol=1e-6, rtol=1e-4)


def test_outputs_and_shapes(engines):
    circuit = plain()
    layer = layer_module.CircuitLayer(circuit, engines["wave"])
    expected = engines["wave"].operate(circuit, DRIVES).outputs
    assert np.abs(layer(torch.from_numpy(DRIVES)).detach().numpy() - expected).max() < 1e-12
    cube = layer(torch.from_numpy(DRIVES).reshape(2, 2, 3).float())
    assert cube.shape == (2, 2, 2)
    assert cube.dtype == torch.float32


def test_state_dicts(engines, tmp_path):
    layer = layer_module.CircuitLayer(plain(), engines["wave"])
    with torch.no_grad():
        layer.log_conductances += 0.5
    torch.save(layer.state_dict(), tmp_path / "layer.pt")
    other = layer_module.CircuitLayer(plain(), engines["wave"])
    other.load_state_dict(torch.load(tmp_path / "layer.pt", weights_only=True))
    assert torch.equal(layer(volts()), other(volts()))
    assert np.allclose(layer.circuit.conductances, plain().conductances * np.exp(0.5))


def test_some_resistors_may_be_fixed(engines):
    circuit = plain()
    mask = np.arange(len(circuit.resistors)) % 3 == 0
    layer = layer_module.CircuitLayer(replace(circuit, trainable=mask), engines["wave"])
    layer(volts()).square().sum().backward()
    whole = layer_module.CircuitLayer(circuit, engines["wave"])
    whole(volts()).square().sum().backward()
    assert torch.allclose(layer.log_conductances.grad, whole.log_conductances.grad[torch.from_numpy(mask)])
    with pytest.raises(InputError, match="no trainable resistor"):
        layer_module.CircuitLayer(replace(circuit, trainable=None))


def test_a_hybrid_network_learns(engines):
    """Linear, circuit, Linear: every part gets its gradient and the loss falls."""
    torch.manual_seed(0)
    x = torch.randn(64, 5)
    y = (x[:, 0] * x[:, 1] > 0).long()
    layer = layer_module.CircuitLayer(plain(), engines["wave"])
    net = torch.nn.Sequential(torch.nn.Linear(5, 3), layer, torch.nn.Linear(2, 2))
    with torch.no_grad():
        net[0].weight *= 5
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    losses = []
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert all(torch.count_nonzero(p.grad) for p in net.parameters())
    assert losses[-1] < 0.8 * losses[0]
