from __future__ import annotations

from pathlib import Path

import pytest

from connectors.conformance import NAME, FileConformance
from connectors.local import LocalConnector
from tests.conformance.stores import FolderSubject


class LocalSubject(FolderSubject):
    def connect(self, **changes: object) -> LocalConnector:
        settings = LocalConnector.Settings.model_validate(
            {"type": "local", "domain": "d", "uri": str(self.folder), "tables": self.tables}
            | self.limits(**changes)
        )
        return LocalConnector(NAME, settings, Path())


class TestLocal(FileConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def subject(cls, tmp_path_factory: pytest.TempPathFactory) -> LocalSubject:
        return LocalSubject(tmp_path_factory.mktemp("local"))
