"""The house rule: imports point only downward."""

import ast
from pathlib import Path

import networkx
import pytest

import diodeq

ROOT = Path(diodeq.__file__).parent

# From the ground up; a room may import rooms of lower floors and itself.
FLOORS = [
    {"printable", "wrapped", "__init__"},
    {"errors", "interrupts", "orphans"},
    {"arrays", "compiled", "documents", "files", "markup", "measures", "processors", "worker"},
    {"cluster", "crew"},
    {"plugins", "pool"},
    {"archives", "spice"},
    {"tables"},
    {"devices"},
    {"network"},
    {"circuit"},
    {"netlist", "synthesis"},
    {"board", "simulators"},
    {"learning", "analysis"},
    {"benches"},
    {"report", "torch"},
    {"api"},
    {"cli"},
    {"__main__"},
]
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}


def rooms():
    for path in sorted(ROOT.rglob("*.py")):
        yield path, path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path, types=True):
    """Full names of the diodeq modules (or names in them) that a file imports, inside functions too, and with ``types``
    those for type checkers."""
    tree = ast.parse(path.read_text())
    if not types:
        tree.body = [each for each in tree.body if not (isinstance(each, ast.If) and "TYPE_CHECKING" in ast.dump(each))]
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names if alias.name.split(".")[0] == "diodeq")
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0, f"{path}: relative import"
            if statement.module and statement.module.split(".")[0] == "diodeq":
                yield from (f"{statement.module}.{alias.name}" for alias in statement.names)


@pytest.mark.parametrize(("path", "room"), list(rooms()), ids=lambda value: str(value).rpartition("diodeq/")[2])
def test_imports_point_downward(path, room):
    for name in imports(path):
        target = (name.split(".")[1:] or ["__init__"])[0]
        target = "__init__" if target == "__version__" else target
        assert target == room or LEVEL[target] < LEVEL[room], f"{path} imports {name}"


@pytest.mark.parametrize("room", ["learning", "analysis"])
def test_learning_and_analysis_see_only_the_simulator_protocol(room):
    for path in (ROOT / room).rglob("*.py"):
        for name in imports(path):
            if name.startswith("diodeq.simulators"):
                shared = ("diodeq.simulators.base", "diodeq.simulators.two_sided")
                assert name.startswith(shared) or name == "diodeq.simulators.create", f"{path}: {name}"


def test_no_circle_of_imports():
    """Deferred imports count: what needs another at work needs it. Those for type checkers do not."""
    graph = networkx.DiGraph()
    known = {".".join(["diodeq", *path.relative_to(ROOT).with_suffix("").parts]): path for path, _ in rooms()}
    known = {name.removesuffix(".__init__"): path for name, path in known.items()}
    for name, path in known.items():
        for found in imports(path, types=False):
            module = found if found in known else found.rpartition(".")[0]
            if module in known and module != name:
                graph.add_edge(name, module)
    graph.remove_edges_from([(name, "diodeq") for name in known if graph.has_edge(name, "diodeq")])  # the version
    assert [sorted(each) for each in networkx.strongly_connected_components(graph) if len(each) > 1] == []


def test_files_stay_small():
    long = {str(path): n for path, _ in rooms() if (n := len(path.read_text().splitlines())) > 350}
    assert not long


# Two of one name, each known in its own room alone.
TWICE = {
    "Block",  # a package with its capacitors, a dense block of resistors
    "Diodes",  # of a bench that deviate, of a circuit as one-ports
    "Surroundings",  # of a node in a proof, of a board
}
# What `import diodeq` calls as the room below does that it hands on to.
HANDED_ON = {
    *("audit", "certify", "compare", "front", "layered", "load", "quantize", "save", "settle", "train", "verify"),
    "bench",  # a board with all that a bench wants of it
}


def test_every_class_is_defined_once():
    places = {}
    for path, _ in rooms():
        for each in ast.parse(path.read_text()).body:
            if isinstance(each, ast.ClassDef) and not each.name.startswith("_"):
                places.setdefault(each.name, []).append(str(path.relative_to(ROOT)))
    assert {name for name, found in places.items() if len(found) > 1} == TWICE, {
        name: found for name, found in places.items() if len(found) > 1
    }


def test_what_the_door_offers_means_one_thing():
    """Commands are called as the function that each calls; nothing else is, but what those hand on to."""
    others = set()
    for path, room in rooms():
        if room in ("api", "cli"):
            continue
        for each in ast.parse(path.read_text()).body:
            if isinstance(each, ast.FunctionDef) and each.name in diodeq.__all__:
                others.add(each.name)
    assert others == HANDED_ON
