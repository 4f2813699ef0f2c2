"""The start-up check that no other distribution lies in our import packages.

``fabric`` is also the import name of an SSH library; two distributions in one folder overwrite each
other's files without a word.
"""

from __future__ import annotations

from importlib.metadata import packages_distributions

from fabric.errors import InvalidConfig

OURS = "ripstop"
PACKAGES = ("fabric", "connectors", "policies", "server")


def refuse_strangers() -> None:
    """Refuse to start beside a distribution that owns one of our packages too.

    Raises:
        InvalidConfig: names the package and the other distribution.
    """
    owners = packages_distributions()
    for package in PACKAGES:
        strangers = sorted({owner for owner in owners.get(package, []) if owner.lower() != OURS})
        if strangers:
            raise InvalidConfig(
                f"the installed distribution '{strangers[0]}' also owns the import package '{package}'",
                hint=f"install ripstop into an environment of its own, or `pip uninstall {strangers[0]}` "
                "and install ripstop again",
            )
