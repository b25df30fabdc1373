"""The one representation of a circuit: immutable, columnar, one bank of arrays per element kind.

There is no object per part: a million resistors are two arrays. A transformation is a function from a circuit to a
new circuit; arrays are read-only and shared wherever they did not change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from diodeq.arrays import real, scalar, whole
from diodeq.circuit.bank import Bank, Bools, Floats, Ints, bank, frozen, restore
from diodeq.circuit.inputs import Inputs, Units
from diodeq.circuit.kinds import KINDS, learn, nonlinear_kinds, source_kinds
from diodeq.devices import Model
from diodeq.errors import CircuitError
from diodeq.printable import counted

if TYPE_CHECKING:
    from pathlib import Path

    import networkx


def _sorted_out(banks: Mapping[str, Bank]) -> tuple[dict[str, Any], dict[str, Bank]]:
    """Banks by kind as those that are fields of a circuit and the others."""
    fields = Circuit.__dataclass_fields__
    return (
        {kind: parts for kind, parts in banks.items() if kind in fields},
        {kind: parts for kind, parts in banks.items() if kind not in fields},
    )


@dataclass(frozen=True, eq=False)
class Circuit:
    """A circuit: banks of elements between named nodes, its driven inputs and its measured outputs.

    Args:
        nodes: node names; ``nodes[0]`` is ground and is called ``"0"``.
        resistors … mirrors: one ``Bank`` per kind (laws and signs: the comment above ``KINDS``).
        others: the banks of further kinds of ``KINDS`` by name.
        models: the one-port models that ``diodes.values`` number.
        inputs: the driven ports.
        outputs: int32[n_out, 2], an output is ``v(first) - v(second)``.
        output_names: one name per output.
        trainable: bool[n_resistors], which conductances a learning rule may change.
        units: how user's numbers become volts and back; volts themselves by default.
        temperature: in °C.
        title: one line. notes: sentences about the circuit (how it was made, what is certified), printed in netlists.

    Arrays are read-only. Build checks shapes only; ``diodeq.circuit.check`` says whether the circuit is sound.

    Raises:
        CircuitError: shapes or index ranges do not fit.
    """

    nodes: tuple[str, ...]
    resistors: Bank = field(default_factory=partial(bank, "resistors"))
    diodes: Bank = field(default_factory=partial(bank, "diodes"))
    voltage_sources: Bank = field(default_factory=partial(bank, "voltage_sources"))
    current_sources: Bank = field(default_factory=partial(bank, "current_sources"))
    transformers: Bank = field(default_factory=partial(bank, "transformers"))
    gyrators: Bank = field(default_factory=partial(bank, "gyrators"))
    buffers: Bank = field(default_factory=partial(bank, "buffers"))
    mirrors: Bank = field(default_factory=partial(bank, "mirrors"))
    others: Mapping[str, Bank] = field(default_factory=dict)
    models: tuple[Model, ...] = ()
    inputs: Inputs = field(default_factory=Inputs.none)
    outputs: Ints = field(default_factory=lambda: np.zeros((0, 2), np.int32))
    output_names: tuple[str, ...] = ()
    trainable: Bools | None = None
    units: Units | None = None
    temperature: float = 27.0
    title: str = "circuit"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        put = object.__setattr__
        self._number_models()
        outputs = np.ascontiguousarray(whole("the outputs", self.outputs))
        # Reshaping makes another array, and circuits of one topology share theirs.
        put(self, "outputs", frozen(outputs if outputs.shape[1:] == (2,) else outputs.reshape(-1, 2)))
        if not self.output_names:
            put(self, "output_names", tuple(f"y{k}" for k in range(len(self.outputs))))
        trainable = np.zeros(len(self.resistors), bool) if self.trainable is None else self.trainable
        put(self, "trainable", frozen(np.ascontiguousarray(whole("the trainable flags", trainable, np.bool_))))
        put(self, "temperature", scalar("the temperature", self.temperature))
        if self.units is None:
            put(self, "units", Units(np.zeros(len(self.inputs)), np.ones(len(self.inputs))))
        self._fits()

    def __getstate__(self) -> dict[str, Any]:
        # Another process would take the parts of kinds that it does not know for none.
        return {**self.__dict__, "kinds": {kind: spec for kind, spec in KINDS.items() if kind in self.others}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        learn(state.pop("kinds"))
        restore(self, state)

    def _number_models(self) -> None:
        """Values that number models become integers, all others real numbers."""
        changed = {}
        for kind, spec in KINDS.items():
            values = self.bank(kind).values
            if (values.dtype.kind == "i") == spec.nonlinear or not np.all(values % 1 == 0):
                continue  # `_fits` refuses numbers of models that are not whole
            changed[kind] = self.bank(kind).with_values(values.astype(np.int32 if spec.nonlinear else np.float64))
        if changed:
            fields, others = _sorted_out(changed)
            self.__dict__.update(fields, others={**self.others, **others})

    def _fits(self) -> None:
        def demand(fits: Any, what: str) -> None:
            if not fits:
                raise CircuitError(
                    f"circuit {self.title!r} does not fit together: {what}", "build it again from its parts"
                )

        demand(self.nodes[:1] == ("0",), "the first node must be ground and be called '0'")
        count = len(self.nodes)
        for kind, spec in KINDS.items():
            parts = self.bank(kind)
            shaped = parts.terminals.shape == (*parts.values.shape, len(spec.terminals))
            demand(shaped, f"{kind} need terminals of shape (n, k)")
            demand(not parts.names or len(parts.names) == len(parts), f"{kind} need one name a part")
            counts = [n for _, n in parts.groups] or [len(parts)]
            demand(min(counts) >= 0 and sum(counts) == len(parts), f"{kind} groups must cover them")
            inside = parts.terminals.size == 0 or (parts.terminals.min() >= 0 and parts.terminals.max() < count)
            demand(inside, f"{kind} name a node that does not exist")
        alike = all(hasattr(model, "spice_name") for model in self.models)
        demand(alike, "models must be one-ports, as catalogue.get('1N4148') is")
        for kind in nonlinear_kinds():
            which = self.bank(kind).values
            known = which.dtype.kind == "i" and np.all((which >= 0) & (which < len(self.models)))
            demand(known, f"{kind} name an unknown model")
        demand(set(self.others) <= KINDS.keys() - self.__dict__.keys(), "others has a kind that does not belong there")
        demand(self.outputs.size == 0 or (self.outputs.min() >= 0 and self.outputs.max() < count), "outputs are off")
        demand(len(self.output_names) == len(self.outputs), "one name an output")
        demand(self.mask.shape == self.resistors.values.shape, "trainable needs one flag a resistor")
        driven, sources = self.inputs, self.sources
        demand(len(driven.source) == len(driven.column) == len(driven.gain), "inputs need equal lengths")
        demand(np.all((driven.source >= 0) & (driven.source < sources)), "inputs drive a source that does not exist")
        demand(np.all((driven.column >= 0) & (driven.column < len(driven))), "inputs name a column that does not exist")
        units, targets = self.scaling, (self.scaling.target_offset, self.scaling.target_scale)
        demand(units.offset.shape == units.scale.shape == (len(driven),), "units need one scale an input")
        shapes = {each.shape if each is not None else None for each in targets}
        demand(shapes <= {None} or shapes == {(len(self.outputs),)}, "units of targets need one scale an output")
        demand(targets[1] is None or np.all(targets[1] > 0.0), "scales of targets are above 0")

    def bank(self, kind: str) -> Bank:
        """The bank of one kind, a key of ``KINDS``."""
        found: Bank | None = self.__dict__.get(kind, self.others.get(kind))
        return bank(kind) if found is None else found

    def with_banks(self, banks: Mapping[str, Bank], **changes: Any) -> Circuit:
        """The circuit with other banks of some kinds, and other fields."""
        fields, others = _sorted_out(banks)
        return replace(self, **fields, others={**self.others, **others}, **changes)

    @staticmethod
    def of_banks(banks: Mapping[str, Bank], **fields: Any) -> Circuit:
        """A circuit from banks by kind and its other fields."""
        found, others = _sorted_out(banks)
        return Circuit(**found, others=others, **fields)

    def part_names(self, kind: str) -> Sequence[str]:
        """The names of the parts of a bank, given or generated."""
        parts = self.bank(kind)
        return parts.names or [f"{KINDS[kind].prefix}{i}" for i in range(1, len(parts) + 1)]

    @property
    def mask(self) -> Bools:
        """bool[n_resistors]: which conductances are trainable."""
        assert self.trainable is not None
        return self.trainable

    @cached_property
    def trainable_alone(self) -> bool:
        """Whether all conductances are trainable."""
        return bool(self.mask.all())

    @property
    def scaling(self) -> Units:
        """How the user's numbers become volts and back."""
        assert self.units is not None
        return self.units

    @property
    def conductances(self) -> Floats:
        """float64[n_resistors], siemens."""
        return self.resistors.values

    def with_conductances(self, conductances: ArrayLike) -> Circuit:
        """The same circuit with other conductances, float64[n_resistors] in siemens; everything else is shared."""
        return self.with_values("resistors", conductances)

    def with_values(self, kind: str, values: ArrayLike) -> Circuit:
        """The same circuit with other values in one bank, float64[n] or numbers of models; everything else is shared.

        A read-only array is shared too, any other is copied.
        """
        parts = self.bank(kind)
        new = (whole if parts.values.dtype.kind == "i" else real)(f"the values of {kind}", values)
        if new.shape != parts.values.shape:
            raise CircuitError(f"{new.shape} values given for the {kind}", f"the circuit has {len(parts)} of them")
        clone = object.__new__(Circuit)
        fields, others = _sorted_out({kind: parts.with_values(new)})
        clone.__dict__.update(self.__dict__, **fields, others={**self.others, **others})
        return clone

    def same_topology(self, other: Circuit) -> bool:
        """Whether ``other`` has this circuit's nodes, terminals and ports; at once where it shares them."""
        pairs = zip(self._wired(), other._wired(), strict=True)
        return self.nodes == other.nodes and all(a is b or np.array_equal(a, b) for a, b in pairs)

    @property
    def sources(self) -> int:
        """How many independent sources there are."""
        return sum(len(self.bank(kind)) for kind in source_kinds())

    def same_one_ports(self, other: Circuit) -> bool:
        """Whether ``other``'s nonlinear one-ports follow the same laws as this circuit's."""
        if (self.models, self.temperature) != (other.models, other.temperature):
            return False
        return all(np.array_equal(self.bank(k).values, other.bank(k).values) for k in nonlinear_kinds())

    def _wired(self) -> list[Ints | Floats]:
        driven = self.inputs
        return [driven.source, driven.column, driven.gain, self.outputs, *(self.bank(k).terminals for k in KINDS)]

    def input_rows(self, what: str, rows: ArrayLike) -> Floats:
        """Rows float64[B, n_in], or one of them, of ``what`` is given for the inputs; raises ``CircuitError`` where
        they are no numbers or the columns are not the inputs."""
        found = np.atleast_2d(real(what, rows))
        if found.ndim != 2:
            raise CircuitError(f"{what} have shape {found.shape}", "give one row a sample and one column an input")
        if found.shape[1] != len(self.inputs):
            raise CircuitError(
                f"{counted(found.shape[1], 'input column')} for circuit {self.title!r}, not {len(self.inputs)}",
                "give one column per input",
            )
        return found

    def source_values(self, drives: ArrayLike) -> Floats:
        """float64[B, n_sources] for input volts (or amperes) ``drives`` float64[B, n_in], kind by kind in the order of
        ``source_kinds``.

        Raises:
            CircuitError: the columns are not the inputs, or a value is not finite.
        """
        return self.values_at(self.input_volts(drives))

    def input_volts(self, drives: ArrayLike) -> Floats:
        """What is given as input volts (or amperes), float64[B, n_in].

        Raises:
            CircuitError: the columns are not the inputs, or a value is not finite.
        """
        volts = self.input_rows("the input volts", drives)
        bad = [] if np.isfinite(volts).all() else np.argwhere(~np.isfinite(volts)).tolist()
        if bad:
            row, column = bad[0]
            raise CircuitError(
                f"input {self.inputs.names[column]} of sample {row} is {volts[row, column]}, which is no voltage",
                "give finite input volts",
                sample=row,
            )
        return volts

    def values_at(self, volts: Floats) -> Floats:
        """``source_values`` for some rows of ``input_volts``."""
        constant = np.concatenate([self.bank(kind).values for kind in source_kinds()])
        return self.inputs.drive(constant, volts)

    def read_outputs(self, node_voltages: Floats) -> Floats:
        """Output volts float64[B, n_out] from node voltages float64[B, N]."""
        return node_voltages[:, self.outputs[:, 0]] - node_voltages[:, self.outputs[:, 1]]

    def output_injections(self, gradient: Floats) -> Floats:
        """Node currents float64[B, N] that inject ``gradient`` float64[B, n_out] at the outputs."""
        currents = np.zeros((len(gradient), len(self.nodes)), gradient.dtype)
        np.add.at(currents.T, self.outputs[:, 0], gradient.T)
        np.subtract.at(currents.T, self.outputs[:, 1], gradient.T)
        return currents

    def graph(self) -> networkx.MultiGraph:
        """The circuit as a networkx multigraph: node names, one edge per port, keys are part names."""
        from diodeq.circuit.graph import build

        return build(self)

    def __repr__(self) -> str:
        named = ((self.nodes, "node"), (self.resistors, "resistor"), (self.diodes, "diode"))
        return f"<Circuit {self.title!r}: {', '.join(counted(len(some), noun) for some, noun in named)}>"

    def _repr_html_(self) -> str:
        from diodeq.circuit.html import summary

        return summary(self)

    def to_pyspice(self) -> Any:
        """The circuit as a ``PySpice.Spice.Netlist.Circuit`` with its inputs at 0 V."""
        from diodeq.circuit.pyspice import convert

        return convert(self)

    def _repr_svg_(self) -> str:
        """The picture a notebook shows: `diodeq.circuit.schematic`."""
        from diodeq.circuit.schematic import svg

        return svg(self)

    def save(self, path: str | Path) -> None:
        """Write the circuit to ``path`` (.npz, no pickle), atomically."""
        from diodeq.circuit.storage import save

        save(self, path)

    @staticmethod
    def load(path: str | Path) -> Circuit:
        """Read a circuit written by ``save``; raises ``InputError`` for anything else."""
        from diodeq.circuit.storage import load

        return load(path, Circuit.of_banks)
