"""What all tests share: the Hypothesis profiles, chosen by the environment variable HYPOTHESIS_PROFILE."""

from __future__ import annotations

import os

from hypothesis import settings

from di_salesforce.engine._decision import decide

# The same examples at every run: a landing is not decided by luck.  `long` draws anew, and says how to repeat a find.
settings.register_profile("ci", max_examples=200, deadline=None, print_blob=True, derandomize=True)
settings.register_profile("quick", settings.get_profile("ci"), max_examples=20)  # on further Pythons
# The engine's tests run once for each mutant: few examples, the same each time, none remembered.
settings.register_profile("mutation", settings.get_profile("ci"), max_examples=10, database=None)
settings.register_profile("long", settings.get_profile("ci"), max_examples=2000, derandomize=False)
settings.register_profile("fuzz", settings.get_profile("long"), max_examples=20_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_sessionstart() -> None:
    """Forget which lines of the field table were decided: a mutant's run is forked from one that decided them all."""
    decide.cache_clear()


def pytest_report_header() -> str:
    """Say at the top of a run how hard the property tests look."""
    return f"hypothesis examples per property: {settings().max_examples}"
