"""What sources that answer SQL through ADBC share: connections, snapshots, streams."""
