import subprocess
import sys

from server.spill import spill_folder


def test_every_engine_has_a_folder_and_what_the_dead_left_is_removed(tmp_path):
    folder = tmp_path / "spill"
    one, other = spill_folder(folder), spill_folder(folder)
    assert one != other
    program = f"from pathlib import Path; from server.spill import spill_folder; print(spill_folder(Path({str(folder)!r})))"
    left = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert (folder / left.strip()).is_dir()
    again = spill_folder(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(p.name for p in (one, other, again))
