"""``diodeq prune``: a circuit of fewer resistors, and what that costs."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import rich_click as click

from diodeq.analysis.quantization import Cost
from diodeq.api.changes import Changed, prune_at_cost
from diodeq.circuit import Circuit
from diodeq.cli.names import DATA, RULE
from diodeq.cli.options import JSON, SIMULATOR, STRICT, TIME_LIMIT, WORKERS, WRITTEN, print_json
from diodeq.cli.quantizing import moved
from diodeq.cli.samples import TARGET, split_of, task_of, values_of
from diodeq.cli.terminal import mention, say
from diodeq.cli.train_progress import Progress
from diodeq.cli.train_shown import shown
from diodeq.errors import UsageError
from diodeq.files import demand_place
from diodeq.learning import datasets
from diodeq.learning.prune import has_more
from diodeq.learning.recipes import recipe_for
from diodeq.learning.rules import described
from diodeq.printable import counted

# Nodes that are named.
NAMED = 8
# What --series calls no series.
ANY = "any"


@click.command()
@click.argument("circuit", type=click.Path(path_type=Path))
@click.option(
    "--output",
    "-o",
    required=True,
    type=WRITTEN,
    help="The circuit to write (.npz): what train --from, quantize and all others take.",
)
@click.option("--parts", type=click.IntRange(min=1), metavar="N", help="At most N resistors stay.")
@click.option(
    "--fan-in", type=click.IntRange(min=1), metavar="N", help="At most N resistors from each node towards the inputs."
)
@click.option(
    "--data", type=DATA, help="A data set of `diodeq train` that fits the circuit; it learns on while it is pruned."
)
@TARGET
@click.option(
    "--epochs",
    type=click.IntRange(min=0),
    help="Passes through the training samples; 0 prunes once and trains nothing.  [default: the data's own]",
)
@click.option(
    "--rule",
    type=RULE,
    metavar="NAME[:OPTION=VALUE…]",
    help=f"How gradients are found: {described()}.  [default: hardware-linearization]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="Of the split and the order.  [default: that of the run whose folder CIRCUIT lies in, else 0]",
)
@click.option(
    "--series",
    metavar="VALUES",
    help="Learn on with such values only: E24, AD5206, 16 levels …, or any.  [default: those that CIRCUIT keeps to]",
)
@STRICT
@SIMULATOR
@WORKERS
@TIME_LIMIT
@JSON
def prune(
    circuit: Path,
    output: Path,
    parts: int | None,
    fan_in: int | None,
    data: str | None,
    target: str | None,
    epochs: int | None,
    rule: str | None,
    seed: int | None,
    series: str | None,
    strict: bool,
    simulator: str,
    workers: int | None,
    time_limit: float,
    as_json: bool,
) -> None:
    """Remove the resistors of CIRCUIT that contribute least, compiled, trained or imported, and what then does nothing.

    With --data the circuit learns on while it is pruned, as `diodeq train DATA --from CIRCUIT --parts N` does it, and
    loses less; that command has a folder of the run and can be resumed. Without it samples are drawn at random, as wide
    as the circuit's constant sources, nothing is trained, and what is said is how far the outputs move. All resistors
    may go and are trainable in OUTPUT. A circuit that has no more than is allowed stays as it is.

    Example: diodeq prune run/circuit.npz --parts 40 --data iris -o small.npz
    """
    if parts is None and fan_in is None:
        raise UsageError("nothing says how much is to go", "give --parts N, --fan-in N or both")
    if data is None or epochs == 0:
        _demand_none(rule=rule, series=series)
    if data is None:
        _demand_none(epochs=epochs, seed=seed, target=target)
    demand_place(output)
    loaded = Circuit.load(circuit)
    series = values_of(circuit, loaded) if series is None else "" if series == ANY else series
    asked: dict[str, Any] = {"fan_in": fan_in or 0, "series": series}
    begin: AbstractContextManager[Progress] = nullcontext(Progress())
    if data is not None:
        data = datasets.targeted(data, target)
        seed = split_of(circuit, data) if seed is None else seed
        samples = datasets.load(data, seed, task_of(loaded, data))
        recipe = recipe_for(data, samples)
        asked |= {"data": samples, "recipe": recipe, "epochs": epochs, "rule": rule, "seed": seed}
        if epochs != 0 and has_more(loaded, parts or 0, fan_in or 0):
            begin = shown(epochs or recipe.epochs, False, False, output)
    with begin as progress:
        if data is not None:
            progress.start(loaded, samples, 0)
        changed = prune_at_cost(
            *(loaded, parts or 0),
            **asked,
            simulator=simulator,
            workers=workers,
            time_limit=time_limit,
            on_batch=progress.batch,
            on_epoch=progress.epoch,
        )
    after = changed.circuit
    if strict:
        changed.feasibility.demand("train with a lower --supply or --power, or leave --strict out; nothing was written")
    after.save(output)
    document = _document(loaded, changed, series)
    if after is loaded:
        mention(f"{circuit} has {counted(len(loaded.resistors), 'resistor')}, no more than allowed: it stays")
    if as_json:
        print_json({"file": str(output), **document})
        return
    if after is not loaded and document["made_trainable"]:
        mention(f"{counted(document['made_trainable'], 'resistor')} that were not trainable could go too")
    say(
        "\n".join(
            [*_words(document, changed.cost, len(after.outputs)), changed.feasibility.sentence(), f"wrote {output}"]
        )
    )


def _demand_none(**given: Any) -> None:
    for name, value in given.items():
        if value:
            raise UsageError(f"--{name} has no meaning where nothing is trained", "leave it out, or add --data")


def _document(before: Circuit, changed: Changed, series: str) -> dict[str, Any]:
    after = changed.circuit
    left = set(after.nodes)
    return {
        **{f"{kind}_before": len(before.bank(kind)) for kind in ("resistors", "diodes")},
        **{kind: len(after.bank(kind)) for kind in ("resistors", "diodes")},
        "nodes_before": len(before.nodes),
        "nodes": len(after.nodes),
        "gone": [name for name in before.nodes if name not in left],
        "made_trainable": int((~before.mask).sum()),
        "series": series,
        "simulator": changed.version,
        **changed.cost.to_json(),
        "feasibility": changed.feasibility.to_json(),
    }


def _words(document: dict[str, Any], found: Cost, outputs: int) -> list[str]:
    lines = [
        ", ".join(
            f"{counted(document[kind], kind[:-1])} of {document[f'{kind}_before']:,}"
            for kind in ("resistors", "diodes", "nodes")
        )
    ]
    if document["series"]:
        lines[0] += f"; values are of {document['series']}"
    gone = document["gone"]
    if gone:
        more = f" and {len(gone) - NAMED:,} more" if len(gone) > NAMED else ""
        lines.append(f"no output depends any more on {', '.join(gone[:NAMED])}{more}")
    if known := found.known():
        lines.append(f"{known}, on {counted(found.samples, 'held-out sample')} ({document['simulator']})")
    else:
        lines.append(moved(found, outputs, True, document["simulator"]))
    return lines
