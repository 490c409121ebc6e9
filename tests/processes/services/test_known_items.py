"""Items are known by their value, however the text of it is written."""

import pytest
from django.db import connection

from processes.services.known_items import known_by, known_by_sql

SAME = [
    ('{"a":1,"b":[{"c":2,"d":3}]}', '{"b": [{"d":3,"c":2}],"a":1}'),
    ("[1,0,10]", "[1.0,-0.0,1e1]"),
    ('{"a":"\\u0000","b":1}', '{"b":1,"a":"\\u0000"}'),
    ('{"a":"\\\\u0000","b":1}', '{"b":1,"a":"\\\\u0000"}'),
    # A branch, as a result is stored of it.
    ("", "null"),
]
DIFFERENT = [
    ("1", "true"),
    ("1", '"1"'),
    ("[1,2]", "[2,1]"),
    ('{"a":null}', "{}"),
    ("0.1", "0.10000000000000002"),
    ("9007199254740993", "9007199254740992.0"),
    ('"\\u0000"', '"\\\\u0000"'),
    ('"\\u0000"', '"\ufffd"'),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("left", "right", "known"), [(*pair, 1) for pair in SAME] + [(*pair, 2) for pair in DIFFERENT])
def test_database_and_python_know_items_by_their_value(left: str, right: str, known: int) -> None:
    assert len({known_by(left), known_by(right)}) == known
    texts = "SELECT CAST(%s AS text) AS item UNION ALL SELECT CAST(%s AS text)"
    with connection.cursor() as cursor:
        # Every name is the module's own.
        counted = f"SELECT COUNT(*) FROM (SELECT DISTINCT {known_by_sql()} FROM ({texts}) AS texts) AS known"
        cursor.execute(counted, [left, right])
        assert cursor.fetchone() == (known,)
