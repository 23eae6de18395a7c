"""The engine: tensors in, tensors out."""
