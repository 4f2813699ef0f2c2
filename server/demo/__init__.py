"""The embedded company: real servers on loopback, its data, and its project."""
