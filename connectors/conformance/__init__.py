"""The suite that every connector must pass; third parties prove theirs by it too.

An entry is a test class in a project's own tests. It needs ``pytest`` and ``hypothesis``, a ``subject``
(the source, which the suite fills and breaks) and a ``bench`` (DuckDB as the line has it)::

    from connectors.conformance import ScanConformance, Subject
    from fabric.workbench import Workbench

    @pytest.fixture(scope="session")
    def bench():
        with closing(Workbench()) as made:
            yield made

    class TestMine(ScanConformance):
        @pytest.fixture(scope="class")
        @classmethod
        def subject(cls):
            with my_server() as server:
                yield MySubject(server)
"""

from __future__ import annotations

import pytest

for _part in ("reading", "pushdown", "stopping", "faults", "files"):
    pytest.register_assert_rewrite(f"connectors.conformance_{_part}")

from connectors.conformance.faults import Faults  # noqa: E402
from connectors.conformance.files import Files, FileSubject  # noqa: E402
from connectors.conformance.pushdown import Pushdown  # noqa: E402
from connectors.conformance.reading import Reading  # noqa: E402
from connectors.conformance.stopping import Stopping  # noqa: E402
from connectors.conformance.subject import NAME, Bench, Loaded, Subject  # noqa: E402


class ScanConformance(Reading, Pushdown, Stopping, Faults):
    """For a ``ScanConnector``: a source that answers scans."""


class FileConformance(Reading, Files, Faults):
    """For a ``FileConnector``: a source of files; its subject is a ``FileSubject``."""


__all__ = ["NAME", "Bench", "FileConformance", "FileSubject", "Loaded", "ScanConformance", "Subject"]
