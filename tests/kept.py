"""Outputs as a run leaves them, without one."""

from conftest import smooth_noise
from PIL import Image

from render.files import digest
from render.inputs import prepare
from render.ledger import Record
from render.planner import plan_units
from render.store import Store


def kept(images_job, tmp_path, name):
    """A job of one picture, with its plan, its ledger and the picture itself as the result."""
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(smooth_noise(32, 32, seed=1)).save(folder / name)
    job = images_job(folder)
    with Store(job) as store:
        prepared = prepare(job)
        store.keep_plan(plan_units(job, prepared.source, prepared.fingerprints()))
        data = (folder / name).read_bytes()
        (job.output.path / name).write_bytes(data)
        store.record([Record(0, name, digest(data))])
    return job
