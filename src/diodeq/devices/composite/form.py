"""What is in series and what in parallel: a net of two-pin parts as a tree, where it is one.

A net is reduced as it is on paper: parts across the same two nodes become one, parts that share a node with nothing
else become one, and what no current can flow through is dropped, until nothing changes (Duffin, Topology of
series-parallel networks, 1965).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Leaf:
    """Part number ``part``, from its first node to its second where it is ``forward``."""

    part: int
    forward: bool = True


@dataclass(frozen=True)
class FormGroup:
    """Two or more forms in series, in order, or in parallel; none of them is a group of the same sort."""

    series: bool
    children: tuple[Form, ...]


Form = Leaf | FormGroup


@dataclass(frozen=True)
class Branch:
    """A form between two nodes, forward from ``start``."""

    form: Form
    start: str
    end: str


@dataclass(frozen=True)
class ReducedForm:
    """What is left of a net between its pins: ``branches``, of forms that hang at one node (``loose``) or have both
    ends there (``shorted``) nothing."""

    branches: tuple[Branch, ...]
    loose: tuple[Form, ...]
    shorted: tuple[Form, ...]


def reduced(ends: Sequence[tuple[str, str]], pins: frozenset[str]) -> ReducedForm:
    """Part k of the net lies from ``ends[k][0]`` to ``ends[k][1]``; nodes in ``pins`` stay."""
    branches = [Branch(Leaf(k), *nodes) for k, nodes in enumerate(ends)]
    loose: list[Form] = []
    shorted: list[Form] = []
    while True:
        shorted += [branch.form for branch in branches if branch.start == branch.end]
        branches = _in_parallel([branch for branch in branches if branch.start != branch.end])
        found = _inner(branches, pins)
        if found is None:
            return ReducedForm(tuple(branches), tuple(loose), tuple(shorted))
        node, at = found
        own = [branches[k] for k in at]
        branches = [branch for k, branch in enumerate(branches) if k not in at]
        if len(own) == 1:
            loose.append(own[0].form)
        else:
            first, second = _ending(own[0], node), _starting(own[1], node)
            branches.append(Branch(group(True, [first.form, second.form]), first.start, second.end))


def group(series: bool, forms: Sequence[Form]) -> Form:
    """The forms in series or in parallel: one alone stays what it is."""
    if len(forms) == 1:
        return forms[0]
    children: list[Form] = []
    for form in forms:
        children += form.children if isinstance(form, FormGroup) and form.series == series else [form]
    return FormGroup(series, tuple(children))


def turned(form: Form) -> Form:
    """The form with its ends exchanged."""
    if isinstance(form, Leaf):
        return Leaf(form.part, not form.forward)
    return FormGroup(form.series, tuple(map(turned, reversed(form.children))))


def leaves(form: Form) -> Iterator[Leaf]:
    """All parts of a form, in order."""
    if isinstance(form, Leaf):
        yield form
    else:
        for child in form.children:
            yield from leaves(child)


def _in_parallel(branches: Sequence[Branch]) -> list[Branch]:
    across: dict[tuple[str, str], list[Form]] = {}
    for branch in branches:
        if (branch.end, branch.start) in across:
            across[branch.end, branch.start].append(turned(branch.form))
        else:
            across.setdefault((branch.start, branch.end), []).append(branch.form)
    return [Branch(group(False, forms), *nodes) for nodes, forms in across.items()]


def _inner(branches: Sequence[Branch], pins: frozenset[str]) -> tuple[str, tuple[int, ...]] | None:
    """A node that is no pin, with the one or two branches there."""
    at: dict[str, list[int]] = {}
    for k, branch in enumerate(branches):
        at.setdefault(branch.start, []).append(k)
        at.setdefault(branch.end, []).append(k)
    return next(((node, tuple(own)) for node, own in at.items() if node not in pins and len(own) <= 2), None)


def _ending(branch: Branch, node: str) -> Branch:
    return branch if branch.end == node else Branch(turned(branch.form), branch.end, branch.start)


def _starting(branch: Branch, node: str) -> Branch:
    return branch if branch.start == node else Branch(turned(branch.form), branch.end, branch.start)
