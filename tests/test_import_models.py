"""`diodeq devices import`: model files in the ways vendors write them, and files that no catalogue should take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from decks import run_ngspice
from diodeq.cli.main import main
from diodeq.devices import DiodeModel, catalogue
from diodeq.devices.diode.law import law
from diodeq.devices.one_ports import forward_voltage, one
from diodeq.devices.vendor.file import read_parts
from diodeq.netlist.reading import import_deck

# Written for these tests in the manners of vendors' files; the values are public facts.
FILES: dict[str, tuple[bytes, dict[str, dict[str, float]]]] = {
    "plain.mod": (
        b".model 1N4148 D(Is=2.52n Rs=.568 N=1.752 Cjo=4p M=.4 tt=20n Iave=200m Vpk=75 mfg=OnSemi type=silicon)\n",
        {"1N4148": {"is": 2.52e-9, "rs": 0.568, "n": 1.752, "cjo": 4e-12, "m": 0.4, "tt": 20e-9}},
    ),
    "continued.lib": (
        b"*SRC=1N4007;DI_1N4007;Diodes;Si\r\n*\r\n.MODEL DI_1N4007 D  ( IS=76.9N\r\n+ RS=42.0M BV=1.00K   IBV=5.00U\r\n"
        b"* a comment between\r\n+ CJO=39.8P\tM=0.333 N=1.45 TT=4.32U )\r\n",
        {
            "DI_1N4007": {
                "is": 76.9e-9,
                "rs": 0.042,
                "bv": 1000.0,
                "ibv": 5e-6,
                "cjo": 39.8e-12,
                "m": 0.333,
                "n": 1.45,
                "tt": 4.32e-6,
            }
        },
    ),
    "spaced.txt": (
        b"* a page of comments\n\n.model   BAT54\n+    d\n+  is = 0.1u , rs = 2.2 , n = 1\n"
        b"+  eg = .69 , xti = 2 , cjo = 12p , m = .3 ; end of card\n.end\n",
        {"BAT54": {"is": 1e-7, "rs": 2.2, "n": 1.0, "eg": 0.69, "xti": 2.0, "cjo": 12e-12, "m": 0.3}},
    ),
    "no-parentheses.cir": (
        b".MODEL DSKY D LEVEL=1 IS=5.1008N N=.99445 RS=30.087 IKF=68.42 TNOM=27 $ fitted\n",
        {"DSKY": {"is": 5.1008e-9, "n": 0.99445, "rs": 30.087, "ikf": 68.42, "tnom": 27.0}},
    ),
    "latin1.lib": (
        "* © vendor, 25 °C, ±5 %\n.model BAS16 D(Is=2.7838n N=1.8703 Rs=1.3548Ohm\n"
        "+ Cjo=.6pF Tt=5µs Eg=1.0637eV Xti=1.5)\n".encode("latin-1"),
        {"BAS16": {"is": 2.7838e-9, "n": 1.8703, "rs": 1.3548, "cjo": 0.6e-12, "tt": 5e-6, "eg": 1.0637, "xti": 1.5}},
    ),
    "utf16.lib": (
        b"\xff\xfe"
        + "* two parts\r\n.model A1 D(IS=1n N=1.5)\r\n.model A2 D(IS=2n N=1.6 BV=.1MEG)\r\n".encode("utf-16-le"),
        {"A1": {"is": 1e-9, "n": 1.5}, "A2": {"is": 2e-9, "n": 1.6, "bv": 1e5}},
    ),
    "utf16-unmarked.lib": (
        ".model Z33 D(Is=1.636f N=1.028 Rs=.13 Bv=3.366 Ibv=64.77m)\n".encode("utf-16-be"),
        {"Z33": {"is": 1.636e-15, "n": 1.028, "rs": 0.13, "bv": 3.366, "ibv": 64.77e-3}},
    ),
    "subckt.lib": (
        b".SUBCKT BAS70 1 2\n* TERMINALS: A K\nR1 1 3 27\nL1 3 4 1.5nH\nD1 4 5 DBAS70\nRK 5 2 {2*1}\nCP 1 2 0.1P\n"
        b".MODEL DBAS70 D(IS=3N RS=0.5 N=1.06 BV=70 IBV=100N CJO=1.55P TT=25P EG=.68 XTI=1.8)\n.ENDS BAS70\n",
        {
            "BAS70": {
                "is": 3e-9,
                "rs": 29.5,
                "n": 1.06,
                "bv": 70.0,
                "ibv": 1e-7,
                "cjo": 1.55e-12,
                "tt": 25e-12,
                "eg": 0.68,
                "xti": 1.8,
            }
        },
    ),
    "derived.lib": (
        b".param is0={2*1.25n} n0=1.7\n.model BASE D(IS={is0} N={n0+0.05} RS='sqrt(4)/4')\n"
        b".model CHILD AKO:BASE D(RS=1.5)\n"
        b".model BC547 NPN(BF=200 IS=7f RB=10)\n",
        {"BASE": {"is": 2.5e-9, "n": 1.75, "rs": 0.5}, "CHILD": {"is": 2.5e-9, "n": 1.75, "rs": 1.5}},
    ),
    "area.lib": (
        b"\xef\xbb\xbf.subckt twice anode cathode params: share=2\nD1 anode cathode dd area={share} m=1\n"
        b".model dd d (js=1e-9, n=1.8, rs=1, cj0=2p, pb=.7, mj=.4, xyz=3, isw=0)\n.ends\n",
        {"twice": {"is": 2e-9, "n": 1.8, "rs": 0.5, "cjo": 4e-12, "vj": 0.7, "m": 0.4}},
    ),
}

GOOD = ".model dd D(IS=1n N=1.5)\n"

HOSTILE: dict[str, tuple[str | bytes, int, str]] = {
    "control": (GOOD + ".control\nshell touch pwned\n.endc\n", 2, "'.control'"),
    "shell": (GOOD + "shell touch pwned\n", 2, "'shell'"),
    "include": (GOOD + ".include /etc/passwd\n", 2, "'.include'"),
    "lib": (GOOD + ".lib other.lib\n", 2, "'.lib'"),
    "backquotes": (".model dd D(IS=`touch pwned` N=1)\n", 1, "backquote"),
    "hidden command": (GOOD + "*#shell touch pwned\n", 2, "hides a command"),
    "binary": (b".model dd D(IS=1n)\n\x00\x01\x02\xff\xfe\x7fELF", 2, "not text"),
    "huge": (GOOD + f"* {'filler ' * 1000}\n" * 1_200, 1_199, "exceeds 8 MB"),
    "long line": (".model dd D(IS=1n " + "N=1 " * 20_000 + ")\n", 1, "letters"),
    "long continued": (".model dd D(IS=1n\n" + "+ TT=1n\n" * 20_000 + ")\n", 1, "letters"),
    "deep parentheses": (".model dd D(IS={" + "(" * 5000 + "1" + ")" * 5000 + "})\n", 1, "nested too deeply"),
    "deep constants": (
        "".join(f".param a{k}={{a{k + 1}}}\n" for k in range(300)) + ".model dd D(IS={a0})\n",
        301,
        "too many others",
    ),
    "a circle of constants": (".param a={b} b={a}\n.model dd D(IS={a})\n", 2, "depends on itself"),
    "a circle of models": (".model a AKO:b D(N=1)\n.model b AKO:a D(N=1)\n", 1, "derived from itself"),
    "code": (".model dd D(IS={__import__('os').system('touch pwned')})\n", 1, "'"),
    "an attribute": (".model dd D(IS={().__class__})\n", 1, "not an expression"),
    "a power tower": (".model dd D(IS={9**(9**9)})\n", 1, "has no value"),
    "unended": (GOOD + ".subckt a 1 2\nD1 1 2 dd\n", 2, "never ended"),
    "a transistor within": (".subckt a 1 2\nD1 1 2 dd\nQ1 1 2 2 qq\n.model dd D\n.ends\n", 3, "'Q1'"),
    "a bridge within": (
        ".subckt a 1 2\nD1 1 3 dd\nD2 1 4 dd\nD3 3 2 dd\nR4 4 2 1\nR5 3 4 1\n.model dd D\n.ends\n",
        1,
        "not in series and in parallel",
    ),
    "nothing but a resistor": (".subckt a 1 2\nR1 1 2 1\n.ends\n", 1, "no diode decides its current"),
    "a source across": (".subckt a 1 2\nD1 1 2 dd\nV1 1 2 1\n.model dd D\n.ends\n", 1, "no diode decides its current"),
    "nothing between its pins": (".subckt a 1 2\nD1 1 3 dd\n.model dd D\n.ends\n", 1, "no direct current leads"),
    "sources against each other": (
        ".subckt a 1 2\nD1 1 3 dd\nI1 3 4 1m\nI2 4 2 2m\n.model dd D\n.ends\n",
        1,
        "two sources of amperes are in series",
    ),
    "a source within": (".subckt a 1 2\nB1 1 2 V=shell\nD1 1 2 dd\n.model dd D\n.ends\n", 2, "'B1'"),
    "an area of nothing": (".model dd D(IS=1n AREA=0)\n", 1, "positive area"),
    "a tunnel": (".model dd D(IS=1n JTUN=1p)\n", 1, "JTUN"),
    "a sidewall": (".model dd D(IS=1n JSW=1p PJ=2)\n", 1, "JSW"),
    "a temperature of its own": (".model dd D(IS=1n TEMP=50)\n", 1, "TEMP"),
    "another diode": (".model dd D(Ron=.1 Roff=1G Vfwd=.4)\n", 1, "different diode"),
    "out of range": (GOOD + ".model d2 D(IS=-1n)\n", 2, "out of range"),
    "not finite": (".model dd D(IS=1e999)\n", 1, "too large"),
    "no law": (".model dd D(IS=1e30)\n", 1, "saturation current"),
    "read differently": (".model dd D(RS=4k7)\n", 1, "4.7k"),
    "atto or ampere": (".model dd D(IBV=1a)\n", 1, "factor and others as a unit"),
    "no number": (".model dd D(IS=nan)\n", 1, "'nan'"),
    "twice": (GOOD + GOOD, 2, "line 1 already"),
    "no diode": (".model q NPN(BF=100 RB=10)\n* that is all\n", 1, "no law with RB"),
    "nothing": ("* only\n* words\n", 2, "without a diode"),
    "prose": ("Spice model of our part\n" + GOOD, 1, "neither a .model"),
    "continues nothing": ("* title\n+ IS=1n\n", 2, "continues nothing"),
    "another nominal temperature": (".options tnom=25\n" + GOOD, 1, "all parameters hold"),
    "a function that is another": (".func sqrt(x) {2*x}\n" + GOOD, 1, "means something else"),
    "nodes that all share": (".global vcc\n" + GOOD, 1, "means something else"),
    "calls without end": (
        ".subckt a 1 2\n" + "X1 1 2 a\n" * 9 + ".ends\n",
        2,
        "within each other",
    ),
    "a name for a table": ('.model a"]x D(IS=1n)\n', 1, ""),
}


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty catalogue of one's own, in a folder that only an import writes to."""
    monkeypatch.setenv("DIODEQ_DEVICES", str(tmp_path / "own" / "devices.toml"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "own" / "devices.toml"


@pytest.mark.parametrize("name", FILES)
def test_vendors_files_import_to_the_right_parameters(
    name: str, user: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, wanted = FILES[name]
    Path(name).write_bytes(content)
    known = {part.casefold() for part in ("1N4148", "BAT54", "BAS16", "BAS70")}
    replace = ["--replace"] if known & {part.casefold() for part in wanted} else []
    assert main(["devices", "import", name, "--json", *replace]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [part["name"] for part in printed["parts"]] == list(wanted)
    for part in printed["parts"]:
        assert part["parameters"] == pytest.approx(wanted[part["name"]], rel=1e-15)
        model = catalogue.get(part["name"])
        assert dict(model.parameters) == part["parameters"]
        assert [entry["amperes"] for entry in part["forward_voltages"]] == [1e-6, 1e-4, 1e-3]
        for entry in part["forward_voltages"]:
            assert law(model).current(entry["volts"]) == pytest.approx(entry["amperes"], rel=1e-9)
    assert sorted(path.name for path in user.parent.parent.iterdir()) == sorted([name, "own"])


def test_what_was_left_out_is_named(user: Path) -> None:
    for name, (content, _) in FILES.items():
        Path(name).write_bytes(content)
    (part,) = read_parts(Path("plain.mod")).parts
    assert [phrase.split("=")[0] for phrase in part.ignored] == ["mfg", "type"]
    assert part.model.ratings.known() == {"reverse_volts": 75.0, "forward_amperes": 0.2}
    (part,) = read_parts(Path("subckt.lib")).parts
    assert [phrase.split()[0] for phrase in part.ignored] == ["L1", "CP"]
    (part,) = read_parts(Path("area.lib")).parts
    assert [phrase.split("=")[0] for phrase in part.ignored] == ["xyz", "isw"]
    assert read_parts(Path("derived.lib")).skipped == (
        "line 4: BC547: diodeq has no law with RB = 10, `diodeq devices measure` takes it",
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_and_broken_files_are_refused_by_line(
    name: str, user: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, line, evidence = HOSTILE[name]
    Path("bad.lib").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert main(["devices", "import", "bad.lib", "--strict"]) == 3
    said = capsys.readouterr().err
    assert said.startswith(f"diodeq: bad.lib, line {line}: ")
    assert evidence in said
    assert said.count("\n") == 1
    assert len(said) < 400
    assert [path.name for path in user.parent.parent.iterdir()] == ["bad.lib"]


@pytest.mark.parametrize("name", [name for name, (text, *_) in HOSTILE.items() if str(text).startswith(GOOD)])
def test_a_line_that_is_left_out_spoils_nothing_else(name: str, user: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, line, evidence = HOSTILE[name]
    Path("bad.lib").write_bytes(content.encode() if isinstance(content, str) else content)
    whole = name == "huge"
    assert main(["devices", "import", "bad.lib"]) == (3 if whole else 0)
    said = capsys.readouterr().err
    assert f"line {line}: " in said
    assert evidence in said
    assert user.exists() != whole
    if not whole:
        assert catalogue.read(user)[0].name == "dd"


@pytest.mark.parametrize("content", [None, b"", b"\n \n"])
def test_missing_and_empty_files(content: bytes | None, user: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if content is not None:
        Path("x.lib").write_bytes(content)
    assert main(["devices", "import", "x.lib"]) == 3
    assert capsys.readouterr().err.count("\n") == 1


MIXED = """* good diodes among parts that are none
.model GOOD1 D(Is=1n N=1.8 Rs=1)
.subckt DUAL 1 2 3
D1 1 3 GOOD1
D2 2 3 GOOD1
.ends
.model IDEAL D(Ron=.1 Roff=1G Vfwd=.4)
.model TUNNEL D(Is=1n JTUN=1n)
.subckt OPAMP 1 2
.func twice(x) {2*x}
E1 1 2 VALUE={twice(V(1))}
.ends
.subckt LEAKY 1 2
R1 1 2 {x}
D1 1 2 GOOD1
.ends
.model BC547 NPN(BF=200 RB=10)
.model LEVELS D(LEVEL=2)
.model GOOD2 D(Is=2n N=1.8 Rs=1)
.subckt GOOD3 1 2
D1 1 2 GOOD1 m=2
.ends
"""


def test_what_is_no_diode_spoils_no_file(user: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mixed.lib").write_text(MIXED)
    assert main(["devices", "import", "mixed.lib", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [part["name"] for part in document["parts"]] == ["GOOD1", "GOOD2", "DUAL_1_3", "DUAL_2_3", "GOOD3"]
    volts = [part["forward_voltages"][2]["volts"] for part in document["parts"]]
    assert volts == pytest.approx([0.64420671, 0.61194671, 0.64420671, 0.64420671, 0.61144], abs=1e-3)
    assert [(said.split(":")[0], name in said) for said, name in zip(document["skipped"], SKIPPED, strict=True)] == [
        (f"line {line}", True) for line in SKIPPED.values()
    ]
    assert main(["devices", "import", "mixed.lib", "--replace"]) == 0
    assert capsys.readouterr().err.count("left out: ") == len(SKIPPED)


SKIPPED = {"IDEAL": 7, "TUNNEL": 8, "OPAMP": 10, "'x'": 14, "BC547": 17, "LEVELS": 18}


def test_calls_that_multiply_are_counted(user: Path) -> None:
    bodies = (f".subckt a{k} 1 2\n" + f"X1 1 2 a{k + 1}\n" * 40 + ".ends\n" for k in range(7))
    Path("x.lib").write_text(GOOD + "".join(bodies) + ".subckt a7 1 2\n.ends\n")
    found = read_parts(Path("x.lib"))
    assert [part.model.name for part in found.parts] == ["dd"]
    assert sum("more than 500 elements" in phrase for phrase in found.skipped) == 6


class TestAreas:
    """AREA on the card and on the line, against ngspice."""

    CARDS = (
        "is=1n n=1.8 rs=1",
        "is=1n n=1.8 rs=1 bv=5 ibv=1u",
        "is=1n n=1.8 rs=1 ikf=1m isr=1n nr=2.5 bv=20 ibv=1m tcv=1m",
        "n=1.2 bv=5",
    )

    @pytest.mark.parametrize("card", CARDS)
    @pytest.mark.parametrize("line", ["", "m=2", "m=0.5", "area=1"])
    @pytest.mark.parametrize("area", ["", "area=3"])
    def test_as_ngspice_scales_them(self, area: str, line: str, card: str, tmp_path: Path) -> None:
        model = f".model dm d({card} {area})\n"
        rows = [(amperes, ends) for amperes in (1e-6, 1e-3, 1e-1) for ends in ("{0} 0", "0 {0}")]
        rows = [row for row in rows if "bv" in card or row[1].startswith("{")]
        parts = [f"i{k} 0 a{k} {i}\nd{k} {ends.format(f'a{k}')} dm {line}\n" for k, (i, ends) in enumerate(rows)]
        text = "areas\n" + "".join(parts) + model + ".temp 50\n"
        path = tmp_path / "deck.cir"
        path.write_text(text)
        (used,) = import_deck(path, outputs=["*"]).circuit.models
        if not line:
            path.write_text(model)
            (part,) = read_parts(path).parts
            assert part.model.parameters == used.parameters
            assert part.model.name == "dm"
        diode = law(used, 50.0)
        wanted = run_ngspice(text + ".options reltol=1e-9 vntol=1e-12 abstol=1e-18 gmin=1e-12\n.op\n.end\n", tmp_path)
        for k, (amperes, ends) in enumerate(rows):
            sign = 1.0 if ends.startswith("{") else -1.0
            volts = sign * wanted[f"a{k}"]
            # gmin lies across the junction in ngspice, and 1e-9 V at the node is what is asked of it here
            slack = 1e-12 * abs(volts) + 2e-9 * diode.conductance(volts)
            assert diode.current(volts) == pytest.approx(sign * amperes, abs=slack, rel=1e-7)

    def test_a_part_may_have_an_area_of_its_own(self, user: Path) -> None:
        Path("x.lib").write_text(".subckt two 1 2\nD1 1 2 dd area=2\n.model dd D(IS=1n RS=1 AREA=3)\n.ends\n")
        (part,) = read_parts(Path("x.lib")).parts
        assert dict(part.model.parameters) == {"is": 2e-9, "rs": 0.5}

    def test_a_model_derived_from_one_has_its_area(self, user: Path) -> None:
        Path("x.lib").write_text(".model a D(IS=1n AREA=3)\n.model b AKO:a D(N=2)\n.model c AKO:a D(AREA=1)\n")
        found = [part.model.get("is") for part in read_parts(Path("x.lib")).parts]
        assert found == pytest.approx([3e-9, 3e-9, 1e-9], rel=1e-15)


class TestCatalogue:
    def test_a_known_name_is_not_taken_silently(self, user: Path, capsys: pytest.CaptureFixture[str]) -> None:
        Path("x.lib").write_text(".model bat54 D(IS=1u)\n")
        assert main(["devices", "import", "x.lib"]) == 0
        assert "--name" in capsys.readouterr().err
        assert not user.exists()
        assert main(["devices", "import", "x.lib", "--name", "my-bat54"]) == 0
        assert catalogue.get("my-bat54").get("is") == 1e-6
        assert catalogue.get("BAT54").get("is") == 1e-7
        assert main(["devices", "import", "x.lib", "--replace"]) == 0
        assert catalogue.get("BAT54").get("is") == 1e-6
        assert catalogue.get("my-bat54").get("is") == 1e-6

    def test_entries_that_stay_keep_their_text(self, user: Path) -> None:
        user.parent.mkdir()
        mine = "# measured on the bench\n[mine]\nparameters = { is = 1e-9 }\n"
        user.write_text(mine)
        Path("x.lib").write_text(".model a D(IS=1u)\n.model b D(IS=2u)\n")
        assert main(["devices", "import", "x.lib", "--only", "B"]) == 0
        assert user.read_text().startswith(mine)
        assert [model.name for model in catalogue.read(user)] == ["mine", "b"]
        assert main(["devices", "import", "x.lib", "--replace"]) == 0
        assert [model.name for model in catalogue.read(user)] == ["mine", "a", "b"]

    def test_options_that_do_not_fit(self, user: Path) -> None:
        Path("x.lib").write_text(".model a D(IS=1u)\n.model b D(IS=2u)\n")
        assert main(["devices", "import", "x.lib", "--only", "c"]) == 2
        assert main(["devices", "import", "x.lib", "--name", "c"]) == 2
        assert main(["devices", "import", "x.lib", "--only", "a", "--name", "a b"]) == 2

    def test_a_catalogue_that_cannot_be_written(self, user: Path) -> None:
        user.parent.write_text("a file where the folder should be")
        Path("x.lib").write_text(GOOD)
        assert main(["devices", "import", "x.lib"]) == 3

    def test_odd_names_survive_toml(self, user: Path) -> None:
        models = [DiodeModel('a."b"\\c', {"is": 1e-9}, source="π ' \" \\"), DiodeModel("1.5KE", {"is": 1e-9})]
        catalogue.add(models)
        assert catalogue.read(user) == models


def test_a_series_resistor_folds_exactly(user: Path) -> None:
    Path("x.lib").write_text(".subckt a k an\nD1 m k dd\nR1 an m 10\n.model dd D(IS=1n RS=2)\n.ends\n")
    (part,) = read_parts(Path("x.lib")).parts
    inner = law(DiodeModel("dd", {"is": 1e-9, "rs": 2.0}))
    volts = forward_voltage(inner, 1e-2) + 10 * 1e-2
    assert law(part.model).current(volts) == pytest.approx(1e-2, rel=1e-9)


def test_resistors_that_follow_the_temperature_each_in_their_own_way(user: Path, tmp_path: Path) -> None:
    text = ".subckt a 1 2\nD1 1 m dd\nR1 m 2 100 tc1=2m\n.model dd D(IS=1n RS=20 TRS1=1m)\n.ends\n"
    Path("x.lib").write_text(text)
    (part,) = read_parts(Path("x.lib")).parts
    deck = f"hot\n{text}i1 0 k 10m\nx1 k 0 a\n.options reltol=1e-9 vntol=1e-12 abstol=1e-18 temp=85\n.op\n.end\n"
    assert forward_voltage(one(part.model, 85.0), 1e-2) == pytest.approx(run_ngspice(deck, tmp_path)["k"], abs=1e-8)
