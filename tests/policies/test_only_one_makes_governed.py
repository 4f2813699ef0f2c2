import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("fabric", "connectors", "policies", "server")


def _makes_governed(tree: ast.AST) -> bool:
    """Whether code calls ``Governed``, copies one with changes, or makes an object without its class's leave."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            given = ast.unparse(node.args[0]).lower() if node.args else ""
            if name == "Governed" or (name in ("replace", "__new__", "cast") and "governed" in given):
                return True
        if isinstance(node, ast.alias) and node.name == "Governed" and node.asname:
            return True
        if isinstance(node, ast.ClassDef) and any("Governed" in ast.unparse(base) for base in node.bases):
            return True
    return False


def test_a_governed_statement_is_made_in_one_place() -> None:
    makers = [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if _makes_governed(ast.parse(path.read_text()))
    ]
    assert makers == ["policies/govern.py"]


def test_it_is_made_there_once() -> None:
    tree = ast.parse((ROOT / "policies/govern.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert sum(getattr(call.func, "id", "") == "Governed" for call in calls) == 1
