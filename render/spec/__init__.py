"""The job: its models, YAML that knows its lines, overrides, JSON Schema."""
