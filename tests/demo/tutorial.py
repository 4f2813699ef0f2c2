"""docs/tutorial.md, word by word: its files are written, its commands run, in a demo that runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

RIPSTOP = (sys.executable, "-P", "-m", "server.cli")

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
_BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shell(directory: Path, uri: str, line: str) -> str:
    """The answer of a command of the page; its ``ripstop`` is ours, and its server the demo's."""
    ours = line.replace("ripstop ", " ".join(RIPSTOP) + " ", 1)
    asks = any(word in line for word in (" sql ", " search ", " show "))
    done = subprocess.run(
        ["bash", "-c", ours + (f" --uri {uri}" if asks else "")],
        cwd=directory, capture_output=True, check=False, text=True, env=dict(os.environ),
    )  # fmt: skip
    failing = line == "ripstop test"  # one rule of the demo fails
    assert (done.returncode != 0) is failing, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


def follow(directory: Path, uri: str) -> None:
    """Do what the page says, and see what it promises."""
    said: dict[str, str] = {}
    for kind, file, text in _BLOCK.findall(PAGE.read_text("utf-8")):
        if file:
            path = directory / file
            before = path.read_text("utf-8") if kind == "csv" else ""
            path.write_text(before + text, "utf-8")
            continue
        for line in text.splitlines():
            if not line.startswith("cd "):
                said[line] = said.get(line, "") + shell(directory, uri, line)
    whole = "\n".join(said.values())
    assert (
        "it is draft: readers see it after `ripstop product publish partners.unpaid`" in said["ripstop check"]
    )
    assert "ok      partners.unpaid: invoice_no is unique" in said["ripstop test"]
    assert "partners.unpaid.shop" not in said  # it is asked of why
    assert "column  shop: first(3)  (policies/partners.csv:" in whole
    (sample,) = [text for line, text in said.items() if " show " in line]
    shops = re.findall(r"^\| R-\d+ +\| +\d+ \| (\S.*?) +\|", sample, re.MULTILINE)
    assert shops
    assert all(shop.endswith("***") for shop in shops)
    assert "***" not in next(text for line, text in said.items() if "--user aud" in line)
    assert "breaking  column 'total' has another type: DECIMAL(10,2) → BIGINT" in whole
    versions = [line for line in said if "LIKE 'unpaid%'" in line]
    table = said[versions[0]]
    assert re.search(r"\| unpaid +\| 2\.0\.0 +\| active +\| ok", table)
    assert re.search(r"\| unpaid@1 +\| 1\.0\.0 +\| active +\| ok +\| partners\.unpaid", table)
    assert 'currency: {description: "ISO 4217"' in (directory / "products/partners/unpaid.sql").read_text()
