"""What an sObject is: field and object declarations, and their describe answers.

What may not go in here: records, and the checks that a save makes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import attrs

Wire: TypeAlias = bool | int | float | str | None
"""A stored value, in the form in which the REST API shows it (facts 3.5): dates and times are text."""

StoredRow: TypeAlias = dict[str, Wire]
"""A stored record: nulls are left out, booleans never are."""

FieldType: TypeAlias = Literal[
    "id", "string", "boolean", "int", "double", "currency", "percent", "date", "datetime", "time", "textarea",
    "phone", "email", "url", "picklist", "multipicklist", "combobox", "reference", "encryptedstring", "address",
]  # fmt: skip

# Lengths where a declaration gives none: the vendor's for the fixed ones, a usual choice for the others.
_LENGTHS: Final[Mapping[str, int]] = {
    "id": 18, "reference": 18, "string": 255, "textarea": 255, "phone": 40, "email": 80, "url": 255, "picklist": 255,
    "multipicklist": 4099, "combobox": 255, "encryptedstring": 175,
}  # fmt: skip
_SOAP_TYPES: Final[Mapping[str, str]] = {
    "id": "tns:ID", "reference": "tns:ID", "boolean": "xsd:boolean", "int": "xsd:int", "double": "xsd:double",
    "currency": "xsd:double", "percent": "xsd:double", "date": "xsd:date", "datetime": "xsd:dateTime",
    "time": "xsd:time", "address": "urn:address",
}  # fmt: skip
NUMBERS: Final = frozenset({"double", "currency", "percent"})
TEXTS: Final = frozenset(
    {"string", "textarea", "phone", "email", "url", "picklist", "multipicklist", "combobox", "encryptedstring"}
)
LONG_TEXT: Final = 255
"""A `textarea` above this length is long text, which can be neither filtered nor sorted [seen]."""


def _texts(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@attrs.frozen
class Field:
    """A field of an sObject, in the words of describe.

    Args:
        name: API name, for instance `Loyalty_Points__c`.
        type: describe's type.
        length: characters; 0 takes the type's usual length.
        required: not nillable; required on create unless it has a default.
        unique, case_sensitive, external_id, id_lookup: as in describe; an external id can address records.
        values: the picklist's values; with `restricted` no other is accepted.
        references: sObjects that a `reference` may point at; `relationship` is the parent's name in SOQL,
            `children` the child relationship's name on the parent; `cascade` deletes the child with the parent,
            otherwise the lookup is cleared.
        precision, scale: all digits, and those after the point; a saved number is rounded to the scale.
        default: the value of a create that does not give one.
        auto_number: a pattern such as `A-{0000}`; the server fills the field.
        formula: computes the value on reading, from the row; such a field is never written and moves no stamp.
        compound: name of the compound field that this one is a part of.
        createable, updateable: whether a save may write the field at all.
        hidden, locked: the API user has no permission to see it; to write it.
    """

    name: str
    type: FieldType = "string"
    length: int = 0
    label: str = ""
    required: bool = False
    unique: bool = False
    case_sensitive: bool = False
    external_id: bool = False
    id_lookup: bool = False
    values: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    restricted: bool = False
    references: tuple[str, ...] = attrs.field(default=(), converter=_texts)
    relationship: str = ""
    children: str = ""
    cascade: bool = False
    precision: int = 18
    scale: int = 2
    default: Wire = None
    auto_number: str = ""
    formula: Callable[[StoredRow], object] | None = None
    compound: str = ""
    hidden: bool = False
    locked: bool = False
    createable: bool = True
    updateable: bool = True

    def __attrs_post_init__(self) -> None:
        # Frozen values are filled in once, here; `object.__setattr__` is the way that attrs documents for it.
        if not self.length:
            object.__setattr__(self, "length", _LENGTHS.get(self.type, 0))
        if not self.label:
            object.__setattr__(self, "label", _label(self.name, self.type))
        if self.type == "reference" and not self.relationship:
            custom = self.name.endswith("__c")
            object.__setattr__(self, "relationship", self.name[:-1] + "r" if custom else self.name.removesuffix("Id"))
        if self.auto_number or self.formula is not None:
            object.__setattr__(self, "createable", False)
            object.__setattr__(self, "updateable", False)

    @property
    def custom(self) -> bool:
        """Whether the org added the field itself."""
        return self.name.endswith("__c")

    @property
    def nillable(self) -> bool:
        """Whether null is allowed; a checkbox is never null [inferred]."""
        return not self.required and self.type not in ("boolean", "id")

    @property
    def defaulted(self) -> bool:
        """Whether a create without a value gets one."""
        return self.type == "boolean" or self.default is not None or bool(self.auto_number)

    @property
    def is_long(self) -> bool:
        """Whether this is long text, or another kind that cannot be filtered, sorted or grouped."""
        return self.type == "address" or (self.type == "textarea" and self.length > LONG_TEXT)

    @property
    def folds(self) -> bool:
        """Whether comparing ignores case: text does, ids and case-sensitive unique fields do not."""
        return self.type in TEXTS and not self.case_sensitive

    @property
    def addresses(self) -> bool:
        """Whether `/sobjects/X/<field>/<value>` may name records by it: an external id or an idLookup field [seen]."""
        return self.external_id or self.id_lookup or self.type == "id"


def _label(name: str, kind: FieldType) -> str:
    bare = name.removesuffix("__c").replace("_", " ")
    if kind == "reference" and bare.endswith("Id"):
        bare = bare[:-2] + " ID"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", bare)


def _fields(fields: Iterable[Field]) -> tuple[Field, ...]:
    return tuple(fields)


@attrs.frozen
class SObject:
    """An object of the org: its own fields; the system fields are added when it is declared.

    Args:
        name: API name, for instance `Contact` or `Membership__c`.
        fields: its own fields; a custom object without a `Name` gets a text one, as the vendor does.
        prefix: three characters with which its ids begin; empty: the next free one (custom objects begin with `a`).
        owned: it has an `OwnerId`.
        createable, updateable, deletable, replicateable: as in describe.

    Example:
        >>> SObject("Membership__c", [Field("Tier__c", "picklist", values=["Gold", "Silver"])]).label
        'Membership'
    """

    name: str
    fields: tuple[Field, ...] = attrs.field(default=(), converter=_fields)
    prefix: str = ""
    label: str = ""
    plural: str = ""
    owned: bool = True
    createable: bool = True
    updateable: bool = True
    deletable: bool = True
    replicateable: bool = True
    by_name: Mapping[str, Field] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        label = self.label or _label(self.name, "string")
        object.__setattr__(self, "label", label)  # frozen: filled in once
        object.__setattr__(self, "plural", self.plural or label + "s")
        object.__setattr__(self, "by_name", {field.name.lower(): field for field in self.fields})

    @property
    def custom(self) -> bool:
        """Whether the org added the object itself."""
        return self.name.endswith("__c")

    def field(self, name: str) -> Field | None:
        """Find a field by its API name, in any case, hidden ones too."""
        return self.by_name.get(name.lower())

    def visible(self) -> list[Field]:
        """List the fields that the user may see."""
        return [field for field in self.fields if not field.hidden]

    def with_field(self, field: Field) -> SObject:
        """Add a field, or put a changed one in the place of its namesake."""
        kept = {mine.name: mine for mine in self.fields}
        kept[field.name] = field
        return attrs.evolve(self, fields=tuple(kept.values()))


def completed(sobject: SObject, prefix: str) -> SObject:
    """Add what every object has: the system fields, and for a custom object its name, owner and key prefix."""
    fields = [Field("Id", "id", label="Record ID", createable=False, updateable=False, id_lookup=True, required=True)]
    if sobject.owned:
        fields.append(Field("OwnerId", "reference", references=["Group", "User"], label="Owner ID"))
    if sobject.custom and sobject.field("Name") is None:
        fields.append(Field("Name", length=80, label=f"{sobject.label} Name"))
    own = {field.name for field in sobject.fields}
    system = [field for field in (*fields, *_SYSTEM_FIELDS) if field.name not in own]
    ordered = [*system[:1], *sobject.fields, *system[1:]]
    return attrs.evolve(sobject, fields=tuple(ordered), prefix=sobject.prefix or prefix)


def _stamp(name: str, kind: FieldType, label: str = "") -> Field:
    references = ["User"] if kind == "reference" else []
    return Field(name, kind, label=label, required=True, createable=False, updateable=False, references=references)


_SYSTEM_FIELDS: Final = (
    Field("IsDeleted", "boolean", label="Deleted", createable=False, updateable=False),
    _stamp("CreatedDate", "datetime"),
    _stamp("CreatedById", "reference", label="Created By ID"),
    _stamp("LastModifiedDate", "datetime"),
    _stamp("LastModifiedById", "reference", label="Last Modified By ID"),
    _stamp("SystemModstamp", "datetime"),
)


def describe_field(field: Field) -> dict[str, object]:
    """Give a field's describe entry: all 57 keys of version 58 [seen]."""
    text = field.type in TEXTS
    number = field.type in NUMBERS
    own_length = field.length if text or field.type in ("id", "reference") else 0
    plain = not field.is_long
    return {
        "aggregatable": plain and field.type not in ("boolean", "multipicklist"),
        "aiPredictionField": False,
        "autoNumber": bool(field.auto_number),
        "byteLength": own_length * 3 if text else own_length,  # 3 bytes a character [seen]; ids count once [inferred]
        "calculated": field.formula is not None and field.type != "address" and field.custom,
        "calculatedFormula": None,
        "cascadeDelete": field.cascade,
        "caseSensitive": field.case_sensitive,
        "compoundFieldName": field.compound or None,
        "controllerName": None,
        "createable": field.createable and not field.locked,
        "custom": field.custom,
        "defaultValue": False if field.type == "boolean" and field.default is None else field.default,
        "defaultValueFormula": None,
        "defaultedOnCreate": field.defaulted or field.name in _FILLED_BY_SERVER,
        "dependentPicklist": False,
        "deprecatedAndHidden": False,
        "digits": min(field.precision, 9) if field.type == "int" else 0,  # 9: what an xsd:int surely holds
        "displayLocationInDecimal": False,
        "encrypted": field.type == "encryptedstring",
        "externalId": field.external_id,
        "extraTypeInfo": "plaintextarea" if field.type == "textarea" else None,
        "filterable": plain or field.type == "address",  # compound addresses are recorded as filterable [seen]
        "filteredLookupInfo": None,
        "formulaTreatNullNumberAsZero": False,
        "groupable": plain and not number and field.type not in ("datetime", "multipicklist"),
        "highScaleNumber": False,
        "htmlFormatted": False,
        "idLookup": field.id_lookup or field.external_id,
        "inlineHelpText": None,
        "label": field.label,
        "length": own_length,
        "mask": None,
        "maskType": None,
        "name": field.name,
        "nameField": field.name in ("Name", "CaseNumber", "OrderNumber", "Subject"),
        "namePointing": len(field.references) > 1,
        "nillable": field.nillable,
        "permissionable": field.nillable and field.name not in _FILLED_BY_SERVER,
        "picklistValues": [
            {"active": True, "defaultValue": value == field.default, "label": value, "validFor": None, "value": value}
            for value in field.values
        ],
        "polymorphicForeignKey": len(field.references) > 1,
        "precision": field.precision if number else 0,
        "queryByDistance": False,
        "referenceTargetField": None,
        "referenceTo": list(field.references),
        "relationshipName": (field.relationship or None) if field.type == "reference" else None,
        "relationshipOrder": None,
        "restrictedDelete": False,
        "restrictedPicklist": field.restricted,
        "scale": field.scale if number else 0,
        "searchPrefilterable": field.type == "reference",
        "soapType": _SOAP_TYPES.get(field.type, "xsd:string"),
        "sortable": plain and field.type != "multipicklist",
        "type": field.type,
        "unique": field.unique,
        "updateable": field.updateable and not field.locked,
        "writeRequiresMasterRead": False,
    }


_FILLED_BY_SERVER: Final = frozenset(
    {"Id", "OwnerId", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp"}
)


def describe_summary(sobject: SObject, base: str) -> dict[str, object]:
    """Give an object's entry in `/sobjects`; `base` is the path of the version."""
    path = f"{base}/sobjects/{sobject.name}"
    kept = {"createable", "deletable", "updateable", "replicateable"}
    return {
        "activateable": False, "associateEntityType": None, "associateParentEntity": None, "custom": sobject.custom,
        "customSetting": False, "deepCloneable": False, "deprecatedAndHidden": False, "feedEnabled": False,
        "hasSubtypes": False, "isInterface": False, "isSubtype": False, "keyPrefix": sobject.prefix or None,
        "label": sobject.label, "labelPlural": sobject.plural, "layoutable": True,
        "mergeable": sobject.name in ("Account", "Contact", "Lead", "Case"), "mruEnabled": True, "name": sobject.name,
        "queryable": True, "retrieveable": True, "searchable": True, "triggerable": True,
        "undeletable": sobject.deletable,
        **{key: getattr(sobject, key) for key in sorted(kept)},
        "urls": {"rowTemplate": f"{path}/{{ID}}", "describe": f"{path}/describe", "sobject": path},
    }  # fmt: skip


def describe_sobject(sobject: SObject, children: Sequence[Mapping[str, object]], base: str) -> dict[str, object]:
    """Give the describe answer: all 45 keys of version 58 [seen]; `children` are its child relationships."""
    return {
        "actionOverrides": [], "childRelationships": list(children), "compactLayoutable": True,
        "defaultImplementation": None, "extendedBy": None, "extendsInterfaces": None,
        "fields": [describe_field(field) for field in sobject.visible()],
        "implementedBy": None, "implementsInterfaces": None, "listviewable": None, "lookupLayoutable": None,
        "namedLayoutInfos": [], "networkScopeFieldName": None,
        "recordTypeInfos": [
            {"active": True, "available": True, "defaultRecordTypeMapping": True, "developerName": "Master",
             "master": True, "name": "Master", "recordTypeId": "012000000000000AAA", "urls": {}}
        ],
        "searchLayoutable": True, "sobjectDescribeOption": "FULL",
        "supportedScopes": [{"label": f"All {sobject.plural}", "name": "everything"}],
        **describe_summary(sobject, base),
    }  # fmt: skip


def child_relationship(child: SObject, field: Field) -> dict[str, object]:
    """Give the parent's entry for one lookup that points at it."""
    return {
        "cascadeDelete": field.cascade,
        "childSObject": child.name,
        "deprecatedAndHidden": False,
        "field": field.name,
        "junctionIdListNames": [],
        "junctionReferenceTo": [],
        "relationshipName": field.children or None,
        "restrictedDelete": False,
    }
