"""The PyTorch layer: exact gradients, state dicts, and training between ordinary layers."""

from dataclasses import replace

import numpy as np
import pytest

from circuits import CIRCUITS, DRIVES, plain
from diodeq.analysis.extract import kernel_of
from diodeq.errors import InputError
from diodeq.network.weights import load, save
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


@pytest.mark.parametrize("name", ["lateral", "everything", "transformer"])
def test_the_extracted_network_as_a_module(name):
    """The circuit's outputs, and gradients of weights and inputs as differences have them."""
    circuit = CIRCUITS[name]()
    drives = np.concatenate([DRIVES, DRIVES[:, :1]], axis=1)[:2, : len(circuit.inputs)]
    module = layer_module.EquilibriumNetwork(kernel_of(circuit).network())
    inputs = torch.from_numpy(drives.copy()).requires_grad_()
    with create("wave") as engine:
        np.testing.assert_allclose(module(inputs).detach(), engine.operate(circuit, drives).outputs, rtol=0, atol=1e-8)
    names = [key for key, _ in module.named_parameters()]

    def settled(given, *weights):
        return torch.func.functional_call(module, dict(zip(names, weights, strict=True)), (given,))

    assert torch.autograd.gradcheck(settled, (inputs, *module.parameters()), eps=1e-5, atol=1e-6, rtol=1e-4)


def test_a_network_trained_in_pytorch_is_a_network_again(tmp_path):
    module = layer_module.EquilibriumNetwork(kernel_of(plain()).network())
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    wanted = torch.from_numpy(DRIVES[:, :2].copy())
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = (module(torch.from_numpy(DRIVES)) - wanted).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    save(module.network, tmp_path / "n.npz")
    again = layer_module.EquilibriumNetwork(load(tmp_path / "n.npz"))
    assert torch.equal(again(torch.from_numpy(DRIVES)), module(torch.from_numpy(DRIVES)))
    cube = module(torch.from_numpy(DRIVES).reshape(2, 2, 3).float())
    assert cube.shape == (2, 2, 2)
    assert cube.dtype == torch.float32
