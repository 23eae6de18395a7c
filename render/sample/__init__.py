"""Sample material drawn from code: a clip whose motion is known exactly, paintings, photographs."""

from render.sample.clip import SampleClip
from render.sample.write import write_sample

__all__ = ["SampleClip", "write_sample"]
