"""Files of the sample: the clip with its sound, and the committed set in jobs/assets."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from render.errors import OutputError
from render.sample import SampleClip, write_sample
from render.sample.sound import SAMPLE_RATE, tones
from render.sample.write import write_clip

ASSETS = Path(__file__).parents[1] / "jobs" / "assets"
NAMES = {
    *("clip.mp4", "swirls.jpg", "facets.jpg", "hatching.jpg"),
    *("photos/lake.jpg", "photos/mill.jpg", "photos/fruit.jpg", "photos/balloon.png"),
}


@pytest.fixture(scope="module")
def clip():
    return SampleClip(width=160, height=90, frames=12)


@pytest.fixture(scope="module")
def movie(clip, tmp_path_factory):
    path = tmp_path_factory.mktemp("sample") / "clip.mp4"
    write_clip(clip, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Everything that `render sample` draws."""
    folder = tmp_path_factory.mktemp("sample") / "new" / "set"
    assert {str(path.relative_to(folder)) for path in write_sample(folder)} == NAMES
    return folder


def frames_of(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def sound_of(path):
    """All samples, at the times that the file gives them."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        sound = np.zeros(2 * SAMPLE_RATE)
        for frame in container.decode(stream):
            first = round(frame.pts * stream.time_base * SAMPLE_RATE)
            samples = frame.to_ndarray()[0]
            skip = max(0, -first)
            sound[first + skip : first + len(samples)] = samples[skip:]
        return sound


def test_the_movie_has_every_frame_at_the_exact_rate(movie):
    with av.open(str(movie)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 24
        assert stream.duration * stream.time_base == Fraction(12, 24)
        times = [frame.pts * stream.time_base for frame in container.decode(stream)]
    assert times == [Fraction(t, 24) for t in range(12)]


def test_the_movie_is_tagged_with_the_colours_that_it_was_converted_to(movie):
    bt709, limited = 1, 1
    with av.open(str(movie)) as container:
        context = container.streams.video[0].codec_context
        assert context.pix_fmt == "yuv420p"
        assert (context.colorspace, context.color_primaries, context.color_trc) == (bt709,) * 3
        assert context.color_range == limited


def test_the_movie_shows_the_clip(clip, movie):
    for t, frame in enumerate(frames_of(movie)):
        grey = np.abs(frame.mean(axis=-1) - clip.frame(t).mean(axis=-1)).mean()
        colour = np.abs(frame.astype(int).mean(axis=(0, 1)) - clip.frame(t).mean(axis=(0, 1)))
        assert grey < 8
        assert colour.max() < 2


def test_the_sound_is_as_long_as_the_picture(movie):
    with av.open(str(movie)) as container:
        (stream,) = container.streams.audio
        assert stream.codec_context.name == "aac"
        assert abs(float(stream.duration * stream.time_base) - 0.5) < 0.03


def test_the_sound_is_in_step_with_the_picture(movie):
    wanted = tones(Fraction(12, 24), Fraction(6, 24)).astype(float)
    heard = sound_of(movie)
    size = len(wanted) + len(heard)
    match = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size)), size)
    lag = int(match.argmax())
    lag = lag - size if lag > size // 2 else lag
    assert abs(lag) < SAMPLE_RATE // 200


def test_the_movie_can_be_played_while_it_is_read(movie):
    content = movie.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_the_same_clip_gives_the_same_file(clip, movie, tmp_path):
    write_clip(clip, tmp_path / "clip.mp4")
    assert (tmp_path / "clip.mp4").read_bytes() == movie.read_bytes()


def test_an_odd_size_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"161×90 .* even"):
        write_clip(SampleClip(161, 90), tmp_path / "clip.mp4")


def test_a_folder_that_is_a_file_is_refused(tmp_path, clip):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="taken"):
        write_sample(tmp_path / "taken", clip)


@pytest.mark.slow
def test_the_whole_sample_is_small(folder):
    assert sum((folder / name).stat().st_size for name in NAMES) < 1_000_000
    assert (folder / "clip.mp4").stat().st_size < 250_000


@pytest.mark.slow
def test_the_style_pictures_are_large_enough_to_paint_from(folder):
    for name in ("swirls", "facets", "hatching"):
        with Image.open(folder / f"{name}.jpg") as picture:
            assert picture.mode == "RGB"
            assert max(picture.size) >= 512


@pytest.mark.slow
def test_one_photograph_is_cut_out_with_smooth_edges(folder):
    with Image.open(folder / "photos" / "balloon.png") as picture:
        alpha = np.asarray(picture)[..., 3]
    assert (alpha == 0).mean() > 0.2
    assert (alpha == 255).mean() > 0.3
    assert ((alpha > 0) & (alpha < 255)).any()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(NAMES - {"clip.mp4"}))
def test_the_committed_pictures_are_those_that_the_code_draws(folder, name):
    """If not: run `render sample jobs/assets` and commit the result."""
    with Image.open(folder / name) as drawn, Image.open(ASSETS / name) as committed:
        difference = np.asarray(drawn, np.int16) - np.asarray(committed, np.int16)
    assert np.abs(difference).mean() < 6


@pytest.mark.slow
def test_the_committed_clip_is_the_one_that_the_code_draws(folder):
    """If not: run `render sample jobs/assets` and commit the result."""
    drawn, committed = frames_of(folder / "clip.mp4"), frames_of(ASSETS / "clip.mp4")
    assert len(drawn) == len(committed) == 28
    for first, second in zip(drawn, committed, strict=True):
        assert np.abs(first.astype(int) - second).mean() < 6
