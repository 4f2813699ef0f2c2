"""docs/training.md: its loop runs as it stands, in memory that does not grow with the answer."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.clients.conftest import ROOT, Fabric

TEXT = (ROOT / "docs" / "training.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
LOOP = "\n".join(BLOCKS[:2])


def ran(code: str, fabric: Fabric, tmp_path: Path) -> str:
    file = tmp_path / "training.py"
    file.write_text(code.replace("31337", str(fabric.port)).replace("open_claims", "open"))
    done = subprocess.run([sys.executable, "-W", "error", file], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_loop_learns_the_line_from_all_rows(fabric: Fabric, tmp_path: Path) -> None:
    assert ran(LOOP, fabric, tmp_path) == "132 [2. 1.]\n"


def test_the_loop_holds_a_few_batches_of_a_long_answer(fabric: Fabric, tmp_path: Path) -> None:
    measure = """
import resource

def peak(rows):
    for batch in batches(f"SELECT i::DOUBLE AS x, i * 2.0::DOUBLE AS y FROM range({rows}) t(i)"):
        model.partial_fit(batch["x"].reshape(-1, 1), batch["y"])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

peak(1_000_000)
print(peak(1_000_000), peak(15_000_000))
"""
    short, long = map(int, ran(LOOP + measure, fabric, tmp_path).splitlines()[-1].split())
    assert long - short < 80_000_000  # of 240 MB


def test_what_no_test_runs_is_python_at_least() -> None:
    for block in BLOCKS:
        compile(block, "training.md", "exec")
    assert len(BLOCKS) == 4
