"""Names of a site as names of a language; what would be one name is refused, in whatever language."""

import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.domain.client_code import ClashingNames, Offered, Surface, Verb, write_python, write_typescript
from tasks.domain.client_code.naming import camel, pascal, snake


@pytest.mark.parametrize(
    ("name", "as_pascal", "as_camel", "as_snake"),
    [
        ("export_users", "ExportUsers", "exportUsers", "export_users"),
        ("csv-import", "CsvImport", "csvImport", "csv_import"),
        ("csv-import.check", "CsvImportCheck", "csvImportCheck", "csv_import_check"),
        ("instances.hand_on", "InstancesHandOn", "instancesHandOn", "instances_hand_on"),
        ("getHTTPResponse", "GetHTTPResponse", "getHTTPResponse", "get_httpresponse"),
        ("HTTPServer", "HTTPServer", "httpServer", "httpserver"),
        ("API", "API", "api", "api"),
        ("v1_2", "V1_2", "v1_2", "v1_2"),
        ("v12", "V12", "v12", "v12"),
        ("2024-report", "_2024Report", "_2024Report", "_2024_report"),
        ("größe", "Größe", "größe", "größe"),
        ("_", "_", "_", "_"),
    ],
)
def test_names(name: str, as_pascal: str, as_camel: str, as_snake: str) -> None:
    assert (pascal(name), camel(name), snake(name)) == (as_pascal, as_camel, as_snake)


@given(st.from_regex(r"[A-Za-z0-9_]+([.-][A-Za-z0-9_]+)*", fullmatch=True))
def test_whatever_is_called_is_an_identifier(name: str) -> None:
    assert all(found.isidentifier() for found in (pascal(name), camel(name), snake(name)))


@pytest.mark.parametrize("write", [write_typescript, write_python])
def test_two_names_that_would_be_one_are_told(write: object) -> None:
    assert callable(write)
    clashing = [Offered(name="a.b", verb=Verb.CALL), Offered(name="a_b", verb=Verb.CALL)]
    with pytest.raises(ClashingNames, match=r"'a\.b' and 'a_b' would both be") as raised:
        write(Surface(offered=clashing))
    assert raised.value.fields == {"names": ["a.b", "a_b"]}


def test_words_of_python_are_no_names() -> None:
    words = [word for word in keyword.kwlist if word.islower()]
    text = write_python(Surface(offered=[Offered(name=word, verb=Verb.CALL) for word in words]))
    compile(text, "client.py", "exec")
    assert all(f"def {word}_(" in text for word in words)
