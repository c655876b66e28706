"""The mapping file: what it takes, and how it says what is wrong."""

from pathlib import Path
from typing import Any

import pytest

from account_reviews.crm.importing.fields import MODULES
from account_reviews.crm.importing.mapping import load_mapping, parse_mapping
from account_reviews.domain.errors import BadInputError
from tests.support.paths import ROOT

EXAMPLES = ROOT / "examples"
OWNER_FIELDS = {"id": "ID", "name": "Name"}


def owners(**changes: Any) -> dict[str, Any]:
    return {"files": [{"file": "o.csv", "module": "owners", "fields": OWNER_FIELDS, **changes}]}


def deals(**fields: Any) -> dict[str, Any]:
    base = {"id": "ID", "account_id": "A", "name": "N", "stage": "S"}
    return {"files": [{"file": "d.csv", "module": "deals", "fields": {**base, **fields}}]}


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("**/*.yaml")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_the_examples_are_valid(path: Path) -> None:
    assert load_mapping(path).files


WRONG: list[tuple[object, str]] = [
    (None, "m.yaml: a mapping file starts with `files:`"),
    ({"files": []}, "m.yaml: files: "),
    ({"file": []}, "m.yaml: unknown key 'file'; the keys are files"),
    (owners(colour="red"), "m.yaml: o.csv: unknown key 'colour'; the keys are file, module"),
    (owners(module="people"), "m.yaml: o.csv, module: unknown module 'people'; the modules are"),
    (owners(fields={"id": "ID"}), "m.yaml: o.csv: owners needs the field name"),
    (
        owners(fields={**OWNER_FIELDS, "nmae": "Name"}),
        "m.yaml: o.csv: owners has no field 'nmae'; its fields are id, name, email, active",
    ),
    (
        owners(fields={**OWNER_FIELDS, "email": {"colum": "E"}}),
        "m.yaml: o.csv, fields, email: unknown key 'colum'; the keys are column, first_of",
    ),
    (
        owners(fields={**OWNER_FIELDS, "email": {"column": "E", "constant": "x"}}),
        (
            "m.yaml: o.csv, fields, email: give one of column, first_of, template, constant"
            " (found column and constant)"
        ),
    ),
    (
        owners(fields={**OWNER_FIELDS, "email": {"slug": "true"}}),
        (
            "m.yaml: o.csv, fields, email: give one of column, first_of, template, constant"
            " (found none of them)"
        ),
    ),
    (
        owners(fields={**OWNER_FIELDS, "email": {"column": "E", "scale": "2"}}),
        "m.yaml: o.csv: scale does not fit email, which is a text field",
    ),
    (deals(amount={"column": "A", "scale": "inf"}), "m.yaml: d.csv, fields, amount, scale: "),
    (
        deals(closing_date={"column": "C", "dates": ["day"]}),
        "m.yaml: d.csv, fields, closing_date: 'day' is not a date format",
    ),
    (owners(dates=["%d %Q"]), "m.yaml: o.csv: '%d %Q' is not a date format"),
    (owners(time_zone="Noon"), "m.yaml: o.csv, time_zone: unknown time zone 'Noon'"),
    (owners(file="../o.csv"), "m.yaml: ../o.csv, file: '../o.csv' must be the name of a file"),
    (owners(encoding="utf-7"), "m.yaml: o.csv, encoding: "),
    (owners(delimiter=";;"), "m.yaml: o.csv, delimiter: "),
    (owners(fields={**OWNER_FIELDS, "custom.x": "X"}), "m.yaml: o.csv: owners has no field"),
    ({"files": ["x"]}, "m.yaml: files[0]: write keys with values, such as {key: value}"),
    (owners(null="NULL"), "m.yaml: o.csv, null: write a list, such as [NULL]"),
    (owners(fields="ID"), "m.yaml: o.csv, fields: write keys with values, such as {key: value}"),
    (owners(file=["o.csv"]), "m.yaml: files[0], file: write a text, such as text"),
    (owners(dates=["%d.%m."]), "m.yaml: o.csv: '%d.%m.' has no year; write it like %d-%m-%y"),
    (owners(delimiter='"'), "m.yaml: o.csv, delimiter: '\"' cannot stand between values"),
    (owners(decimal=";"), "m.yaml: o.csv, decimal: "),
    (owners(skip_lines="-1"), "m.yaml: o.csv, skip_lines: "),
    (
        owners(
            fields={
                **OWNER_FIELDS,
                "email": {
                    "column": "E",
                    "most_frequent": {"file": "../other.csv", "key": "a", "value": "b"},
                },
            }
        ),
        (
            "m.yaml: o.csv, fields, email, most_frequent, file: '../other.csv' must be the name of"
            " a file in the import directory"
        ),
    ),
]


@pytest.mark.parametrize(("document", "message"), WRONG, ids=[text[8:60] for _, text in WRONG])
def test_a_mistake_is_named_with_its_place(document: object, message: str) -> None:
    with pytest.raises(BadInputError) as caught:
        parse_mapping(document, "m.yaml")
    assert caught.value.message.startswith(message)
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == 2


def test_everything_in_the_file_is_text(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(
        "files:\n- file: o.csv\n  module: owners\n  distinct: true\n  null: [No, 1.50]\n"
        "  fields:\n    id: 01\n    name: {constant: 2026-10-01}\n"
        "    active: {column: A, values: {No: no, yes: Yes}}\n"
    )
    entry = load_mapping(path).files[0]
    assert entry.null == ("No", "1.50")
    assert entry.distinct is True
    assert entry.fields["id"].column == "01"
    assert entry.fields["name"].constant == "2026-10-01"
    assert entry.fields["active"].values == {"No": "no", "yes": "Yes"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("files:\n- file: a\n  file: b\n", "key 'file' appears twice"),
        ("files: [", "is not valid YAML"),
        ("- a\n- b\n", "starts with `files:`"),
        ("", "starts with `files:`"),
        ("files: " + "[" * 3000 + "]" * 3000, "is nested too deeply for a mapping file"),
        ("files: " + "[" * 200 + "]" * 200, "write keys with values"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(content)
    with pytest.raises(BadInputError, match=message) as caught:
        load_mapping(path)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ("UTF-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("UTF-16", "utf-16"),
        ("latin-1", "iso8859-1"),
        ("ISO-8859-15", "iso8859-15"),
        ("windows-1252", "cp1252"),
        ("cp1250", "cp1250"),
        ("CP932", "cp932"),
        ("GBK", "gbk"),
        ("Shift_JIS", "shift_jis"),
    ],
)
def test_encodings_are_known_by_their_usual_spellings(given: str, known: str) -> None:
    assert parse_mapping(owners(encoding=given), "m").files[0].encoding == known


@pytest.mark.parametrize("given", ["idna", "rot13", "hex", "unicode_escape", "", "utf\x008"])
def test_what_is_no_encoding_of_files_is_refused(given: str) -> None:
    with pytest.raises(BadInputError, match="unknown encoding"):
        parse_mapping(owners(encoding=given), "m")


def test_letters_have_one_spelling_in_the_mapping_too(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    text = "files:\n- file: o.csv\n  module: owners\n  fields: {id: Scho\u0308n, name: N}\n"
    path.write_text(text, encoding="utf-8")
    assert load_mapping(path).files[0].fields["id"].column == "Sch\u00f6n"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="does not exist"):
        load_mapping(tmp_path / "m.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInputError, match="cannot be read"):
        load_mapping(tmp_path / "binary.yaml")


def test_the_documentation_lists_every_field() -> None:
    text = (EXAMPLES.parent / "docs" / "crm-import.md").read_text()
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    for module in MODULES.values():
        for name, field in module.fields.items():
            shown = "custom.NAME" if name == "custom" else name
            marked = f"**`{shown}`**" if field.required else f" `{shown}`"
            assert marked in rows[module.name]
