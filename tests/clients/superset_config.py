"""Superset's configuration for the test: its own state in a folder that is thrown away."""

import os

import flightsql.sqlalchemy  # noqa: F401 - registers the dialect: the package has no entry point

SECRET_KEY = "for this test alone"
SQLALCHEMY_DATABASE_URI = f"sqlite:///{os.environ['SUPERSET_HOME']}/superset.db"
WTF_CSRF_ENABLED = False
TALISMAN_ENABLED = False
RATELIMIT_ENABLED = False
