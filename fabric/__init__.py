"""The fabric: vocabulary, configuration, catalog, and the line that answers a statement."""
