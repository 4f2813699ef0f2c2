"""Run inside the environment of sqlalchemy-adbc: asks a served fabric and prints what came, as JSON lines."""

import json
import sys
from decimal import Decimal

import adbc_driver_flightsql.dbapi as flightsql
import duckdb
import ibis
import pandas as pd
import sqlalchemy as sa

port = int(sys.argv[1])


def show(name: str, value: object) -> None:
    print(json.dumps({name: value}, default=str))


engine = sa.create_engine(f"adbc+flightsql://127.0.0.1:{port}/?tls=false&username=aud&password=secret")
claims = sa.Table(
    "open",
    sa.MetaData(),
    *(
        sa.Column("claim_id", sa.BigInteger),
        sa.Column("amount", sa.Numeric(10, 2)),
        sa.Column("year", sa.BigInteger),
    ),
    schema="claims",
)
with engine.connect() as connection:
    show("version", sa.__version__)
    show("text", connection.execute(sa.text("SELECT count(*) FROM claims.open")).scalar())
    bound = sa.text("SELECT claim_id FROM lake.claim WHERE claim_id = :x AND status = :s AND amount = :a")
    show("bound", connection.execute(bound, {"x": 4, "s": "open", "a": Decimal("1.00")}).scalars().all())
    query = sa.select(claims.c.year, sa.func.sum(claims.c.amount)).where(
        claims.c.claim_id.in_([1, 2, 4, 150])
    )
    query = query.group_by(claims.c.year).order_by(claims.c.year).limit(5)
    show("core", [list(row) for row in connection.execute(query)])
    inspector = sa.inspect(connection)
    show("schemas", inspector.get_schema_names())
    show("tables", inspector.get_table_names(schema="claims") + inspector.get_view_names(schema="claims"))
    show("columns", [column["name"] for column in inspector.get_columns("open", schema="claims")])
    show("pandas", pd.read_sql(query, connection).shape)
    try:
        connection.execute(sa.text("SELECT * FROM lake.nothing"))
    except sa.exc.ProgrammingError as error:
        show("refused", str(error))
    show("after", connection.execute(sa.text("SELECT 1")).scalar())
engine.dispose()

login = {"username": "aud", "password": "secret"}
with (
    flightsql.connect(f"grpc://127.0.0.1:{port}", db_kwargs=login) as connection,
    connection.cursor() as cursor,
):
    cursor.execute("SELECT * FROM claims.open")
    table = ibis.memtable(cursor.fetch_arrow_table())
    show("ibis", table.group_by("year").agg(n=table.count()).order_by("year").to_pandas().to_numpy().tolist())
    cursor.execute("SELECT * FROM claims.open")
    reader = cursor.fetch_record_batch()
    show("duckdb", duckdb.sql("SELECT year, count(*) FROM reader GROUP BY ALL ORDER BY ALL").fetchall())
