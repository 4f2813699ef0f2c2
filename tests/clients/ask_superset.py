"""Run inside Superset's environment: serves Superset, and asks a fabric through its REST API.

Usage: ask_superset.py PORT. Prints what came, as JSON lines.
"""

import json
import os
import sys
import threading
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
os.environ["SUPERSET_CONFIG_PATH"] = str(Path(__file__).with_name("superset_config.py"))

import requests  # noqa: E402
from flask_appbuilder import Model  # noqa: E402
from superset.app import create_app  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402

FABRIC = f"datafusion+flightsql://aud:secret@127.0.0.1:{sys.argv[1]}?insecure=True"


def show(name: str, value: object) -> None:
    print(json.dumps({name: value}, default=str), flush=True)


def served() -> str:
    """Superset's address; its tables are made without its 300 migrations, which take a minute."""
    app = create_app()
    with app.app_context():
        from superset.extensions import appbuilder, db, security_manager

        Model.metadata.create_all(db.engine)
        appbuilder.add_permissions(update_perms=True)
        security_manager.sync_role_definitions()
        security_manager.add_user(
            "admin", "A", "B", "a@acme.example", security_manager.find_role("Admin"), "admin"
        )
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/api/v1"


class Api:
    def __init__(self, base: str) -> None:
        self.base = base
        self.session = requests.Session()
        login = {"username": "admin", "password": "admin", "provider": "db"}
        token = self.ask("post", "/security/login", login)["access_token"]
        self.session.headers["Authorization"] = f"Bearer {token}"

    def ask(self, method: str, path: str, body: object = None) -> dict:
        answer = self.session.request(method, self.base + path, json=body, timeout=60)
        if answer.status_code >= 300:
            return {"status": answer.status_code, "error": answer.text}
        return answer.json()


api = Api(served())
made = api.ask(
    "post", "/database/", {"database_name": "acme", "sqlalchemy_uri": FABRIC, "expose_in_sqllab": True}
)
show("database", made)
database = made.get("id")
show("test", api.ask("post", "/database/test_connection/", {"sqlalchemy_uri": FABRIC}))
show("schemas", api.ask("get", f"/database/{database}/schemas/"))
show("tables", api.ask("get", f"/database/{database}/tables/?q=(schema_name:claims)"))
made = api.ask("post", "/dataset/", {"database": database, "schema": "claims", "table_name": "open"})
show("dataset", made)
dataset = made.get("id")
show("columns", api.ask("get", f"/dataset/{dataset}").get("result", {}).get("columns"))


def chart(**query: object) -> object:
    body = {"datasource": {"id": dataset, "type": "table"}, "queries": [query], "force": True}
    found = api.ask("post", "/chart/data", body)
    return found["result"][0]["data"] if "result" in found else found


count = {"expressionType": "SQL", "sqlExpression": "count(*)", "label": "n"}
total = {
    "expressionType": "SIMPLE",
    "aggregate": "SUM",
    "column": {"column_name": "amount"},
    "label": "total",
}
show("chart", chart(columns=["year"], metrics=[count, total], orderby=[["year", True]], row_limit=10))
show(
    "filtered",
    chart(
        columns=["claim_id", "amount"],
        filters=[{"col": "claim_id", "op": "IN", "val": [1, 2, 4]}],
        row_limit=10,
    ),
)


def lab(sql: str) -> dict:
    return api.ask("post", "/sqllab/execute/", {"database_id": database, "sql": sql, "runAsync": False})


show("lab", lab("SELECT 1 AS one"))
show("refused", lab("SELECT * FROM lake.nothing"))
os._exit(0)
