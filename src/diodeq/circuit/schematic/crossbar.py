"""One layer of a circuit as a crossbar: a line for every node, a resistor at every crossing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from diodeq.circuit.schematic.layers import Layer
from diodeq.circuit.schematic.pen import NODE, OUTPUT, VALUE

if TYPE_CHECKING:
    from diodeq.circuit.schematic.sheet import Sheet

# A crossing of a column with a row takes this much room; a resistor leads from (0, KNEE) on the column to (FOOT, 0).
WIDE, HIGH, KNEE, FOOT = 2.1, 2.5, 1.75, 1.3


@dataclass
class Crossbar:
    """One layer: lines of its rows and of its nodes, a resistor at every crossing, the nodes' other parts after them.

    ``horizontal``: the layer's nodes are horizontal lines and its rows vertical ones, else the other way round.
    ``along``: where the lines of rows that come from the layer before are. ``corner``: where free space begins.
    """

    sheet: Sheet
    layer: Layer
    horizontal: bool
    along: dict[int, float]
    corner: tuple[float, float]
    held: list[tuple[float, float]] = field(default_factory=list)

    def draw(self) -> tuple[dict[int, float], tuple[float, float]]:
        """Draw it; where the nodes' lines are, and the corner from which they go on."""
        layer = self.layer
        x, y = self.corner
        fresh = [node for node in layer.rows if node not in self.along]
        if self.horizontal:
            start = max(self.along.values()) + WIDE if self.along else x
            columns = {node: self.along[node] for node in layer.rows if node in self.along}
            columns |= {node: start + k * WIDE for k, node in enumerate(fresh)}
            rows = {node: y - (k + 1) * HIGH for k, node in enumerate(layer.nodes)}
        else:
            start = min(self.along.values()) - HIGH
            rows = {node: self.along[node] for node in layer.rows if node in self.along}
            rows |= {node: start - k * HIGH for k, node in enumerate(fresh)}
            columns = {node: x + (k + 0.6) * WIDE for k, node in enumerate(layer.nodes)}
        self._crossings(columns, rows)
        mine, other = (rows, columns) if self.horizontal else (columns, rows)
        edge = max(columns.values(), default=x) + WIDE if self.horizontal else min(rows.values(), default=y) - 0.6
        edge = self._shunts(mine, self._within(mine, edge))
        for node, at in mine.items():
            self._line(node, at, edge, columns, rows)
        for node in fresh:
            self._rail(node, other[node])
        if self.held:
            first, last = self.held[0], self.held[-1]
            stub = (first[0] - 1.3, first[1])
            self.sheet.pen.wire(stub, last)
            self.sheet.pen.ground(stub)
        self.sheet.right = max(self.sheet.right, edge if self.horizontal else max(columns.values()))
        return mine, ((edge, y) if self.horizontal else (x, edge))

    def _crossings(self, columns: dict[int, float], rows: dict[int, float]) -> None:
        pen = self.sheet.pen
        ends: dict[int, float] = {}
        for k in self.layer.crossings.tolist():
            pair = self.layer.ends[k].tolist()
            row, column = pair[::-1] if self.horizontal else pair
            x, y = columns[column], rows[row]
            pen.part("Resistor", (x, y + KNEE), (x + FOOT, y))
            pen.dot((x, y + KNEE))
            pen.dot((x + FOOT, y))
            pen.say(self.sheet.ohms(k), (x + 0.68, y + 1.62), color=VALUE)
            source, reach = (column, y + KNEE) if self.horizontal else (row, x + FOOT)
            furthest = min if self.horizontal else max
            ends[source] = furthest(ends.get(source, reach), reach)
        for node, reach in ends.items():
            if self.horizontal:
                pen.wire((columns[node], self.corner[1]), (columns[node], reach))
            else:
                pen.wire((self.corner[0] - (0 if node in self.along else 1.2), rows[node]), (reach, rows[node]))

    def _line(self, node: int, at: float, edge: float, columns: dict[int, float], rows: dict[int, float]) -> None:
        """The line of one of the layer's nodes, with its name at its beginning and outputs at its end."""
        pen, circuit = self.sheet.pen, self.sheet.circuit
        read = [
            name + ("" if minus == 0 or plus == 0 else " +" if node == plus else " −")
            for name, (plus, minus) in zip(circuit.output_names, circuit.outputs.tolist(), strict=True)
            if node in (plus, minus)
        ]
        if self.horizontal:
            begin = min(columns.values(), default=self.corner[0]) - 0.5
            pen.wire((begin, at), (edge, at))
            pen.say(circuit.nodes[node], (begin - 0.2, at), color=NODE, align="right")
            end, beside = (edge, at), (edge + 0.25, at + 0.3)
        else:
            begin = max(rows.values(), default=self.corner[1]) + KNEE + 0.5
            pen.wire((at, begin), (at, edge))
            pen.say(circuit.nodes[node], (at, begin + 0.35), color=NODE, align="center")
            end, beside = (at, edge), (at, edge - 0.45)
        if read:
            pen.dot(end, hollow=True)
            pen.say(", ".join(read), beside, color=OUTPUT, align="left" if self.horizontal else "center")

    def _within(self, mine: dict[int, float], edge: float) -> float:
        """Resistors between two of the layer's nodes, as few lanes as they fit in."""
        pen, sign = self.sheet.pen, 1 if self.horizontal else -1
        lanes: list[list[tuple[float, float]]] = []
        for k in self.layer.within.tolist():
            low, high = sorted((mine[a] for a in self.layer.ends[k].tolist()), reverse=self.horizontal)
            near, far = min(low, high), max(low, high)
            for number, lane in enumerate(lanes):  # noqa: B007
                if all(near >= taken[1] or far <= taken[0] for taken in lane):
                    break
            else:
                number = len(lanes)
                lanes.append([])
            lanes[number].append((near, far))
            text = self.sheet.ohms(k)
            if self.horizontal:
                lane_x = edge + (number + 0.2) * 1.8
                pen.part("Resistor", (lane_x, low), (lane_x, low - HIGH))
                if far - near > HIGH * 1.01:
                    pen.wire((lane_x, low - HIGH), (lane_x, high))
                pen.say(text, (lane_x + 0.3, low - HIGH / 2 - 0.1), color=VALUE)
                ends = [(lane_x, low), (lane_x, high)]
            else:
                lane_y = edge - (number + 0.2) * 1.1
                pen.part("Resistor", (low, lane_y), (low + WIDE, lane_y))
                if far - near > WIDE * 1.01:
                    pen.wire((low + WIDE, lane_y), (high, lane_y))
                pen.say(text, (low + WIDE / 2, lane_y + 0.45), color=VALUE, align="center")
                ends = [(low, lane_y), (high, lane_y)]
            for end in ends:
                pen.dot(end)
        return edge + sign * len(lanes) * (1.8 if self.horizontal else 1.1)

    def _diode(self, k: int) -> str:
        circuit, said = self.sheet.circuit, self.sheet.said("diodes", k)
        return said if circuit.diodes.groups else f"{circuit.part_names('diodes')[k]} {said}"

    def _shunts(self, mine: dict[int, float], edge: float) -> float:
        """Resistors and diodes from the layer's nodes to ground, side by side."""
        pen, circuit = self.sheet.pen, self.sheet.circuit
        taken = dict.fromkeys(mine, 0)
        parts: list[tuple[int, str, str | tuple[str, ...], bool]] = []
        for k, (anode, cathode) in enumerate(circuit.diodes.terminals.tolist()):
            node = anode or cathode
            if node in mine and 0 in (anode, cathode):
                self.sheet.drawn["diodes"].add(k)
                parts.append((node, "Diode", self._diode(k), anode == 0))
        for k in self.layer.shunts.tolist():
            parts.append((int(self.layer.ends[k, 1]), "Resistor", self.sheet.ohms(k), False))
        for node, symbol, text, upward in parts:
            place = taken[node]
            taken[node] += 1
            if self.horizontal:
                at = (edge + 0.5 + place * 2.4, mine[node])
            else:
                at = (mine[node] + 0.7, edge - 0.3 - place * 2.9)
                pen.wire((mine[node], at[1]), at)
                pen.dot((mine[node], at[1]))
            foot = (at[0], at[1] - 1.5)
            pen.part(symbol, *((foot, at) if upward else (at, foot)))
            pen.ground(foot)
            if self.horizontal:
                pen.dot(at)
                pen.say(text, (at[0] + 0.4, at[1] - 0.75), color=VALUE)
            else:
                pen.say(text, (at[0], foot[1] - 0.75), color=VALUE, align="center")
        most = max(taken.values(), default=0)
        return edge + most * 2.4 + 0.8 if self.horizontal else edge - most * 2.9 - 0.8

    def _rail(self, node: int, at: float) -> None:
        """The outer end of a row's line: its name, and where it comes first the source that holds it."""
        pen, circuit = self.sheet.pen, self.sheet.circuit
        name = circuit.nodes[node]
        if not self.horizontal:
            end = (self.corner[0] - 1.2, at)
            pen.dot(end, hollow=True)
            pen.say(name, (end[0] - 0.2, at), color=NODE, align="right")
            return
        x, y = at, self.corner[1]
        pen.say(name, (x + 0.15, y + 0.1), color=NODE)
        for k, (plus, minus) in enumerate(circuit.voltage_sources.terminals.tolist()):
            if node in (plus, minus) and 0 in (plus, minus) and k not in self.sheet.drawn["voltage_sources"]:
                self.sheet.drawn["voltage_sources"].add(k)
                top, bottom = (x, y + 2.7), (x, y + 0.5)
                pen.wire(bottom, (x, y))
                pen.part("SourceV", *((top, bottom) if plus == node else (bottom, top)))
                pen.say(self.sheet.said("voltage_sources", k), (x + 0.12, y + 2.38), color=VALUE)
                self.held.append(top)
                return
        pen.dot((x, y), hollow=True)
