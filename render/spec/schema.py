"""JSON Schema of the job file: for editors, and for the words of error messages."""

from __future__ import annotations

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import CoreSchema

from render.spec.job import Job


class _WithoutTitles(GenerateJsonSchema):
    """Pydantic's titles only repeat the names of the keys."""

    def field_title_should_be_set(self, schema: CoreSchema) -> bool:
        return False


def job_schema() -> dict[str, object]:
    """The schema (draft 2020-12) of a job file, with the models' docstrings as descriptions.

    It accepts every valid job file, and more than those: it cannot tell that a layer is not in the
    chosen architecture, or that a range ends before it starts.
    """
    schema = Job.model_json_schema(schema_generator=_WithoutTitles)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema}
