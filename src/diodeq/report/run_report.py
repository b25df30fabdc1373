"""The report of a training run: what was trained, how well it works, what is inside, and how to do it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from diodeq import processors
from diodeq.analysis.conduction import conducting
from diodeq.circuit import Circuit
from diodeq.circuit.html import schematic
from diodeq.circuit.power import groups
from diodeq.netlist.listing import circuit_digest
from diodeq.printable import counted, percent
from diodeq.report import class_plots, conductance_plot, quantity_plot, run_plots, training_plot
from diodeq.report.certified_plot import certified_section
from diodeq.report.figures import inline, style
from diodeq.report.page import Code, Fact, PageSection, PageTable, Picture, render
from diodeq.report.parts import feasible, parts_section
from diodeq.report.quantities import quantity
from diodeq.report.run_evidence import CHECKED_SAMPLES, Evidence, layers

_watts = partial(quantity, unit="W")
_siemens = partial(quantity, unit="S")


def run_page(evidence: Evidence, command: str, unset: Sequence[str] = ()) -> str:
    """The report as one HTML page; ``command``, if any, repeats the run, but for the recipe entries ``unset``."""
    summary, circuit, measure = evidence.summary, evidence.circuit, evidence.measure
    typical = float(np.median(sum(share.watts for share in evidence.power)))
    engine = "the same engine" if evidence.engine == summary["simulator_version"] else evidence.engine
    facts = [
        Fact(f"held-out {measure.name}", measure.said(evidence.score), counted(len(evidence.outputs), "sample")),
        Fact(
            f"training {measure.name}",
            measure.said(summary[f"train_{measure.key}"]),
            counted(summary["train_samples"], "sample"),
        ),
        Fact("resistors", f"{len(circuit.resistors):,}", f"{int(circuit.mask.sum()):,} trained"),
        Fact("diodes", f"{len(circuit.diodes):,}", summary["diode"]),
        Fact("static power", _watts(typical), "median inference"),
        Fact("trained in", _duration(summary["seconds"]), counted(summary["epochs"], "epoch")),
    ]
    lead = (
        f"A circuit of {counted(len(circuit.resistors), 'resistor')} and"
        f" {counted(len(circuit.diodes), 'diode')}, trained on"
        f" {summary['data']} by {summary['rule']} in {summary['simulator_version']}."
        f" Every figure below comes from the run's files or from evaluating its circuit in {engine}."
        f" {feasible(evidence.feasible)}"
    )
    sections = [
        _learning(evidence),
        _decisions(evidence) if evidence.data.classes else _quantities(evidence),
        _conductances(evidence),
        *_schematic(circuit),
        *([certified_section(evidence.certified)] if evidence.certified else []),
        _operation(evidence),
        _gradient(evidence),
        _power(evidence),
        parts_section(circuit),
        _again(evidence, command, unset),
    ]
    return render("diodeq training report", circuit.title, lead, facts, sections)


def _learning(evidence: Evidence) -> PageSection:
    last = evidence.metrics[-1] if evidence.metrics else None
    scored = "Accuracy" if evidence.data.classes else "R²"
    plural = "accuracies" if evidence.data.classes else "R²"
    text = [f"Losses and training {plural} are means over an epoch's batches as they were learned."]
    if last:
        text.append(f"The last epoch ended at a loss of {last['loss']:.4g}. No choice was made on held-out samples.")
    blocks = []
    for name, draw, caption in (
        ("loss", training_plot.draw_loss, f"Training loss ({evidence.experiment.recipe.loss})."),
        ("accuracy", training_plot.draw_scores, f"{scored} on the training and on the held-out samples."),
    ):
        with style():
            figure = Figure(figsize=(4.8, 3.2), layout="constrained")
            draw(figure.subplots(), evidence.metrics)
        blocks.append(Picture(inline(figure, name, caption), caption))
    return PageSection("Learning curves", text, blocks)


def _decisions(evidence: Evidence) -> PageSection:
    confusion, classes = evidence.confusion, evidence.data.classes
    right, count = int(np.trace(confusion)), int(confusion.sum())
    caption = (
        "Held-out samples by class and by what the circuit takes them for: blue where it is right, red where it is"
        " wrong, the more solid the larger the share of the class."
    )
    blocks: list[Picture | PageTable] = [
        Picture(inline(class_plots.confusion_figure(confusion, classes), "confusion", caption), caption)
    ]
    rows = []
    for k, name in enumerate(classes):
        row, column = confusion[k].sum(), confusion[:, k].sum()
        rows.append((name, str(row), _percent(confusion[k, k], row), _percent(confusion[k, k], column)))
    if len(rows) <= 2 * class_plots.NUMBERED:
        blocks.append(
            PageTable("Each class on the held-out samples.", ("class", "samples", "recall", "precision"), rows)
        )
    text = [f"The circuit is right on {right} of {count} held-out samples ({percent(right / count)})."]
    return PageSection("Decisions", [" ".join([*text, *_recorded(evidence)])], blocks)


def _quantities(evidence: Evidence) -> PageSection:
    """What a regression finds, over what it should."""
    found, wanted = evidence.circuit.scaling.from_volts(evidence.outputs), evidence.data.y_test.astype(np.float64)
    caption = "Each held-out sample: what the circuit finds over what is right, and below it how far it is off."
    figure = quantity_plot.quantity_figure(found, wanted, evidence.data.targets)
    error = np.sqrt(np.mean((found - wanted) ** 2, axis=0))
    rows = [
        (name, f"{rms:.4g}", f"{np.abs(off).max():.4g}", f"{spread:.4g}")
        for name, rms, off, spread in zip(
            evidence.data.targets, error, (found - wanted).T, wanted.std(axis=0), strict=True
        )
    ]
    head = ("quantity", "rms error", "largest error", "standard deviation")
    text = [f"R² is {evidence.score:.4f} on {len(wanted)} held-out samples.", *_recorded(evidence)]
    blocks: list[Picture | PageTable] = [
        Picture(inline(figure, "quantities", caption), caption),
        PageTable("Each quantity on the held-out samples, in its own unit.", head, rows),
    ]
    return PageSection("Quantities", [" ".join(text)], blocks)


def _recorded(evidence: Evidence) -> Iterator[str]:
    """What was found before, where that differs, and in another engine."""
    measure = evidence.measure
    recorded = evidence.summary[f"test_{measure.key}"]
    if abs(recorded - evidence.score) > 1e-12:
        yield f"Training recorded {measure.said(recorded)}."
    verified = evidence.summary.get("verified")
    if verified:
        yield (
            f"{verified['simulator_version']} gave {measure.said(verified[f'test_{measure.key}'])}, its outputs within"
            f" {verified['max_difference_volts']:.1e} V."
        )


def _conductances(evidence: Evidence) -> PageSection:
    circuit, initial = evidence.circuit, evidence.initial
    values = circuit.conductances[circuit.mask]
    recipe = evidence.experiment.recipe
    bounds = [int(np.sum(np.isclose(values, end, rtol=1e-6, atol=0.0))) for end in (recipe.low, recipe.high)]
    text = [
        f"{len(values):,} trained conductances, median {_siemens(float(np.median(values)))};"
        f" {bounds[0]:,} are at the lower bound of {_siemens(recipe.low)},"
        f" {bounds[1]:,} at the upper of {_siemens(recipe.high)}."
    ]
    if initial is None:
        text.append("The circuit before training cannot be shown: the file it was read from has changed or gone.")
    else:
        moved = np.abs(np.log(values / initial.conductances[circuit.mask]))
        text.append(
            f"Training changed a conductance by a factor of {float(np.exp(np.median(moved))):.2f} in the median."
        )
    histogram = "Distribution of the trained conductances."
    figure = conductance_plot.conductance_figure(circuit, initial)
    blocks: list[Picture | PageTable] = [Picture(inline(figure, "histogram", histogram), histogram)]
    head = ("group", *(("median before",) if initial is not None else ()), "median", "least", "most")
    rows = []
    for label, part in groups(circuit, "resistors"):
        now = circuit.conductances[part]
        figures = [np.median(now), now.min(), now.max()]
        if initial is not None:
            figures.insert(0, np.median(initial.conductances[part]))
        rows.append((label, *(_siemens(float(value)) for value in figures)))
    blocks.append(PageTable("Conductances of each group of resistors after training.", head, rows))
    known = {"before": initial, "after": circuit} if initial is not None else {"after": circuit}
    count, most = len(list(groups(circuit, "resistors"))), conductance_plot.GROUPS
    for when, figure in zip(known, conductance_plot.conductance_maps([*known.values()]), strict=True):
        where = f"Conductances {when} training by their terminals, first by second, in logarithmic colours."
        where += f" The {most} largest of {count} groups." if count > most else ""
        blocks.append(Picture(inline(figure, f"map-{when}", where), where))
    return PageSection("Conductances", [" ".join(text)], blocks)


def _schematic(circuit: Circuit) -> Iterator[PageSection]:
    svg = schematic(circuit)
    if svg:
        yield PageSection("Schematic", [], [Picture(svg, "The circuit after training.", wide=True)])


def _operation(evidence: Evidence) -> PageSection:
    found, circuit = layers(evidence.point), evidence.circuit
    rows = [
        (
            name,
            str(volts.shape[1]),
            *(f"{value:.4g}".replace("-", "−") for value in np.percentile(volts, [0, 5, 50, 95, 100])),
        )
        for name, volts in found.items()
    ]
    active, (names, numbers) = conducting(evidence.point), evidence.sorts
    shares = np.array(
        [active[numbers == k].mean(axis=0) if np.any(numbers == k) else np.zeros(active.shape[1])
         for k in range(len(names))]
    )  # fmt: skip
    starts = [part.start for _, part in groups(circuit, "diodes")][1:]
    mean = active.mean(axis=0)
    text = (
        "A diode counts as on where its own conductance exceeds that of the resistors at its node."
        f" Over {len(active)} held-out samples {100 * active.mean():.0f} % are on;"
        f" {int(np.sum(mean == 0))} of {len(mean)} never conduct and {int(np.sum(mean == 1))} always do."
    )
    spread = (
        "Voltages of every layer over the held-out samples, the middle 99 %: inputs, the nodes of the diodes, and"
        " outputs (v⁺ − v⁻)."
    )
    shown = "Share of each class's samples for which each diode is on: none where empty, all where solid."
    return PageSection(
        "Operating points",
        [text],
        [
            Picture(inline(run_plots.voltage_figure(found), "voltages", spread), spread),
            Picture(
                inline(class_plots.activity_figure(shares, names, starts), "activity", shown),
                shown,
            ),
            PageTable(
                "The same voltages in volts: extremes and percentiles.",
                ("layer", "nodes", "least", "5 %", "median", "95 %", "most"),
                rows,
            ),
        ],
    )


def _gradient(evidence: Evidence) -> PageSection:
    found, wanted = evidence.gradients
    cosine = float(found @ wanted) / (float(np.linalg.norm(found) * np.linalg.norm(wanted)) or 1.0)
    samples = min(CHECKED_SAMPLES, len(evidence.data.x_test))
    against = "the circuit as it should be" if evidence.reads else "finite differences"
    what = f"hardware linearization{' as the bench reads it' if evidence.reads else ''} against {against}"
    text = (
        f"{what[0].upper()}{what[1:]}, for {len(found)} conductances spread over the circuit and"
        f" the run's loss on {samples} held-out samples: they differ by at most {evidence.gradient_error:.1e} of the"
        f" largest entry, cosine {cosine:.12f}."
    )
    caption = "The gradient of the loss for each conductance, found both ways; the line is equality."
    return PageSection(
        "Gradient check",
        [text],
        [Picture(inline(run_plots.gradient_figure(found, wanted, against), "gradient", caption), caption)],
    )


def _power(evidence: Evidence) -> PageSection:
    total = np.sum([share.watts for share in evidence.power], axis=0)
    rows = [
        (f"{share.kind}: {share.label}" if share.label != share.kind else share.kind,
         _watts(float(share.watts.mean())), _watts(float(share.watts.max())),
         percent(float(share.watts.sum()) / (float(total.sum()) or 1.0)))
        for share in evidence.power
    ]  # fmt: skip
    rows.append(("together", _watts(float(total.mean())), _watts(float(total.max())), "100.0 %"))
    caption = "Static power of an inference by class."
    average, median = _watts(float(total.mean())), _watts(float(np.median(total)))
    text = (
        f"Held at an operating point, the resistors, diodes and operational amplifiers turn {average} into heat on"
        f" average over {len(total)} held-out samples, {median} in the median."
        " Drivers and read-out are not included,"
        " and the energy of an inference also depends on how long the circuit takes to settle."
    )
    names, numbers = evidence.sorts
    figure = run_plots.power_figure(total, numbers, names)
    return PageSection(
        "Power",
        [text],
        [
            Picture(inline(figure, "power", caption), caption),
            PageTable("Where it goes.", ("parts", "mean", "largest", "share"), rows),
        ],
    )


def _again(evidence: Evidence, command: str, unset: Sequence[str]) -> PageSection:
    experiment, summary = evidence.experiment, evidence.summary
    by = "This command trains" if command else "Its recipe trains"
    text = [
        f"{by} the same circuit, to the same bits with these versions and this kernel of linear algebra:"
        " other processors may round the last digit differently, and training carries that on. Everything random"
        f" derives from the seed {experiment.recipe.seed}: the split, the initial values, the order of samples."
    ]
    if unset:
        text.append(f"The run was made from Python: no option sets its {', '.join(unset)}.")
    rows = [
        ("diodeq", summary["diodeq_version"]),
        ("trained in", summary["simulator_version"]),
        ("linear algebra", _kernels(summary.get("blas"))),
        ("evaluated in", evidence.engine),
        ("data", f"{summary['data']}, {summary['train_samples']} to learn, {summary['test_samples']} held out"),
        ("data, SHA-256", evidence.data_digest),
        ("circuit, SHA-256", circuit_digest(evidence.circuit)),
        ("netlist.cir, SHA-256", evidence.netlist_digest),
    ]
    recipe = [(name.replace("_", " "), _shown(value)) for name, value in experiment.recipe.to_json().items()]
    return PageSection(
        "How to do it again",
        text,
        [
            *([Code(command)] if command else []),
            PageTable("What ran, on what, with which result.", (), rows, plain=True),
            PageTable("The recipe, defaults included.", (), recipe, plain=True),
        ],
    )


def _kernels(recorded: object) -> str:
    """What the summary says, which may be of an older version or of anyone."""
    told = recorded if isinstance(recorded, list) else []
    sound = all(isinstance(each, dict) and all(isinstance(word, str) for word in each.values()) for each in told)
    return processors.named(told) if told and sound else "not recorded"


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value}"


def _percent(part: int, whole: int) -> str:
    return percent(part / whole) if whole else "none"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
