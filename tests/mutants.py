"""Change the engine in one place after the other and see whether a test notices; a program, for `nox -s mutation`.

mutmut makes the mutants.  What decides nothing is left out by the rules below, what the type checker refuses is killed
by it (it is a gate like any other), and the rest is tried by `mutating.py` in one pytest session.  A change that no
test notices stands in `mutants.toml` with the reason, or it is an error.  A kill stands until the function changes.
"""

from __future__ import annotations

import bisect
import difflib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

ROOT: Final = Path("mutants")  # where mutmut puts its copy
ENGINE: Final = Path("src/di_salesforce/engine")
EXPLAINED: Final = Path(__file__).with_name("mutants.toml")
WANTED, FATES, STATS = ROOT / "wanted.json", ROOT / "fates.json", ROOT / "reached.json"
# Tests that are too slow to run for each mutant: the machines and the laws of several transfers.
SLOW: Final = ("tests/engine/test_machine.py", "tests/engine/test_laws_several.py")
# What mypy says of a mutant that no program could be built with.  Its opinions (unreachable code, redundant conditions,
# a name defined twice) are left out: they say nothing about what the mutant does.
REFUSALS: Final = frozenset(
    {"arg-type", "assignment", "attr-defined", "call-arg", "call-overload", "dict-item", "exhaustive-match", "index"}
    | {"list-item", "name-defined", "operator", "return", "return-value", "type-var", "union-attr"}
)


@attrs.frozen
class Mutant:
    """One change: mutmut's name for it, where it is, what stood there, and what it became."""

    key: str
    module: str
    function: str
    was: str
    now: str
    version: str  # of the function that it changes
    refused: bool

    @property
    def name(self) -> tuple[str, str, str]:
        """What `mutants.toml` knows it by: mutmut's number changes with every line above."""
        return f"{self.module}.{self.function}", self.was, self.now


# -------------------------------------------------------------------------------------------- what decides nothing

SHOWING: Final = frozenset({"__repr__", "__str__", "_repr_html_"})
_TEXT = re.compile(r'(\w*)"((?:[^"\\]|\\.)*)"')  # with its prefix, so that what follows one is not taken for a text


def _changes_text(was: str, now: str, chosen: Callable[[str, str], bool]) -> bool:
    """Tell whether all that changed is one literal that `chosen` chooses, by itself and by what stands before it."""
    for found in _TEXT.finditer(was):
        prefix, text = found.groups()
        for other in () if prefix else (f"XX{text}XX", text.lower(), text.upper()):
            if was[: found.start(2)] + other + was[found.end(2) :] == now:
                return chosen(text, was[: found.start()])
    return False


def _without(pattern: str, was: str, now: str) -> bool:
    first, second = (re.sub(pattern, "", text).replace(", )", ")") for text in (was, now))
    return was != now and first == second


RULES: Final[Mapping[str, Callable[[Mutant], bool]]] = {
    "it shows something, and decides nothing": lambda each: each.function.rpartition(".")[2] in SHOWING,
    "a text with a blank in it is a sentence for people": lambda each: _changes_text(
        each.was, each.now, lambda text, before: " " in text
    ),
    "strict= guards what cannot be": lambda each: _without(r"strict=(True|False|None)", each.was, each.now),
    "a cast is for the type checker": lambda each: _without(r"(?<=cast\()[^,]+,", each.was, each.now),
    "an AssertionError is for what cannot be": lambda each: each.was.startswith("raise AssertionError("),
    # Only that ids differ matters, and `check_told` holds every plan to that.
    "a kind is a part of an id": lambda each: _changes_text(
        each.was, each.now, lambda text, before: bool(re.search(r"(members|about_link|about_row)\([^)\"]*$", before))
    ),
}


# ---------------------------------------------------------------------------------------------------- the mutants


def generate() -> None:
    """Let mutmut write all mutants of the engine into its copy of the project."""
    from mutmut import __main__ as mutmut
    from mutmut.mutation.trampoline import set_mutant_under_test

    set_mutant_under_test("mutant_generation")
    ROOT.mkdir(exist_ok=True)
    mutmut.copy_src_dir()
    mutmut.copy_also_copy_files()
    mutmut.setup_source_paths()
    mutmut.create_mutants(os.cpu_count() or 1)


def _type_errors() -> dict[str, list[dict[str, Any]]]:  # lines of mypy's JSON, by module
    told = subprocess.run(
        [sys.executable, "-m", "mypy", str(ENGINE), "--output", "json", "--disable-error-code", "unused-ignore"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    errors: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in told.stdout.splitlines():
        error = json.loads(line)
        if error["severity"] == "error" and error["code"] in REFUSALS and "already defined" not in error["message"]:
            errors[Path(error["file"]).stem].append(error)
    return errors


def mutants(modules: list[str]) -> Iterator[Mutant]:
    """Give the mutants of these modules (none named: of all), with what the type checker says of them."""
    errors = _type_errors()
    for path in sorted(ENGINE.glob("_*.py")):
        if not modules or path.stem in modules:
            yield from _of_module(path, errors[path.stem])


def _of_module(path: Path, errors: list[dict[str, Any]]) -> Iterator[Mutant]:
    copy = ROOT / path
    meta = json.loads(copy.with_name(f"{copy.name}.meta").read_text("utf-8"))
    spans = json.loads(copy.with_name(f"{copy.name}.spans").read_text("utf-8"))["spans"]
    lines = copy.read_text("utf-8").splitlines()
    order = sorted((start, end, name) for name, (start, end) in spans.items())
    said: dict[str, set[str]] = defaultdict(set)
    for error in errors:
        start, end, name = order[bisect.bisect(order, (error["line"], sys.maxsize, "")) - 1]
        if start <= error["line"] <= end:
            said[name].add(error["message"])
    for key in meta["exit_code_by_key"]:
        changed = key.rpartition(".")[2]
        mangled = changed.rpartition("__mutmut_")[0]
        original = f"{mangled}__mutmut_orig"
        one, other = (
            [line.strip().replace(name, mangled) for line in lines[spans[name][0] - 1 : spans[name][1]]]
            for name in (original, changed)
        )
        was, now = [], []
        for what, a, b, c, d in difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
            if what != "equal":
                was += one[a:b]
                now += other[c:d]
        function = mangled.removeprefix("xǁ").removeprefix("x_").replace("ǁ", ".")  # how mutmut writes Class.method
        version = meta["hash_by_function_name"].get(mangled, "")
        is_refused = bool(said[changed] - said[original])
        yield Mutant(key, path.stem, function, " ".join(was), " ".join(now), version, is_refused)


# ------------------------------------------------------------------------------------------------------ the session


def fate_by_rule(mutant: Mutant) -> str:
    """Say what becomes of a mutant without trying it; empty where it is to be tried."""
    rule = next((reason for reason, applies in RULES.items() if applies(mutant)), "")
    return f"left out: {rule}" if rule else "refused by the type checker" if mutant.refused else ""


def tried(wanted: list[Mutant]) -> dict[str, str]:
    """Try mutants in one session of the engine's tests; give the fate of each, also of those of earlier sessions."""
    fates: dict[str, list[str]] = json.loads(FATES.read_text("utf-8")) if FATES.exists() else {}
    # What a test killed stays killed while its function is the same; what survived may meet a new test today.
    fates = {each.key: fates[each.key] for each in wanted if fates.get(each.key, [""])[0] == each.version}
    open_ones = [each for each in wanted if not fates.get(each.key, ["", ""])[1].startswith("killed")]
    WANTED.write_text(json.dumps({each.key: each.version for each in open_ones}), "utf-8")
    FATES.write_text(json.dumps(fates), "utf-8")
    if open_ones:
        options = ["-n0", "-q", "--timeout=0", "-pno:cacheprovider", "-pmutating", *(f"--deselect={it}" for it in SLOW)]
        paths = [str(Path(__file__).parent.resolve()), str((ROOT / "src").resolve())]
        command = [sys.executable, "-m", "pytest", "tests/engine", *options]
        subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, check=True)
    return {key: fate for key, (_, fate) in json.loads(FATES.read_text("utf-8")).items()}


def main(modules: list[str]) -> int:
    """Say what became of each module's mutants, and name those that are neither killed nor explained."""
    generate()
    found = list(mutants(modules))
    fates = {each.key: fate for each in found if (fate := fate_by_rule(each))}
    fates |= tried([each for each in found if each.key not in fates])
    entries = tomllib.loads(EXPLAINED.read_text("utf-8"))["explained"]
    explained = {(entry["in"], entry["was"], entry["now"]) for entry in entries}
    unmet = {name for name in explained if not modules or name[0].partition(".")[0] in modules}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    page: list[str] = []
    for each in found:
        fate = fates.get(each.key, "not tried").partition(":")[0]
        if fate == "survived":
            fate = "explained" if each.name in explained else "open"
            unmet.discard(each.name)
        counts[each.module][fate] += 1
        if fate == "open":
            words = zip(("in", "was", "now"), each.name, strict=True)
            page += ["", "[[explained]]", *(f"{key} = {json.dumps(text, ensure_ascii=False)}" for key, text in words)]
    for module, told in counts.items():
        page.append(f"# {module}: " + "; ".join(f"{count} {fate}" for fate, count in sorted(told.items())))
    open_ones = sum(told["open"] for told in counts.values())
    page.append(f"# {open_ones} mutants are neither killed nor explained in {EXPLAINED.name}")
    page += [f"# explained, but killed or made no more: {name}" for name in sorted(unmet)]
    sys.stdout.write("\n".join([*page, ""]))
    return 1 if open_ones or unmet else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
