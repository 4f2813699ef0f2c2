import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from fabric.errors import InvalidConfig, MissingExtra
from fabric.registry import build_connector, connector_class, connector_types
from fabric.settings import SourceSettings


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Installs a distribution as pip would: a module and its entry points on the path."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tape_module", raising=False)

    def add(name: str, module: str, points: str) -> None:
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[ripstop.connectors]\n{points}\n")
        (tmp_path / f"{name}_module.py").write_text(dedent(module))
        connector_types.cache_clear()

    yield add
    connector_types.cache_clear()
    sys.modules.pop("tape_module", None)


MODULE = """
    from typing import ClassVar
    from fabric.settings import SourceSettings

    class TapeSettings(SourceSettings):
        reel: int = 1

    class TapeConnector:
        Settings: ClassVar = TapeSettings
        extra: ClassVar = "tape"

        def __init__(self, name, settings, directory):
            import tape_drive_library
"""


def test_our_own_types_are_known_without_importing_them() -> None:
    assert set(connector_types()) == {"adbc", "ftp", "ftps", "http", "local", "postgres", "s3", "sftp"}


def test_a_connector_of_another_package_is_found_by_its_entry_point(install) -> None:  # type: ignore[no-untyped-def]
    install("tape", MODULE, "tape = tape_module:TapeConnector")
    assert connector_class("tape").Settings.__name__ == "TapeSettings"


def test_its_settings_need_no_library_and_its_construction_names_the_extra(install, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    install("tape", MODULE, "tape = tape_module:TapeConnector")
    settings = connector_class("tape").Settings(type="tape", domain="claims")
    with pytest.raises(MissingExtra) as caught:
        build_connector("attic", settings, tmp_path)
    assert caught.value.hint == "pip install 'ripstop[tape]'"
    assert "'attic'" in caught.value.message


def test_a_fault_of_ours_does_not_pass_for_a_missing_library(install, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    install(
        "tape", MODULE.replace("tape_drive_library", "fabric.not_there"), "tape = tape_module:TapeConnector"
    )
    settings = connector_class("tape").Settings(type="tape", domain="claims")
    with pytest.raises(ModuleNotFoundError, match="fabric"):
        build_connector("attic", settings, tmp_path)


def test_an_unknown_type_names_the_nearest() -> None:
    with pytest.raises(InvalidConfig, match="did you mean 'postgres'"):
        connector_class("postgress")


def test_two_packages_cannot_offer_the_same_type(install) -> None:  # type: ignore[no-untyped-def]
    install("tape", MODULE, "local = tape_module:TapeConnector")
    with pytest.raises(InvalidConfig, match="two installed packages offer the connector type 'local'"):
        connector_class("local")


def test_a_class_without_settings_is_no_connector(install) -> None:  # type: ignore[no-untyped-def]
    install("tape", "class Tape: pass", "tape = tape_module:Tape")
    with pytest.raises(InvalidConfig, match="declares no Settings"):
        connector_class("tape")


def test_a_module_that_does_not_import_is_an_error_of_the_configuration(install) -> None:  # type: ignore[no-untyped-def]
    install("tape", "import not_there_at_all", "tape = tape_module:Tape")
    with pytest.raises(InvalidConfig, match="does not import"):
        connector_class("tape")


def test_a_connector_is_built_with_its_settings(tmp_path: Path) -> None:
    found = connector_class("local")
    (tmp_path / "data").mkdir()
    settings = found.Settings.model_validate({"type": "local", "domain": "claims", "uri": "data/"})
    connector = build_connector("desk", settings, tmp_path)
    assert connector.name == "desk"
    assert isinstance(settings, SourceSettings)
    connector.close()
