"""The report of a compiled circuit: how far it is from its network, why, and what is certain about it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diodeq import processors
from diodeq.analysis.certificate import CircuitCertificate
from diodeq.analysis.verify import Verification
from diodeq.circuit import Circuit
from diodeq.circuit.feasibility import Feasibility
from diodeq.measures import ACCURACY, R2
from diodeq.netlist.listing import circuit_digest
from diodeq.printable import counted, percent
from diodeq.report.figures import inline
from diodeq.report.page import Code, Fact, PageSection, PageTable, Picture, render
from diodeq.report.parity_plot import parity_figures
from diodeq.report.parts import feasible, parts_section


def circuit_page(
    circuit: Circuit,
    verification: Verification,
    feasibility: Feasibility,
    engine: str,
    command: str,
    digests: Sequence[tuple[str, str]] = (),
) -> str:
    """The report as one HTML page; ``feasibility`` is what the circuit asks for, ``engine`` solved it, ``command``, if
    any, wrote the page; ``digests`` names what it read."""
    levels = verification.levels
    samples = counted(len(levels["network"][-1]), "sample")
    agreement, score = verification.agreement(), verification.score()
    worst = verification.budget(len(levels["network"]) - 1)["total"]
    facts = [
        Fact("largest error", f"{100 * worst['max']:.2g} %", "of the largest output"),
        Fact("resistors", f"{len(circuit.resistors):,}"),
        Fact("diodes", f"{len(circuit.diodes):,}", ", ".join(model.name for model in circuit.models)),
    ]
    if verification.certificate is not None:
        kept = 100 * verification.certificate.tolerance
        facts.append(Fact("tolerance", f"{kept:.3g} %", "of resistors keeps it unique"))
    if verification.decides:
        facts.insert(0, Fact("decides as its network", percent(agreement["device"]), f"of {samples}"))
    if score:
        measure = ACCURACY if verification.decides else R2
        facts.insert(0, Fact(measure.name, measure.said(score["device"]), f"network: {measure.said(score['network'])}"))
    made = "compiled from a network" if verification.certificate is not None else "with the network extracted from it"
    lead = (
        f"A circuit {made}, and solved at device level. Errors are relative to the largest value of"
        f" their stage; the circuit was solved in {engine}. {feasible(feasibility)}"
    )
    rows = [
        ("circuit, SHA-256", circuit_digest(circuit)),
        *digests,
        ("solved in", engine),
        ("linear algebra", processors.named(processors.kernels())),
    ]
    sections = [
        _parity(verification),
        _budget(verification),
        *([_decisions(verification)] if verification.decides else []),
        *([_certificate(verification, verification.certificate)] if verification.certificate is not None else []),
        parts_section(circuit),
        PageSection(
            "How to do it again",
            [
                *circuit.notes,
                *(["This command writes the page again; its files are named as from its folder."] if command else []),
            ],
            [
                *([Code(command)] if command else []),
                PageTable("What was solved, and with what.", (), rows, plain=True),
            ],
        ),
    ]
    return render("diodeq circuit report", circuit.title, lead, facts, sections)


def _parity(verification: Verification) -> PageSection:
    blocks = []
    for k, figure in enumerate(parity_figures(verification)):
        count = verification.levels["network"][k].shape[1]
        caption = f"Stage {k}: each of {count} units of the circuit over the same unit in the network, in its units."
        blocks.append(Picture(inline(figure, f"parity{k}", caption), caption))
    text = "On the line a unit of the circuit has the value it has in the network."
    return PageSection("Circuit against network", [text], blocks)


def _budget(verification: Verification) -> PageSection:
    tables = []
    for k in range(len(verification.levels["network"])):
        rows = [
            (name, f"{entry['max']:.1e}", f"{entry['rms']:.1e}", str(entry["unit"]))
            for name, entry in verification.budget(k).items()
        ]
        tables.append(PageTable(f"Error budget of stage {k}.", ("cause", "largest", "rms", "worst unit"), rows))
    causes = (
        "Where the error comes from: conductances that stand for other weights; the ideal circuit against the network"
        " of those weights; real diodes against ideal ones. "
    )
    if "perfect" in verification.levels:
        causes = (
            "Where the error comes from: resistors and diodes with perfect amplifiers, against the network; what the"
            " amplifiers' finite gain adds, then their offsets and input currents, then limits of swing and current. "
        )
    elif verification.certificate is None:
        causes = ""
    text = (
        f"{causes}"
        "The total compares the circuit with the network given."
        f" Two independent ways of solving the circuit differ by at most {verification.solver:.1e}, in network units."
    )
    return PageSection("Error budget", [text], tables)


def _decisions(verification: Verification) -> PageSection:
    agreement, score = verification.agreement(), verification.score()
    head = ("level", "decides as the network", *(("right",) if score else ()))
    rows = [(name, percent(share), *((percent(score[name]),) if score else ())) for name, share in agreement.items()]
    return PageSection("Decisions", [], [PageTable("The highest output of every sample.", head, rows)])


def _certificate(verification: Verification, certificate: CircuitCertificate) -> PageSection:
    moved = verification.displacement
    bound = (
        f"moves the outputs by at most {moved:.3g} (Euclidean, network units)"
        if np.isfinite(moved)
        else "is beyond what is guaranteed"
    )
    words = certificate.sentence()
    text = f"{words[0].upper()}{words[1:]}. A tolerance of {100 * verification.tolerance:g} % {bound}."
    rows = [
        (str(k), str(len(level.nodes)), f"{level.margin:.4g}", f"{level.one_way:.4g}", f"{100 * level.tolerance:.3g} %")
        for k, level in enumerate(certificate.levels)
    ]
    head = ("level", "free nodes", "margin\N{NO-BREAK SPACE}(S)", "one-way norm\N{NO-BREAK SPACE}(S)", "tolerance")
    return PageSection("Certificate", [text], [PageTable("Levels, each driven only by those before it.", head, rows)])
