"""Hold the mutants that no test killed against the list of those that are explained; a program, for `nox -s mutation`.

mutmut changes the engine in one place at a time and runs the engine's tests.  A change that no test notices stands in
`mutants.toml` with the reason, or it is an error.
"""

from __future__ import annotations

import sys
import tomllib
from collections import Counter
from pathlib import Path

from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant

ENGINE = Path("src/di_salesforce/engine")
SURVIVED = {0, 5, 33}  # mutmut's codes: the tests passed, no test was collected, no test reaches the place
EXPLAINED = Path(__file__).with_name("mutants.toml")

Name = tuple[str, str, str]  # the function, what stood there, what the mutant made of it


def name_of(mutant: str, path: Path) -> Name:
    """Name a mutant by what it changes: its number changes with every line above it."""
    lines = [line for line in get_diff_for_mutant(mutant, path=path).splitlines() if line[:3] not in ("---", "+++")]
    was, now = (" ".join(line[1:].strip() for line in lines if line[:1] == sign) for sign in "-+")
    mangled = mutant.rpartition(".")[2].rpartition("__mutmut_")[0]
    function = mangled.removeprefix("xǁ").removeprefix("x_").replace("ǁ", ".")  # how mutmut writes Class.method
    return f"{path.stem}.{function}", was, now


def main(modules: list[str]) -> int:
    """Say what became of each module's mutants, and name those that are neither killed nor explained."""
    entries = tomllib.loads(EXPLAINED.read_text("utf-8"))["explained"]
    explained = {(entry["in"], entry["was"], entry["now"]) for entry in entries}
    page: list[str] = []
    open_ones = 0
    for path in sorted(ENGINE.glob("_*.py")):
        if modules and path.stem not in modules:
            continue
        data = SourceFileMutationData(path=path)
        data.load()
        told = Counter[str]()
        for mutant, code in data.exit_code_by_key.items():
            name = name_of(mutant, path) if code in SURVIVED else None
            fate = "not tried" if code is None else "killed" if name is None else "survived"
            told[f"{fate}, explained" if name in explained else fate] += 1
            if name is not None and name not in explained:
                open_ones += 1
                words = [f"{key} = {value!r}" for key, value in zip(("in", "was", "now"), name, strict=True)]
                page += ["", "[[explained]]", *words]
        page.append(f"# {path.stem}: " + "; ".join(f"{count} {word}" for word, count in sorted(told.items())))
    page.append(f"# {open_ones} mutants are neither killed by a test nor explained in {EXPLAINED.name}")
    sys.stdout.write("\n".join([*page, ""]))
    return 1 if open_ones else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
