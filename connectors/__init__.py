"""Connectors: how each kind of source is reached. They know the contract of ``fabric`` and not one another."""
