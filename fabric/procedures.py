"""What statements do beside reading, by name."""
