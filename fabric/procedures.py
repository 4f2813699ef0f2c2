"""What statements do beside reading, by name."""

PROCEDURES = {
    "system.request": "CALL system.request('<product>', '<why>')",
    "system.cancel": "CALL system.cancel('<query id>')",
    "system.submit": "CALL system.submit('<query>')",
    "system.share": "CALL system.share('<run id>', '<user or role:name>')",
    "system.emit": "CALL system.emit('<event>', '<source>', '<target>', '<json>'[, '<query id>'])",
}
"""What can be called, and how it is written."""

REFRESH = "refresh"
"""What a command is about that has a product stored anew."""
