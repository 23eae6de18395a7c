"""JSON Schema of the job file: for editors, and for the words of error messages."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import CoreSchema

from render.spec.job import Job


class _WithoutTitles(GenerateJsonSchema):
    """Pydantic's titles only repeat the names of the keys."""

    def field_title_should_be_set(self, schema: CoreSchema) -> bool:
        return False


SECTIONS = {"input": ("ImagesInput", "VideoInput"), "output": ("Output",), "style": ("Style",)}
"""Sections with keys that every job needs, and their definitions."""


def models_schema() -> dict[str, Any]:
    """The schema of a job file that extends no other."""
    return Job.model_json_schema(schema_generator=_WithoutTitles)


def job_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) of a job file, with the models' docstrings as descriptions.

    It accepts every valid job file, and more than those: it cannot tell that a layer is not in the
    chosen architecture, that a range ends before it starts, or what a file that this one extends says.
    """
    schema = models_schema()
    needed = {"required": schema.pop("required"), "properties": {}}
    for section, names in SECTIONS.items():
        for name in names:
            required = schema["$defs"][name].pop("required")
            needed["properties"][section] = {"required": required}
    inputs = schema["properties"]["input"]
    inputs["anyOf"] = inputs.pop("oneOf")  # without `kind`, both may fit
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        **schema,
        "if": {"not": {"required": ["extends"]}},
        "then": needed,
    }
