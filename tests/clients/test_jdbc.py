"""The Arrow Flight SQL JDBC driver, which is what DBeaver, DataGrip and Tableau use; the programs are in ``jdbc/``."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyarrow import flight  # noqa: TID251

from tests.clients.conftest import ROOT, Fabric, said
from tests.server.tiny import serving

JAR = ROOT / ".clients" / "flight-sql-jdbc-driver-18.3.0.jar"
# Arrow reads memory that Java 17 gives out only when told so; DBeaver and Tableau are told so too.
JAVA = ["java", "--add-opens=java.base/java.nio=ALL-UNNAMED"]
ELSEWHERE, UTC = "-Duser.timezone=America/New_York", "-Duser.timezone=UTC"

pytestmark = pytest.mark.clients
shows = pytest.mark.shows


@pytest.fixture(scope="module")
def classes(needed: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The class path of the compiled programs and the driver."""
    needed(JAR)
    needed(Path(shutil.which("javac") or ROOT / "javac"))
    out = tmp_path_factory.mktemp("classes")
    said(["javac", "-d", out, *sorted(Path(__file__).parent.joinpath("jdbc").glob("*.java"))])
    return f"{out}:{JAR}"


@pytest.fixture(scope="module")
def statements(classes: str, fabric: Fabric) -> dict[str, Any]:
    with flight.connect(fabric.uri) as client:
        token = client.authenticate_basic_token("aud", "secret")[1].decode().removeprefix("Bearer ")
    return said(
        [*JAVA, ELSEWHERE, f"-Dtoken={token}", "-cp", classes, "Statements", fabric.jdbc, "aud", "secret"]
    )


@pytest.fixture(scope="module")
def results(classes: str, fabric: Fabric) -> dict[str, Any]:
    return said([*JAVA, UTC, "-cp", classes, "Statements", fabric.jdbc, "aud", "secret", "results"])


@pytest.fixture(scope="module")
def metadata(classes: str) -> Any:
    with serving() as served:
        uri = f"jdbc:arrow-flight-sql://127.0.0.1:{served.server.port}?useEncryption=false"
        yield said([*JAVA, "-cp", classes, "Metadata", uri, "ana", "secret"])


SET = {
    "setBoolean": "true",
    "setByte": "-128",
    "setShort": "-32768",
    "setInt": "-2147483648",
    "setLong": "-9223372036854775808",
    "setLong max": "9223372036854775807",
    "setFloat": "0.1",
    "setDouble": "0.1",
    "setDouble infinity": "-inf",
    "setBigDecimal": "-12345678901234567890123456789012.345678",
    "setBigDecimal hugeint": "9" * 38,
    "setBigDecimal ubigint": "18446744073709551615",
    "setString": "it's ü 😀 \\ \"; --",
    "setNString": "n",
    "setString empty": "",
    "setString uuid": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "setString interval": "3 days",
    "setString timestamptz": "2026-03-04 03:06:07.123456+00",
    "setBytes": "\\x00\\x01\\xFF\\x27",
    "setDate": "1969-02-28",
    "setTime": "23:59:58",
    "setTimestamp": "2026-07-04 05:06:07.123",
    "setTimestamp calendar": "2026-07-04 05:06:07.123",
    "setNull": None,
    "setNull unknown": None,
    "setObject null": None,
    "setObject integer": "42",
    "setObject long": "4200000000000",
    "setObject double": "1.5",
    "setObject decimal": "1.50",
    "setObject string": "text",
    "setObject boolean": "false",
    "setObject date": "2026-07-04",
    "setObject timestamp": "2026-07-04 05:06:07",
    "setObject bytes": "\\x07",
    "setObject text as integer": "42",
    "setArray": "[1, 2]",
    "setString list": "[1, 2]",
}


@shows("JDBC", "parameters")
@pytest.mark.parametrize("name", SET)
def test_what_a_setter_sets_arrives_exactly(statements: dict[str, Any], name: str) -> None:
    assert statements[name] == SET[name]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("refused text as number", "STRING is not yet supported for expected Arrow type Int"),
        ("refused scale", "scale must equal"),
        ("refused count", "SQLException"),
        ("refused range", "INVALID_VALUE: a value is out of range"),
        ("refused instant", "JAVA_SQL_TIMESTAMP is not yet supported"),
    ],
)
def test_what_would_not_arrive_exactly_is_refused(statements: dict[str, Any], name: str, text: str) -> None:
    assert text in statements[name]["error"]


def test_placeholders_have_the_types_of_what_they_are_compared_with(statements: dict[str, Any]) -> None:
    assert statements["compared"] == [[[5]], [[105]]]
    assert statements["parameters"] == [
        *("Int(64, true)", "Int(64, true)", "Decimal(38, 2, 128)", "Utf8", "Int(64, true)")
    ]
    assert statements["cleared"] == 2
    assert statements["untyped"] == "textx"
    assert statements["untyped call"] == "2026-01-01 00:00:00"


RESULTS = {
    "BOOLEAN": ("BOOLEAN", "true"),
    "TINYINT": ("TINYINT", "-1"),
    "UTINYINT": ("SMALLINT", "255"),
    "SMALLINT": ("SMALLINT", "-2"),
    "USMALLINT": ("INTEGER", "65535"),
    "UINTEGER": ("BIGINT", "4294967295"),
    "UBIGINT": ("DECIMAL", "18446744073709551615"),
    "INTEGER": ("INTEGER", "-3"),
    "BIGINT": ("BIGINT", "-4"),
    "HUGEINT": ("DECIMAL", "12345678901234567890123456789"),
    "FLOAT": ("FLOAT", "0.5"),
    "DOUBLE": ("DOUBLE", "0.1"),
    "DECIMAL(9,2)": ("DECIMAL", "1.50"),
    "VARCHAR": ("VARCHAR", "ü"),
    "BLOB": ("VARBINARY", "ab"),
    "DATE": ("DATE", "2026-07-04"),
    "TIME": ("TIME", "05:06:07"),
    "TIMESTAMP": ("TIMESTAMP", "2026-07-04 05:06:07.123456"),
    "TIMESTAMPTZ": ("TIMESTAMP_WITH_TIMEZONE", "2026-07-04 05:06:07.0"),
    "TIMESTAMP_S": ("TIMESTAMP", "2026-07-04 05:06:07.0"),
    "TIMESTAMP_NS": ("TIMESTAMP", "2026-07-04 05:06:07.123456789"),
    "UUID": ("VARCHAR", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    "INTERVAL": ("JAVA_OBJECT", "P3D"),
    "STRUCT(a INTEGER, b VARCHAR)": ("JAVA_OBJECT", '{"a":1,"b":"x"}'),
    "MAP(VARCHAR, INTEGER)": ("JAVA_OBJECT", '{"k":1}'),
    "JSON": ("VARCHAR", '{"a": 1}'),
    "ENUM('a', 'b')": ("VARCHAR", "b"),
}


@shows("JDBC", "result types")
@pytest.mark.parametrize("kind", RESULTS)
def test_a_result_of_each_type_is_read(results: dict[str, Any], kind: str) -> None:
    name, value, text, null = results[f"result {kind}"]
    assert (name, text) == RESULTS[kind]
    if name not in ("VARBINARY", "JAVA_OBJECT", "TIMESTAMP_WITH_TIMEZONE"):
        assert value == text
    assert null


# What the driver, not Ripstop, gets wrong: here so that docs/clients.md can say so, and stops saying so one day.
@shows("JDBC", "times outside UTC", "no")
def test_the_driver_reads_times_rightly_in_a_jvm_in_utc_only(
    statements: dict[str, Any], results: dict[str, Any]
) -> None:
    right = 1783141567000
    assert (results["instant"], results["result TIME"][2]) == (right, "05:06:07")
    assert (statements["instant"], statements["result TIME"][2]) == (right + 8 * 3_600_000, "00:06:07")
    assert statements["result TIMESTAMP"][2] == "2026-07-04 05:06:07.123456"
    assert "not implemented" in results["result TIMESTAMPTZ"][1]


@shows("JDBC", "queries")
def test_statements_answer(statements: dict[str, Any]) -> None:
    assert statements["result metadata"] == [
        ["claim_id", "claim_id", "BIGINT", -5],
        ["a", "a", "DECIMAL", 3],
        ["status", "status", "VARCHAR", 12],
    ]
    assert statements["max rows"] == [[0], [1], [2]]
    assert statements["fetch size"] == 200
    assert statements["many rows"] == sum(range(300_000))
    assert statements["execute"] == [True, [[1]], -1]
    assert statements["call"][0][1] == "claims-team@acme.example"
    assert ["claims", "open"] in statements["show"]


@shows("JDBC", "cancel and timeout")
@pytest.mark.parametrize(("name", "text"), [("query timeout", "timed out"), ("cancel", "Cancelling")])
def test_a_statement_ends_when_it_is_told_to(statements: dict[str, Any], name: str, text: str) -> None:
    assert text in statements[name]["ended"]
    assert 900 < statements[name]["milliseconds"] < 5000
    assert statements["after cancel"] == "still here"


@shows("JDBC", "errors")
@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SELEC 1", "SYNTAX: the statement cannot be read at line 1, column 7"),
        ("SELECT * FROM lake.nothing", "NOT_FOUND: there is no 'lake.nothing' that you may see Hint: "),
        ("SELECT nope FROM lake.claim", "NOT_FOUND: no column 'nope'"),
        ("SELECT CAST('x' AS INTEGER)", "INVALID_VALUE: a value cannot be converted"),
        ("DELETE FROM lake.claim", "NOT_SUPPORTED: DELETE"),
    ],
)
def test_an_error_carries_its_code_and_hint(statements: dict[str, Any], sql: str, text: str) -> None:
    assert text in statements[f"error {sql}"]["error"]
    assert "Traceback" not in statements[f"error {sql}"]["error"]


@shows("JDBC", "transactions")
def test_transactions_are_answered(statements: dict[str, Any]) -> None:
    assert statements["transaction"] == 1
    assert statements["read only"] is True
    assert statements["valid"] is True


@shows("JDBC", "several rows of parameters", "no")
def test_a_batch_of_queries_is_no_batch(statements: dict[str, Any]) -> None:
    # JDBC's batches are of updates: their answers are thrown away. A fabric is read.
    assert statements["batch"] == 1
    assert "error" in statements["statement batch"]


@shows("JDBC", "session options")
def test_options_in_the_address_are_the_session_s(statements: dict[str, Any]) -> None:
    assert statements["catalog property"] == [[132]]
    # 18.3 closes such a connection twice and fails the second time.
    assert statements["catalog property closed"] == "Channel shutdown invoked"
    assert statements["schema property"] == [[132]]
    assert "Cannot set session option for catalog" in statements["wrong catalog"]["error"]


@shows("JDBC", "logins")
def test_a_token_logs_in_and_a_wrong_one_does_not(statements: dict[str, Any]) -> None:
    assert statements["token"] == [[132]]
    for name in ("wrong token", "wrong password"):
        assert "LOGIN_REFUSED" in statements[name]["error"]


def _named(rows: Any) -> list[tuple[str, str, str]]:
    return [(row["TABLE_CAT"], row["TABLE_SCHEM"], row["TABLE_NAME"]) for row in rows]


@shows("JDBC", "catalog")
def test_tables_and_columns_are_listed(metadata: dict[str, Any]) -> None:
    assert _named(metadata["tables"]) == [
        ("acme", "claims", "open_claims"),
        ("claims_lake", "main", "claim"),
        ("policy_db", "public", "customer"),
        ("policy_db", "public", "policy"),
    ]
    assert _named(metadata["views"]) == [("acme", "claims", "open_claims")]
    assert _named(metadata["pattern"]) == [("policy_db", "public", "customer")]
    columns = {(c["TABLE_NAME"], c["COLUMN_NAME"]): c for c in metadata["columns"]}
    assert list(columns) == [
        *[("customer", "id"), ("customer", "email")],
        *[("policy", "id"), ("policy", "customer_id"), ("policy", "premium")],
    ]
    email, premium = columns["customer", "email"], columns["policy", "premium"]
    assert (email["DATA_TYPE"], email["REMARKS"], email["ORDINAL_POSITION"]) == (12, "where to write", 2)
    assert (premium["DATA_TYPE"], premium["COLUMN_SIZE"], premium["DECIMAL_DIGITS"]) == (3, 9, 2)
    assert [column["COLUMN_NAME"] for column in metadata["one column"]] == ["premium"]
    assert metadata["catalogs"] == [["acme"], ["claims_lake"], ["policy_db"]]
    assert metadata["schemas"] == [["claims", "acme"], ["main", "claims_lake"], ["public", "policy_db"]]
    assert metadata["schemas of"] == [["public", "policy_db"]]
    assert metadata["table types"] == [["SYSTEM TABLE"], ["TABLE"], ["VIEW"]]


@shows("JDBC", "keys")
def test_keys_are_listed(metadata: dict[str, Any]) -> None:
    assert [(k["COLUMN_NAME"], k["KEY_SEQ"]) for k in metadata["primary keys"]] == [("id", 1)]
    for name in ("imported keys", "exported keys", "cross reference"):
        (key,) = metadata[name]
        assert (key["FKTABLE_NAME"], key["FKCOLUMN_NAME"], key["FK_NAME"]) == (
            *("policy", "customer_id", "policy_customer"),
        )
        assert (key["PKTABLE_NAME"], key["PKCOLUMN_NAME"], key["DELETE_RULE"]) == ("customer", "id", 3)


def test_what_the_driver_does_not_ask_for_is_empty(metadata: dict[str, Any]) -> None:
    # 18.3 answers getTypeInfo by itself, with nothing; GetXdbcTypeInfo is tested in tests/server.
    for name in ("type info", "procedures", "functions", "index info", "version columns", "best row", "udts"):
        assert metadata[name] == []


@shows("JDBC", "server information")
def test_every_getter_answers(metadata: dict[str, Any]) -> None:
    getters = metadata["getters"]
    assert {name: found for name, found in getters.items() if isinstance(found, dict)} == {}
    assert len(getters) > 120
    known = {
        "getDatabaseProductName": "Ripstop",
        "getIdentifierQuoteString": '"',
        "getCatalogTerm": "catalog",
        "getSchemaTerm": "schema",
        "getSearchStringEscape": "\\",
        "getDefaultTransactionIsolation": 2,
        "isReadOnly": True,
        "nullsAreSortedAtEnd": True,
        "supportsCatalogsInDataManipulation": True,
        "supportsSchemasInDataManipulation": True,
        "supportsConvert": False,
        "supportsGroupBy": True,
        "supportsOuterJoins": True,
        "supportsUnionAll": True,
        "supportsSubqueriesInExists": True,
        "supportsTransactions": True,
        "supportsSavepoints": False,
        "supportsStoredProcedures": False,
        "supportsBatchUpdates": False,
        "supportsMixedCaseIdentifiers": False,
        "getMaxColumnsInSelect": 0,
    }
    assert {name: getters[name] for name in known} == known
    levels = metadata["levels"]
    assert levels["supportsTransactionIsolationLevel 2"] is True
    assert levels["supportsTransactionIsolationLevel 8"] is False
    assert levels["supportsResultSetType 1003"] is True
    assert levels["supportsResultSetType 1004"] is False
