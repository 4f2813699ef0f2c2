"""Queries and products as OpenLineage events (spec 2-0-2), sent by openlineage-python over HTTP, to Kafka or to a file.

Imported where fabric.yaml has ``openlineage``: the library is an extra. A query is a run of a job named by the digest of
its text, so that what is asked again is the same job; its answer is the dataset of the same name. What a product is made
of is a JobEvent, told when a query first rests on it, and again when it has changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from openlineage.client import event_v2 as event
from openlineage.client import facet_v2 as facet
from openlineage.client.generated.column_lineage_dataset import (
    ColumnLineageDatasetFacet,
    Fields,
    InputField,
    Transformation,
)
from openlineage.client.transport import Transport, get_default_factory

from fabric.config_model import OpenLineageSettings
from fabric.lineage_feed import Run
from fabric.outcome import Outcome
from fabric.product_types import VALUE_KINDS, Edge, EdgeKind
from fabric.types import Column, Product, TableName

PRODUCER = "urn:ripstop"
_ENGINE = "ripstop"
_STATES = {
    "succeeded": event.RunState.COMPLETE,
    "failed": event.RunState.FAIL,
    "cancelled": event.RunState.ABORT,
}

Name = tuple[str, str]
Namer = Callable[[TableName], Name]
"""The namespace and name of a dataset."""


def transport_of(settings: OpenLineageSettings) -> Transport:
    """What sends events; nothing is connected yet.

    Raises:
        ImportError: the driver for Kafka is not installed.
    """
    if settings.url is not None:
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        config: dict[str, Any] = {
            "type": "http",
            "url": settings.url,
            "timeout": settings.timeout,
            "retry": {"total": 2, "read": 0, "connect": 2},
        } | ({"auth": {"type": "api_key", "api_key": key}} if key else {})
    elif settings.kafka is not None:
        said = {name: value.get_secret_value() for name, value in settings.kafka.config.items()}
        config = {"type": "kafka", "topic": settings.kafka.topic, "config": said, "flush": False}
    else:
        config = {"type": "file", "log_file_path": settings.file, "append": True}
    return get_default_factory().create(config)


class OpenLineageSink:
    """Sends events; implements ``fabric.lineage_feed.Sink``.

    Args:
        transport: sends them.
        namespace: of jobs and answers.
        namer: names what is read.
        redact: takes secrets out of a text.
        version: Ripstop's.
    """

    def __init__(
        self, transport: Transport, namespace: str, namer: Namer, redact: Callable[[str], str], version: str
    ) -> None:
        self._transport = transport
        self._namespace = namespace
        self._namer = namer
        self._redact = redact
        self._version = version
        self._products: dict[tuple[str, str, str], Product] = {}
        facet.set_producer(PRODUCER)

    def started(self, run: Run) -> None:
        """What the query rests on, where that is not told yet, and that it has started."""
        for product in run.lineage.products:
            if self._products.get(product.name.key) != product:
                self._transport.emit(self._product(product))
                self._products[product.name.key] = product
        self._transport.emit(self._run(run, event.RunState.START, run.asked.at, {}))

    def ended(self, run: Run, outcome: Outcome) -> None:
        """How the query has ended."""
        facets: dict[str, Any] = {}
        if outcome.error:
            facets["errorMessage"] = facet.error_message_run.ErrorMessageRunFacet(
                self._redact(outcome.error), "SQL"
            )
        counted = facet.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            rowCount=outcome.rows, size=outcome.bytes
        )
        now = datetime.now(UTC).timestamp()
        self._transport.emit(self._run(run, _STATES[outcome.state], now, facets, counted))

    def close(self) -> None:
        """Send what the transport still holds."""
        self._transport.close(1.0)

    def _run(
        self,
        run: Run,
        state: event.RunState,
        at: float,
        facets: dict[str, Any],
        counted: facet.OutputDatasetFacet | None = None,
    ) -> event.RunEvent:
        asked, found = run.asked, run.lineage
        text = self._redact(asked.text)
        name = f"query_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        names = [self._namer(part) for part, _ in found.inputs]
        tags = {"user": asked.principal.user, "policy_version": run.governed.policy_version}
        rows = (*found.lineage.rows, *found.rules)
        lineage = _column_lineage(names, found.columns, found.lineage.columns, rows)
        answer = event.OutputDataset(
            namespace=self._namespace,
            name=name,
            facets={"schema": _schema(found.columns), "columnLineage": lineage},
            outputFacets={"outputStatistics": counted} if counted else {},
        )
        return event.RunEvent(
            eventTime=_time(at),
            producer=PRODUCER,
            eventType=state,
            run=event.Run(
                str(UUID(asked.query_id)),
                facets
                | {
                    "processing_engine": facet.processing_engine_run.ProcessingEngineRunFacet(
                        self._version, _ENGINE
                    ),
                    "tags": facet.tags_run.TagsRunFacet(
                        [facet.tags_run.TagsRunFacetFields(*tag, source="RIPSTOP") for tag in tags.items()]
                    ),
                },
            ),
            job=self._job(name, text, "QUERY"),
            inputs=_inputs(names, [columns for _, columns in found.inputs]),
            outputs=[answer],
        )

    def _product(self, product: Product) -> event.JobEvent:
        names = [self._namer(part) for part in product.lineage.parts]
        namespace, name = self._namer(product.name)
        lineage = _column_lineage(names, product.columns, product.lineage.columns, product.lineage.rows)
        facets = {"schema": _schema(product.columns), "columnLineage": lineage}
        return event.JobEvent(
            eventTime=_time(datetime.now(UTC).timestamp()),
            producer=PRODUCER,
            job=self._job(f"product_{name}", product.sql, "VIEW"),
            inputs=_inputs(names, [()] * len(names)),
            outputs=[event.OutputDataset(namespace=namespace, name=name, facets=facets)],
        )

    def _job(self, name: str, text: str, kind: str) -> event.Job:
        return event.Job(
            self._namespace,
            name,
            {
                "sql": facet.sql_job.SQLJobFacet(text, dialect="duckdb"),
                "jobType": facet.job_type_job.JobTypeJobFacet("BATCH", "RIPSTOP", kind),
            },
        )


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def _schema(columns: Iterable[Column]) -> facet.schema_dataset.SchemaDatasetFacet:
    fields = facet.schema_dataset.SchemaDatasetFacetFields
    return facet.schema_dataset.SchemaDatasetFacet([fields(column.name, column.type) for column in columns])


def _inputs(names: Sequence[Name], columns: Sequence[Sequence[Column]]) -> list[event.InputDataset]:
    """Each dataset once, with what was seen of its columns."""
    found: dict[Name, dict[str, Any]] = {}
    for name, seen in zip(names, columns, strict=True):
        found.setdefault(name, {"schema": _schema(seen)} if seen else {})
    return [event.InputDataset(*name, facets=facets) for name, facets in found.items()]


def _column_lineage(
    names: Sequence[Name], columns: Sequence[Column], made: Sequence[Sequence[Edge]], rows: Iterable[Edge]
) -> ColumnLineageDatasetFacet:
    fields = {
        column.name: Fields(_input_fields(names, edges)) for column, edges in zip(columns, made, strict=False)
    }
    return ColumnLineageDatasetFacet(fields, _input_fields(names, rows))


def _input_fields(names: Sequence[Name], edges: Iterable[Edge]) -> list[InputField]:
    ways: dict[tuple[str, str, str], list[Transformation]] = {}
    for edge in edges:
        said = ways.setdefault((*names[edge.part], edge.column), [])
        way = Transformation(_type(edge.kind), edge.kind.upper(), masking=edge.masked)
        if way not in said:
            said.append(way)
    return [InputField(*field, transformations=said) for field, said in ways.items()]


def _type(kind: EdgeKind) -> str:
    return "DIRECT" if kind in VALUE_KINDS else "INDIRECT"
