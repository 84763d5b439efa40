"""Laws of the pytest module: its fixtures work where it is switched on, and nothing of it is there otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "test-your-application.md"
pytest_plugins = ["pytester"]

INTEGRATION = """
from di_salesforce import DestinationProject, FieldMapping, Integration, ObjectTransfer, Trigger
from di_salesforce.testing import FakeDialogInsight, Project, ProjectField

transfer = ObjectTransfer(
    "contacts",
    sobject="Contact",
    project=DestinationProject("demo", id=4321),
    fields=[FieldMapping("Email", "EMail", key=True), FieldMapping("LastName", "LastName")],
    triggers=Trigger.ALL,
)
integration = Integration([transfer])
"""

TESTS = """
from demo import Project, ProjectField, integration

def test_a_contact_arrives(fake_salesforce, fake_dialog_insight, synchronizer_for):
    fake_dialog_insight.add_project(Project(4321, fields=[ProjectField("EMail", "email", key=True)]))
    fake_salesforce.load("Contact", [{"LastName": "Tremblay", "Email": "luc@test.example"}])
    sync = synchronizer_for(integration)
    assert sync.run(first_run=True).ok
    assert [row["LastName"] for row in fake_dialog_insight.contacts(4321)] == ["Tremblay"]
    again = synchronizer_for(integration, store=sync.store)
    assert not again.plan().writes

def test_each_test_has_simulators_of_its_own(fake_salesforce, fake_dialog_insight):
    assert fake_salesforce.rows("Contact") == []
    assert fake_dialog_insight.call("Projects", "List")["Records"] == []
"""


def test_the_fixtures_work_where_they_are_switched_on(pytester: pytest.Pytester) -> None:
    """One line in conftest.py gives both simulators and a ready synchronizer, and nothing is left open after a test."""
    pytester.makeconftest('pytest_plugins = ["di_salesforce.testing.pytest_plugin"]')
    pytester.makepyfile(demo=INTEGRATION, test_demo=TESTS)
    outcome = pytester.runpytest_subprocess("-W", "error", "-p", "no:cacheprovider")
    outcome.assert_outcomes(passed=2)


def test_the_suite_of_the_guide_passes(pytester: pytest.Pytester) -> None:
    """The guide's conftest.py and test, as they stand there, are a suite that passes."""
    marked = GUIDE.read_text(encoding="utf-8").split("<!-- skip: next -->\n```python\n")[1:]
    conftest, test = (part.split("```")[0] for part in marked)
    pytester.makeconftest(conftest)
    pytester.makepyfile(test_guide=test)
    pytester.runpytest_subprocess("-W", "error", "-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_nothing_loads_by_itself(pytester: pytest.Pytester) -> None:
    """Where nobody has switched it on, pytest knows no fixture of ours and has imported nothing of the package."""
    pytester.makepyfile(
        """
        import sys

        def test_not_imported():
            assert not [name for name in sys.modules if name.startswith("di_salesforce")]

        def test_not_there(fake_salesforce):
            pass
        """
    )
    outcome = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    outcome.assert_outcomes(passed=1, errors=1)
    outcome.stdout.fnmatch_lines(["*fixture 'fake_salesforce' not found*"])


def test_the_simulators_load_neither_pytest_nor_httpx(pytester: pytest.Pytester) -> None:
    """Importing `di_salesforce.testing` costs the standard library and attrs: no test framework, no client."""
    program = pytester.makepyfile(
        program="""
        import sys
        import di_salesforce.testing

        print(sorted({"pytest", "hypothesis", "httpx", "requests", "simple_salesforce"} & sys.modules.keys()))
        """
    )
    assert pytester.runpython(program).stdout.str() == "[]"
