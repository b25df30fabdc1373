"""A PyTorch network with a circuit in the middle: settled forwards, linearized backwards. Needs torch."""

import torch
from sklearn.datasets import load_digits

import diodeq
from diodeq.torch import CircuitLayer

torch.manual_seed(0)
x, y = (torch.tensor(each[:400]) for each in load_digits(return_X_y=True))
x = x / 4
net = torch.nn.Sequential(
    torch.nn.Linear(64, 8, dtype=torch.float64),
    CircuitLayer(diodeq.layered((8, 16, 8))),  # 8 voltages in, 8 out
    torch.nn.Linear(8, 10, dtype=torch.float64),
)
loss, adam = torch.nn.CrossEntropyLoss(), torch.optim.Adam(net.parameters(), lr=0.03)
for epoch in range(3):
    for batch in torch.randperm(300).split(50):
        adam.zero_grad()
        loss(net(x[batch]), y[batch]).backward()
        adam.step()
    right = (net(x[300:]).argmax(dim=1) == y[300:]).double().mean().item()
    print(f"epoch {epoch + 1}: {right:.0%} of 100 held-out digits")
