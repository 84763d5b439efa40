"""The pages that are made from the code's own tables say what the code says."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

from di_salesforce.clients import DialogInsightClient, SalesforceClient
from di_salesforce.dialog_insight import Capabilities
from di_salesforce.exceptions import ConfigurationError
from di_salesforce.testing import Switches

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_tables", DOCS / "generate_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES: dict[Path, str] = program().pages()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_generated_page_is_what_its_program_gives(path: Path) -> None:
    """A page that fell behind the code would be a wrong reference: run `python docs/generate_tables.py`."""
    assert path.read_text(encoding="utf-8") == PAGES[path]


class Watched(Mapping[str, str]):
    """An environment that notes what it is asked for."""

    def __init__(self, **given: str) -> None:
        self.given = given
        self.asked = set[str]()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self.given[name]

    def __iter__(self) -> Any:  # of names
        return iter(self.given)

    def __len__(self) -> int:
        return len(self.given)


def test_the_table_of_environment_variables_names_what_the_clients_read() -> None:
    """A variable that is read and not told would be found by accident only; one that is told and not read, never."""
    watched = Watched()
    for kind in (SalesforceClient, DialogInsightClient):
        with pytest.raises(ConfigurationError):
            kind.from_env(watched)
    full = Watched(DIALOG_INSIGHT_ID_KEY="1", DIALOG_INSIGHT_KEY="k")
    DialogInsightClient.from_env(full).close()
    told = set(re.findall(r"`((?:SALESFORCE|DIALOG_INSIGHT)_\w+)`", program().environment()))
    assert told == watched.asked | full.asked


def test_each_way_to_log_in_stands_beside_its_own_variables() -> None:
    """The names of the ways are the only thing in that table that its program adds."""
    module = program()
    values = dict.fromkeys(module._auth._VARIABLES, "x") | {"SALESFORCE_DOMAIN": "example.my.salesforce.com"}
    values["SALESFORCE_INSTANCE_URL"] = values["SALESFORCE_DOMAIN"]
    for way, form in zip(module._WAYS, module._auth._ENV_FORMS, strict=True):
        given = {module._auth._VARIABLES[name]: values[name] for name in form.needs}
        assert type(form.make(given)).__name__ == way


def test_the_page_of_unknowns_names_every_setting_and_no_switch_that_is_not_there() -> None:
    """An open question without its setting, or with a switch that nobody has, would mislead."""
    text = (DOCS / "explanation" / "unknowns-of-dialog-insight.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.split("## Settings")[1].split("In a declaration:")[0].splitlines()]
    named = [(set(re.findall(r"`(\w+)`", row[1])), set(re.findall(r"`(\w+)`", row[3]))) for row in rows if len(row) > 3]
    settings, switches = (set[str]().union(*column) for column in zip(*named, strict=True))
    assert settings == {field.name for field in attrs.fields(Capabilities)}
    assert switches <= {field.name for field in attrs.fields(Switches)}
