"""What a save does to a row: names, permissions, values, automation, required fields, rules, uniqueness, stamps.

The order of the checks follows the vendor's order of execution as far as it is published: system checks of the values,
automation before the save, required fields, validation rules, duplicate rules, uniqueness.  What may not go in here:
HTTP, queries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import attrs

from di_salesforce.testing._sf_access import Caller
from di_salesforce.testing._sf_errors import Refusal, bad_reference, is_deleted
from di_salesforce.testing._sf_schema import Field, StoredRow
from di_salesforce.testing._sf_store import Journal, Org, Table, Writer

OnSave: TypeAlias = Callable[[StoredRow], None]
ValidationRule: TypeAlias = Callable[[Mapping[str, object]], "str | None"]


@attrs.frozen
class DuplicateRule:
    """A rule that finds rows which agree in all named fields; `allow_save`: a header of the call may override it."""

    name: str
    fields: tuple[str, ...]
    allow_save: bool


@attrs.define
class Automation:
    """What the org's administrators added to an object."""

    on_save: list[OnSave] = attrs.field(factory=list[OnSave])
    validation: list[ValidationRule] = attrs.field(factory=list[ValidationRule])
    duplicates: list[DuplicateRule] = attrs.field(factory=list[DuplicateRule])

    def copied(self) -> Automation:
        """Copy the lists; the functions in them are shared."""
        return Automation(list(self.on_save), list(self.validation), list(self.duplicates))


@attrs.frozen
class Hand:
    """Who saves, and how.

    The hand of an administrator has no `caller` and is not bound by field permissions; `allow_duplicates` overrides the
    duplicate rules that may be; the `journal` notes what was changed, for undoing.
    """

    user_id: str
    caller: Caller | None = None
    allow_duplicates: bool = False
    journal: Journal | None = None

    def may_write(self, sobject: str, writer: Writer) -> bool:
        """Tell whether the permissions let the hand write a field."""
        return self.caller is None or (writer.permitted and self.caller.writes(sobject, writer.name))


class Saver:
    """The save path of one org: the only place that creates, changes or deletes rows."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._automation: dict[str, Automation] = {}

    def automation(self, table: Table) -> Automation:
        """Give what was added to an object, to be added to."""
        return self._automation.setdefault(table.sobject.name, Automation())

    def automation_state(self) -> Mapping[str, Automation]:
        """Copy what administrators added."""
        return {name: added.copied() for name, added in self._automation.items()}

    def restore_automation(self, state: Mapping[str, Automation]) -> None:
        """Go back to a copied state."""
        self._automation = {name: added.copied() for name, added in state.items()}

    def create(self, table: Table, given: Mapping[str, object], hand: Hand) -> str:
        """Save a new row and give its id; raises `Refusal` and saves nothing."""
        if not table.sobject.createable:
            raise Refusal(
                "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type cannot be inserted: {table.sobject.label}", ()
            )
        values = self._converted(table, given, hand, creating=True)
        row: StoredRow = table.defaults | {name: value for name, value in values.items() if value is not None}
        if "ownerid" in table.writers:
            row.setdefault("OwnerId", hand.user_id)
        self._automate(table, row)
        self._check(table, None, row, hand)
        record_id = table.next_id()
        for field in table.auto_numbers:
            row[field.name] = auto_number(field, table.made)
        moment = self._org.now()
        row |= {
            "Id": record_id, "IsDeleted": False, "CreatedDate": moment, "CreatedById": hand.user_id,
            "LastModifiedDate": moment, "LastModifiedById": hand.user_id, "SystemModstamp": moment,
        }  # fmt: skip
        table.put(record_id, row, hand.journal)
        return record_id

    def update(self, table: Table, record_id: str, given: Mapping[str, object], hand: Hand) -> None:
        """Save changes to a row; raises `Refusal` and saves nothing.  A save without a change moves the stamps too."""
        old = self.existing(table, record_id)
        values = self._converted(table, given, hand, creating=False)
        if old.get("IsConverted"):
            raise Refusal("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", ())
        row = old.copy()
        for name, value in values.items():
            if value is None:
                row.pop(name, None)
            else:
                row[name] = value
        self._automate(table, row)
        self._check(table, old, row, hand)
        moment = self._org.now()
        row["LastModifiedDate"] = row["SystemModstamp"] = moment
        row["LastModifiedById"] = hand.user_id
        table.put(record_id, row, hand.journal)

    def delete(self, table: Table, record_id: str, hand: Hand) -> None:
        """Put a row into the recycle bin, its cascading children with it; clear the other lookups that point at it."""
        row = self.existing(table, record_id)
        if not table.sobject.deletable:
            raise Refusal("INSUFFICIENT_ACCESS_OR_READONLY", "entity type does not support delete", (), status=400)
        moment = self._org.now()
        gone = row | {
            "IsDeleted": True,
            "LastModifiedDate": moment,
            "LastModifiedById": hand.user_id,
            "SystemModstamp": moment,
        }
        table.put(record_id, gone, hand.journal)
        for child, field in list(self._org.children(table.sobject.name)):
            for child_id in child.index(field).find(record_id):
                if field.cascade:
                    self.delete(child, child_id, hand)
                else:
                    # That clearing a lookup moves SystemModstamp only is our reading of "system changes".
                    cleared = child.rows[child_id] | {"SystemModstamp": moment}
                    del cleared[field.name]
                    child.put(child_id, cleared, hand.journal)

    def undelete(self, table: Table, record_id: str, hand: Hand) -> None:
        """Take a row out of the recycle bin under its own id; it counts as an update from then on."""
        row = table.rows.get(record_id)
        if row is None or not row["IsDeleted"]:
            raise Refusal("UNDELETE_FAILED", "entity is not in the recycle bin", ())
        self._check(table, None, row, hand)
        moment = self._org.now()
        back = row | {
            "IsDeleted": False,
            "LastModifiedDate": moment,
            "LastModifiedById": hand.user_id,
            "SystemModstamp": moment,
        }
        table.put(record_id, back, hand.journal)

    def existing(self, table: Table, record_id: str, *, status: int = 400) -> StoredRow:
        """Give a row that is there and not deleted; raises the refusals of a missing and of a deleted one."""
        row = table.rows.get(record_id)
        if row is None:
            raise is_deleted() if record_id in table.purged else bad_reference(status=status)
        if row["IsDeleted"]:
            raise is_deleted()
        return row

    def _converted(self, table: Table, given: Mapping[str, object], hand: Hand, *, creating: bool) -> StoredRow:
        found: list[tuple[Writer, object]] = []
        blocked: list[str] = []
        for name, value in given.items():
            if name == "attributes":
                continue
            writer = table.writers.get(name) or table.writers.get(name.lower())
            if writer is None:
                parent = table.relationships.get(name.lower())
                if parent is None:
                    message = f"No such column '{name}' on sobject of type {table.sobject.name}"
                    raise Refusal("INVALID_FIELD", message, (), key=name)
                writer = table.writers[parent.name]
                found.append((writer, self._parent_id(parent, value)))
            else:
                found.append((writer, value))
            writable = writer.createable if creating else writer.updateable
            if not (writable and hand.may_write(table.sobject.name, writer)):
                blocked.append(writer.name)
        if blocked:
            raise Refusal(
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                f"Unable to create/update fields: {', '.join(blocked)}. Please check the security settings of this "
                "field and verify that it is read/write for your profile or permission set.",
                blocked,
            )
        return {writer.name: writer.convert(value) for writer, value in found}

    def _parent_id(self, field: Field, value: object) -> object:
        """Find the row that a nested `{"Account": {"Ext__c": "x"}}` names (facts 3.3)."""
        if value is None:
            return None
        if not isinstance(value, dict):
            raise Refusal(
                "JSON_PARSER_ERROR", f"Cannot deserialize instance of {field.relationship}", key=field.relationship
            )
        nested = cast("dict[str, Any]", value)  # a JSON object: its keys are text, its values anything
        attributes: Any = nested.get("attributes")
        kind = attributes.get("type") if isinstance(attributes, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON
        if kind is None and len(field.references) == 1:
            kind = field.references[0]
        if not isinstance(kind, str) or kind not in field.references:
            raise Refusal(
                "JSON_PARSER_ERROR", f"The value of {field.relationship} needs attributes.type", key=field.relationship
            )
        table = self._org.tables[kind.lower()]
        keys = [(name, found) for name, found in nested.items() if name != "attributes"]
        by = table.sobject.field(keys[0][0]) if len(keys) == 1 else None
        if by is None or not by.addresses:
            message = f"{field.relationship} must name one external id field of {kind}"
            raise Refusal("INVALID_FIELD", message, ())
        wanted = keys[0][1]
        ids = [str(wanted)] if by.type == "id" else table.index(by).find(wanted)
        if not ids or table.live(ids[0]) is None:
            message = f"Foreign key external ID: {wanted} not found for field {by.name} in entity {kind}"
            raise Refusal("INVALID_FIELD", message, ())
        if len(ids) > 1:
            raise many_matches(by, ids)
        return ids[0]

    def _automate(self, table: Table, row: StoredRow) -> None:
        """Let the org's automation rewrite the row; what it wrote is checked and stored like anything else."""
        automation = self._automation.get(table.sobject.name)
        if automation is None or not automation.on_save:
            return
        before = row.copy()
        for function in automation.on_save:
            function(row)
        for name, value in list(row.items()):
            if before.get(name) != value:
                stored = table.writers[name].convert(value)
                if stored is None:
                    del row[name]
                else:
                    row[name] = stored
        row |= {name: False for name in table.defaults if row.get(name) is None}

    def _check(self, table: Table, old: StoredRow | None, row: StoredRow, hand: Hand) -> None:
        missing = [name for name in table.required if row.get(name) is None]
        if missing:
            raise Refusal("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", missing)
        automation = self._automation.get(table.sobject.name)
        if automation is not None:
            for rule in automation.validation:
                refused = rule(table.shown(row))
                if refused:
                    raise Refusal("FIELD_CUSTOM_VALIDATION_EXCEPTION", refused, ())
            for duplicates in automation.duplicates:
                self._check_duplicates(table, duplicates, old, row, hand)
        for field in table.unique:
            value = row.get(field.name)
            if value is None or (old is not None and old.get(field.name) == value):
                continue
            for holder in table.index(field).find(value):
                if old is None or holder != old["Id"]:
                    # The message names the 15-character id of the holder [inferred, from several reports].
                    message = f"duplicate value found: {field.name} duplicates value on record with id: {holder[:15]}"
                    raise Refusal("DUPLICATE_VALUE", message, ())

    def _check_duplicates(
        self, table: Table, rule: DuplicateRule, old: StoredRow | None, row: StoredRow, hand: Hand
    ) -> None:
        fields = [field for name in rule.fields if (field := table.sobject.field(name))]
        if any(row.get(field.name) is None for field in fields) or (rule.allow_save and hand.allow_duplicates):
            return
        indexes = [table.index(field) for field in fields]
        same = set(indexes[0].find(row.get(indexes[0].name)))
        for index in indexes[1:]:
            same &= set(index.find(row.get(index.name)))
        same -= {str(old["Id"])} if old is not None else set()
        if same:
            raise _duplicates_detected(table.sobject.name, rule, sorted(same))


def auto_number(field: Field, number: int) -> str:
    """Write the n-th value of an auto-number field: `A-{0000}` gives `A-0007`."""
    head, _, rest = field.auto_number.partition("{")
    zeros, _, tail = rest.partition("}")
    return f"{head}{number:0{len(zeros)}d}{tail}"


def many_matches(field: Field, ids: Sequence[str]) -> Refusal:
    """Build the refusal of a row whose external id names several records."""
    message = f"{field.name}: more than one record found for external id field: [{', '.join(ids)}]"
    return Refusal("DUPLICATE_EXTERNAL_ID", message, ())


def _duplicates_detected(sobject: str, rule: DuplicateRule, ids: Sequence[str]) -> Refusal:
    """Build the duplicate rule's answer; the key is spelt as the vendor spells it [seen]."""
    nothing: list[object] = []
    matches: list[dict[str, object]] = [
        {"additionalInformation": nothing, "fieldDiffs": nothing, "matchConfidence": 100.0,
         "record": {"attributes": {"type": sobject}, "Id": record_id}}
        for record_id in ids
    ]  # fmt: skip
    result: dict[str, object] = {
        "allowSave": rule.allow_save, "duplicateRule": rule.name, "duplicateRuleEntityType": sobject,
        "errorMessage": "Use one of these records?",
        "matchResults": [
            {"entityType": sobject, "errors": nothing, "matchEngine": "ExactMatchEngine", "matchRecords": matches,
             "rule": rule.name, "size": len(matches), "success": True}
        ],
    }  # fmt: skip
    return Refusal("DUPLICATES_DETECTED", "Use one of these records?", (), extra={"duplicateResut": result})
