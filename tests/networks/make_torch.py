"""Writes PyTorch's networks by both of its exporters: ``python make_torch.py [NAME …]``, with onnxruntime."""

from __future__ import annotations

import sys
import warnings

import torch
from table import HERE, Table, onnxruntime_outputs, short
from torch import nn

warnings.simplefilter("ignore")
table = Table("torch")
torch.manual_seed(0)
BY = f"PyTorch {torch.__version__}"


class Lambda(nn.Module):
    """A function of a module's own parts."""

    def __init__(self, forward, **parts):
        super().__init__()
        self._of = forward
        for name, part in parts.items():
            if isinstance(part, torch.Tensor):
                self.register_buffer(name, part)
            else:
                self.add_module(name, part)

    def forward(self, x):
        return self._of(self, x)


def settled(module):
    """In evaluation mode, with statistics that are not the initial ones."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.running_mean.normal_(0, 0.5)
            part.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias)
    return module.eval()


def mlp(activation, *more, bias=True):
    return nn.Sequential(nn.Linear(3, 4, bias=bias), activation, *more, nn.Linear(4, 2))


V, IMAGE = (3,), (2, 6, 6)
MEAN, STD = torch.tensor([0.3, -0.2, 1.0]), torch.tensor([0.5, 2.0, 1.5])


def lenet(pool):
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.ReLU(), pool, nn.Flatten(), nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 2)
    )


def residual(outside):
    return Lambda(
        lambda m, x: m.last(torch.relu(m.b(torch.relu(m.a(x))) + x) if outside else m.b(torch.relu(m.a(x))) + x),
        a=nn.Linear(3, 4),
        b=nn.Linear(4, 3),
        last=nn.Linear(3, 2),
    )


def block(m, x):
    x = torch.relu(m.n0(m.stem(x)))
    y = m.n2(m.b(torch.relu(m.n1(m.a(x))))) + m.short(x)
    return m.last(torch.relu(y).mean((2, 3)))


def dense(m, x):
    y = torch.cat([x, torch.relu(m.a(x))], 1)
    return m.b(torch.cat([y, torch.relu(m.c(y))], 1))


READ = {
    "mlp": (mlp(nn.ReLU()), V),
    "tanh": (mlp(nn.Tanh()), V),
    "elu": (mlp(nn.ELU()), V),
    "sigmoid": (mlp(nn.Sigmoid(), nn.Linear(4, 4), nn.Tanh()), V),
    "leaky": (mlp(nn.LeakyReLU(0.2), bias=False), V),
    "prelu": (mlp(nn.PReLU(4)), V),
    "relu6": (mlp(nn.ReLU6()), V),
    "hardtanh": (mlp(nn.Hardtanh(-0.5, 0.25)), V),
    "hardsigmoid": (mlp(nn.Hardsigmoid()), V),
    "norms": (
        nn.Sequential(
            nn.BatchNorm1d(3),
            nn.Linear(3, 4),
            nn.BatchNorm1d(4),
            nn.ReLU(),
            nn.Linear(4, 4),
            nn.ReLU(),
            nn.BatchNorm1d(4),
            nn.Dropout(),
            nn.Linear(4, 2),
        ),
        V,
    ),
    "softmax": (mlp(nn.ReLU()).append(nn.Softmax(1)), V),
    "logsoftmax": (mlp(nn.ReLU()).append(nn.LogSoftmax(-1)), V),
    "argmax": (Lambda(lambda m, x: m.net(x).argmax(1), net=mlp(nn.ReLU())), V),
    "sigmoid-end": (mlp(nn.ReLU()).append(nn.Sigmoid()), V),
    "standardized": (Lambda(lambda m, x: m.net((x - m.mean) / m.std), net=mlp(nn.ReLU()), mean=MEAN, std=STD), V),
    "clamped": (
        Lambda(lambda m, x: m.b(torch.clamp(m.a(x), min=-0.5).clamp(max=0.3)), a=nn.Linear(3, 4), b=nn.Linear(4, 2)),
        V,
    ),
    "extremes": (
        Lambda(
            lambda m, x: m.b(torch.maximum(m.a(x), m.low).abs()),
            a=nn.Linear(3, 4),
            b=nn.Linear(4, 2),
            low=torch.tensor([-1.0, 0.0, 0.5, 0.1]),
        ),
        V,
    ),
    "residual": (residual(True), V),
    "residual-inside": (residual(False), V),
    "dense": (Lambda(dense, a=nn.Linear(3, 2), c=nn.Linear(5, 2), b=nn.Linear(7, 2)), V),
    "heads": (
        Lambda(
            lambda m, x: (m.p(torch.relu(m.a(x))), m.v(torch.relu(m.p(torch.relu(m.a(x)))))),
            a=nn.Linear(3, 4),
            p=nn.Linear(4, 2),
            v=nn.Linear(2, 1),
        ),
        V,
    ),
    "split": (
        Lambda(
            lambda m, x: m.b(torch.cat([torch.relu(h) for h in m.a(x).chunk(2, 1)[::-1]], 1)),
            a=nn.Linear(3, 4),
            b=nn.Linear(4, 2),
        ),
        V,
    ),
    "view": (
        Lambda(
            lambda m, x: m.net(x.view(x.size(0), -1)), net=nn.Sequential(nn.Linear(72, 4), nn.ReLU(), nn.Linear(4, 2))
        ),
        IMAGE,
    ),
    "permuted": (
        Lambda(
            lambda m, x: m.net(x.permute(0, 2, 3, 1).flatten(1)),
            net=nn.Sequential(nn.Linear(72, 4), nn.ReLU(), nn.Linear(4, 2)),
        ),
        IMAGE,
    ),
    "conv": (lenet(nn.AvgPool2d(2)), IMAGE),
    "conv-padded": (
        nn.Sequential(
            nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2),
            nn.LeakyReLU(),
            nn.AvgPool2d(3, 2, 1, count_include_pad=False),
            nn.Flatten(),
            nn.Linear(16, 2),
        ),
        IMAGE,
    ),
    "conv-ceil": (
        nn.Sequential(
            nn.Conv2d(2, 2, (1, 3), dilation=(1, 2), bias=False),
            nn.ReLU(),
            nn.AvgPool2d(2, 3, ceil_mode=True),
            nn.Flatten(),
            nn.LazyLinear(2),
        ),
        IMAGE,
    ),
    "conv-adaptive": (
        nn.Sequential(
            nn.Conv2d(2, 4, 3, padding="same"),
            nn.BatchNorm2d(4),
            nn.ReLU6(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 2),
        ),
        IMAGE,
    ),
    "conv-zeros": (
        nn.Sequential(
            nn.ZeroPad2d((1, 0, 2, 1)), nn.Conv2d(2, 2, 4, stride=3), nn.Tanh(), nn.Flatten(), nn.LazyLinear(2)
        ),
        IMAGE,
    ),
    "conv1d": (nn.Sequential(nn.Conv1d(2, 3, 3), nn.ReLU(), nn.AvgPool1d(2), nn.Flatten(), nn.Linear(9, 2)), (2, 8)),
    "resnet": (
        Lambda(
            block,
            stem=nn.Conv2d(2, 3, 3),
            n0=nn.BatchNorm2d(3),
            a=nn.Conv2d(3, 2, 3, padding=1),
            n1=nn.BatchNorm2d(2),
            b=nn.Conv2d(2, 4, 1),
            n2=nn.BatchNorm2d(4),
            short=nn.Conv2d(3, 4, 1),
            last=nn.Linear(4, 2),
        ),
        IMAGE,
    ),
    "weight-norm": (
        nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)), nn.ReLU(), nn.Linear(4, 2)),
        V,
    ),
    "upsampled": (
        nn.Sequential(nn.Conv2d(2, 1, 5), nn.ReLU(), nn.ConvTranspose2d(1, 1, 2), nn.Flatten(), nn.Linear(9, 2)),
        IMAGE,
    ),
}
REFUSED = {
    "softshrink": (mlp(nn.Softshrink(0.1)), V, "Sign|Greater"),
    "two-kinds": (
        Lambda(
            lambda m, x: m.p(torch.relu(m.a(x))) + m.v(torch.tanh(m.a(x))),
            a=nn.Linear(3, 4),
            p=nn.Linear(4, 2),
            v=nn.Linear(4, 2),
        ),
        V,
        "passes its tanh",
    ),
    "maxpool": (lenet(nn.MaxPool2d(2)), IMAGE, "MaxPool"),
    "layernorm": (mlp(nn.ReLU(), nn.LayerNorm(4)), V, "LayerNormalization"),
    "gelu": (mlp(nn.GELU()), V, "Gelu"),
    "silu": (mlp(nn.SiLU()), V, "Mul|Swish"),
    "softplus": (mlp(nn.Softplus()), V, "Softplus"),
    "gated": (Lambda(lambda m, x: torch.sigmoid(m.a(x)) * m.b(x), a=nn.Linear(3, 2), b=nn.Linear(3, 2)), V, "Mul"),
    "softmax-inside": (mlp(nn.Softmax(1)), V, "Softmax"),
    "attention": (
        Lambda(lambda m, x: m.a(x, x, x)[0], a=nn.MultiheadAttention(3, 1, batch_first=True)),
        (2, 3),
        "MatMul|Transpose",
    ),
    "lstm": (Lambda(lambda m, x: m.a(x)[0], a=nn.LSTM(3, 2, batch_first=True)), (2, 3), "LSTM|Transpose"),
    "instance": (
        nn.Sequential(nn.Conv2d(2, 2, 3), nn.InstanceNorm2d(2), nn.Flatten(), nn.Linear(32, 2)),
        IMAGE,
        "InstanceNormalization|Reshape",
    ),
}


def export(module, x, name, dynamo):
    path = HERE / f"{name}.onnx"
    axes = (
        {"dynamic_axes": {"x": {0: "batch"}}}
        if not dynamo
        else {"dynamic_shapes": ({0: torch.export.Dim("batch")},), "external_data": False, "verbose": False}
    )
    torch.onnx.export(module, (x,), str(path), input_names=["x"], dynamo=dynamo, **axes)
    return path


def compact(path):
    """Without what the exporter says of itself and its machine."""
    import onnx

    model = onnx.load(str(path))
    for node in [*model.graph.node]:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.metadata_props[:], model.graph.metadata_props[:]
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer]:
        del value.metadata_props[:]
    onnx.save(model, str(path))


def networks(wanted):
    for name, (module, shape, *words) in {**READ, **REFUSED}.items():
        if wanted and name not in wanted:
            continue
        x = short(torch.randn(3, *shape))
        module(x)  # lazy layers learn their sizes
        module = settled(module)
        for dynamo in (True, False):
            full = f"{name}-{'dynamo' if dynamo else 'script'}"
            try:
                path = export(module, x, full, dynamo)
                compact(path)
                y = None if words else onnxruntime_outputs(path, x.numpy())
            except Exception as error:
                print(full, "NOT EXPORTED", type(error), str(error)[:200])
                (HERE / f"{full}.onnx").unlink(missing_ok=True)
                continue
            if words:
                table.refused(path, BY, words[0])
            else:
                table.read(path, BY, x.numpy(), y)


def several_inputs():
    """A policy as game engines ask for it, with a state that it only passes on; and one with two real inputs."""

    class Policy(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = mlp(nn.ReLU())

        def forward(self, obs, state_ins):
            return self.net(obs), state_ins

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(3, 4), nn.Linear(2, 4), nn.Linear(6, 2)

        def forward(self, x, y):
            return self.c(torch.cat([torch.relu(self.a(x) + self.b(y)), y], 1))

    x, y = short(torch.randn(3, 3)), short(torch.randn(3, 2))
    for name, module, second, inputs in [
        ("policy", Policy(), torch.zeros(3, 1), x),
        ("both", Both(), y, torch.cat([x, y], 1)),
    ]:
        path, names = HERE / f"{name}.onnx", ["obs", "state_ins"]
        axes = {key: {0: "batch"} for key in names}
        torch.onnx.export(module.eval(), (x, second), str(path), input_names=names, dynamo=False, dynamic_axes=axes)
        compact(path)
        import onnxruntime

        outputs = onnxruntime.InferenceSession(str(path)).run(None, {"obs": x.numpy(), "state_ins": second.numpy()})
        table.read(path, BY, inputs.numpy(), outputs[0])


def beside():
    """As the newer exporter does by itself: weights in a file beside the model."""
    path, x = HERE / "beside.onnx", short(torch.randn(3, 3))
    torch.onnx.export(mlp(nn.ReLU()).eval(), (x,), str(path), dynamo=True, verbose=False)
    table.read(path, BY, x.numpy(), onnxruntime_outputs(path, x.numpy()))


if __name__ == "__main__":
    networks(sys.argv[1:])
    if not sys.argv[1:]:
        several_inputs()
        beside()
    table.write()
