"""``ripstop check``: does the project load, does every source answer, does every product bind?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from server.cli.options import Directory

if TYPE_CHECKING:
    from fabric.check import SourceReport


def check(directory: Directory = Path(".")) -> None:
    """Prove the project: its files, each source step by step, its rules and its products."""
    import logging

    from fabric.config import load_project
    from server.cli.neighbours import refuse_strangers
    from server.project_check import check_rules_and_products, check_sources

    # What goes wrong is in the reports; the log would tell it twice.
    logging.getLogger("ripstop").setLevel(logging.CRITICAL)
    refuse_strangers()
    config = load_project(directory)
    print(f"project {config.name}: fabric.yaml and users.yaml load\n")
    failed = 0
    for report in check_sources(config):
        failed += report.error is not None
        _show_source(report)
    rules, products = check_rules_and_products(directory)
    print()
    for text in rules.errors:
        _line("policies", False, text)
    if not rules.errors:
        _line("policies", True, "every file loads, and every rule fits what it covers")
    for text in rules.warnings:
        print(f"  warning: {text}")
    for text in rules.unjudged:
        print(f"  not judged: {text}")
    for product in products:
        if product.unjudged:
            print(f"  not judged: {product.product}, while rules do not load")
            continue
        _line(product.product, not product.error, product.error or "binds", product.hint)
        for text in product.missing:
            print(f"    missing: {text}")
    failed += len(rules.errors) + sum(bool(product.error) for product in products)
    print(f"\n{'FAILED: ' + str(failed) if failed else 'ok'}")
    raise typer.Exit(1 if failed else 0)


def _show_source(report: SourceReport) -> None:
    spent = sum(proof.milliseconds for proof in report.proofs)
    _line(f"{report.source} ({report.type})", report.error is None, f"{spent:.0f} ms")
    for proof in report.proofs:
        detail = f"  {proof.step.detail}" if proof.step.detail else ""
        print(f"    {proof.milliseconds:7.1f} ms  {proof.step.name}{detail}")
    if report.error is not None:
        print(f"    {report.error.code}: {report.error.message}")
        if report.error.hint:
            print(f"    hint: {report.error.hint}")


def _line(name: str, good: bool, detail: str, hint: str = "") -> None:
    print(f"{'ok    ' if good else 'FAILED'}  {name}  {detail}")
    if hint:
        print(f"    hint: {hint}")
