"""Run inside the environment of flightsql-dbapi: asks a served fabric and prints what came, as JSON lines."""

import json
import sys
import warnings

warnings.simplefilter("ignore")

import flightsql.sqlalchemy  # noqa: E402, F401 - registers the dialect
import sqlalchemy as sa  # noqa: E402
from flightsql import FlightSQLClient, connect  # noqa: E402

port = int(sys.argv[1])


def show(name: str, value: object) -> None:
    print(json.dumps({name: value}, default=str))


client = FlightSQLClient(host="127.0.0.1", port=port, user="aud", password="secret", insecure=True)
with connect(client) as connection, connection.cursor() as cursor:
    cursor.execute("SELECT claim_id, status FROM lake.claim WHERE claim_id < 3 ORDER BY claim_id")
    show("rows", [list(row) for row in cursor.fetchall()])
    show("columns", [column[0] for column in cursor.description])
    cursor.execute("SELECT claim_id FROM lake.claim WHERE claim_id = ? AND status = ?", [4, "open"])
    show("bound", [list(row) for row in cursor.fetchall()])

engine = sa.create_engine(f"datafusion+flightsql://aud:secret@127.0.0.1:{port}?insecure=True")
with engine.connect() as connection:
    show("sqlalchemy", connection.execute(sa.text("SELECT count(*) AS n FROM claims.open")).scalar())
    named = sa.text("SELECT claim_id FROM lake.claim WHERE claim_id = :x")
    show("named", [list(row) for row in connection.execute(named, {"x": 4})])
    show("literal", connection.execute(sa.select([sa.literal(3)])).scalar())
    inspector = sa.inspect(connection)
    show("schemas", sorted(inspector.get_schema_names()))
    show("tables", sorted(inspector.get_table_names(schema="claims")))
    show("views", [column["name"] for column in inspector.get_columns("open", schema="claims")])

ana = FlightSQLClient(host="127.0.0.1", port=port, user="ana", password="secret", insecure=True)
with connect(ana) as connection, connection.cursor() as cursor:
    try:
        cursor.execute("SELECT * FROM lake.claim")
        show("refused", "it was not")
    except Exception as error:
        show("refused", str(error))
