"""The JSON Schema of fabric.yaml for editors, made from the models and from our own connectors' settings."""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from fabric.config_model import FabricSettings
from fabric.registry import connector_class, connector_types

_REFERENCE = {"type": "string", "pattern": r"\$\{(env|file):[^{}]+\}"}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _WithReferences(GenerateJsonSchema):
    """Lets ``${env:…}`` stand where a number or a truth value is wanted; texts hold it anyway."""

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        return {"anyOf": [super().int_schema(schema), _REFERENCE]}

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        return {"anyOf": [super().float_schema(schema), _REFERENCE]}

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        return {"anyOf": [super().bool_schema(schema), _REFERENCE]}


def schema() -> dict[str, Any]:
    """The schema: every key of fabric.yaml, and for each source those of its ``type``."""
    types = sorted(name for name, point in connector_types().items() if point.value.startswith("connectors."))
    models = {name: connector_class(name).Settings for name in types}
    wanted = [(model, "validation") for model in {FabricSettings, *models.values()}]
    references, definitions = models_json_schema(
        sorted(wanted, key=lambda pair: pair[0].__name__),  # type: ignore[arg-type]
        schema_generator=_WithReferences,
    )
    by_model = {model: reference for (model, _), reference in references.items()}
    defs = dict(definitions["$defs"])
    root = defs.pop(by_model[FabricSettings]["$ref"].rpartition("/")[2])
    root["properties"]["sources"] = {
        "type": "object",
        "description": "the sources, by name; each is a catalog in SQL",
        "additionalProperties": _source(types, {name: by_model[models[name]] for name in types}),
    }
    root["title"] = "fabric.yaml"
    return {"$schema": _DIALECT, **root, "$defs": dict(sorted(defs.items()))}


def schema_text() -> str:
    """The schema as it stands in docs/fabric.schema.json."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _source(types: list[str], references: dict[str, JsonSchemaValue]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["type", "domain"],
        "properties": {"type": {"enum": types}},
        "allOf": [
            {"if": {"properties": {"type": {"const": name}}, "required": ["type"]}, "then": references[name]}
            for name in types
        ],
    }
