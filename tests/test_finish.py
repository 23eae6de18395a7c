"""What goes in comes out: inputs of every kind through an engine that repaints nothing.

Each picture that comes out is held against the one that the input was made of, so that what is read
wrongly and what is written wrongly both show.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from conftest import of, smooth_noise
from media_clips import ffmpeg, hurt_clip, psnr
from PIL import Image

from render.farm.events import Note, OutputWritten
from render.finish import finish_video
from render.inputs import prepare, settled_plan
from render.media.source import open_source
from render.media.stills import encode_png, read_still
from render.painter import Painter
from render.pipeline import run
from render.places import store_folder
from render.spec.document import Document
from render.spec.load import build_job
from render.spec.media import VideoInput
from render.store import Store

COUNT = 12
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "4", "-bf", "2", "-g", "5")
TONE = ("-f", "lavfi", "-i", "sine=sample_rate=48000:duration={seconds}")
AAC = ("-c:a", "aac", "-b:a", "64k")


def as_it_is(picture):
    return picture


def stored(matrix, levels, pixels):
    """ffmpeg's filter from RGB to video of this matrix, range and pixel format, tagged so."""
    tagged = {"170m": "smpte170m", "709": "bt709"}[matrix]
    return (
        f"zscale=matrix={matrix}:range={levels},format={pixels},"
        f"setparams=colorspace={tagged}:color_primaries=bt709:color_trc=bt709"
    )


@dataclass(frozen=True)
class Row:
    """An input, and what is asked of it.

    Attributes:
        name: of the file.
        rate: at which its frames are made.
        options: ffmpeg's for the file; `{seconds}` is the length of its pictures.
        filters: ffmpeg's for the frames.
        sounds: ffmpeg's for more inputs.
        turn: how the pictures lie in the file, if not upright.
        again: ffmpeg's options for a copy of the file that takes its place.
        input, output: keys of the job.
        shown: frames that come out.
        at: seconds at which frame k stands; `None`: k over the rate.
        exact: rate of the output; `None`: it varies.
        tracks: sound tracks that come out.
        same: whether they are the very packets that went in.
        least: PSNR in dB.
    """

    name: str = "in.mp4"
    rate: str = "25"
    options: tuple[str, ...] = ()
    filters: str = "null"
    sounds: tuple[str, ...] = TONE
    size: tuple[int, int] = (96, 64)
    turn: Callable[[np.ndarray], np.ndarray] = as_it_is
    again: tuple[str, ...] = ()
    input: dict[str, object] = field(default_factory=dict)
    output: dict[str, object] = field(default_factory=dict)
    shown: range = range(COUNT)
    at: Callable[[int], Fraction] | None = None
    tracks: int = 1
    same: bool = True
    least: float = 38

    def time(self, frame):
        return self.at(frame) if self.at else Fraction(frame) / Fraction(self.rate)

    @property
    def exact(self):
        return None if self.at else Fraction(self.rate) / self.shown.step


def growing(frame):
    """Each frame is shown longer than the one before."""
    return Fraction(5 * frame + frame * frame, 125)


GROWING = {
    "filters": "settb=1/90000,setpts='(5*N+N*N)*720'",
    "options": ("-fps_mode", "passthrough", "-enc_time_base", "1/90000", "-bf", "0"),
    "at": growing,
}
MKV, WEBM = {"path": "out.mkv"}, {"path": "out.webm", "codec": "vp9", "crf": 4}
TWICE = (*TONE, "-f", "lavfi", "-i", "sine=frequency=880:duration={seconds}")

TABLE = {
    "24000/1001 frames a second": Row(rate="24000/1001"),
    "30000/1001": Row(rate="30000/1001"),
    "59.94": Row(rate="59.94"),
    "60000/1001 in Matroska's milliseconds": Row("in.mkv", "60000/1001", output=MKV),
    "30.02": Row(rate="30.02"),
    "12.5, from mp4 to Matroska": Row(rate="12.5", output=MKV),
    "a transport stream": Row("in.ts", "30000/1001", options=("-c:a", "mp2")),
    "one frame a second": Row(rate="1"),
    "variable": Row(**GROWING),
    "variable, in Matroska": Row("in.mkv", **GROWING, output=MKV),
    "variable, to WebM": Row(**GROWING, output=WEBM, same=False, least=34),
    "variable, in h265": Row(**GROWING, output={"codec": "h265", "crf": 4}),
    "variable, every third": Row(
        **GROWING, input={"frames": "1-10x3"}, shown=range(1, 11, 3), same=False
    ),
    "a range": Row(input={"frames": "3-9"}, shown=range(3, 10), same=False),
    "every second frame": Row(input={"frames": "0-11x2"}, shown=range(0, 12, 2)),
    "BT.601, limited": Row(filters=stored("170m", "limited", "yuv420p")),
    "BT.601, full": Row(filters=stored("170m", "full", "yuvj420p")),
    "BT.709, full": Row(filters=stored("709", "full", "yuvj420p")),
    "BT.709, limited, 10 bit": Row(filters=stored("709", "limited", "yuv420p10le")),
    "4:4:4, 10 bit, full": Row(
        "in.mkv", filters=stored("709", "full", "yuv444p10le"), options=("-color_range", "pc")
    ),
    "turned left": Row(
        turn=lambda picture: np.rot90(picture, 1), again=("-display_rotation", "-90")
    ),
    "turned right": Row(
        turn=lambda picture: np.rot90(picture, -1), again=("-display_rotation", "90")
    ),
    "as in a mirror": Row(turn=lambda picture: picture[:, ::-1], again=("-display_hflip",)),
    "upside down": Row(
        turn=lambda picture: picture[::-1, ::-1], again=("-display_rotation", "180")
    ),
    "odd sizes": Row("in.mkv", size=(95, 63), options=("-c:v", "ffv1", "-pix_fmt", "gbrp")),
    "two sounds": Row(sounds=TWICE, options=("-map", "0", "-map", "1", "-map", "2"), tracks=2),
    "no sound": Row(sounds=(), tracks=0),
    "sound left out": Row(output={"audio": "none"}, tracks=0),
    "sound that mp4 cannot hold": Row("in.mkv", options=("-c:a", "pcm_s16le"), same=False),
    "lossless": Row("in.mkv", output={**MKV, "codec": "ffv1"}),
    "h265": Row(output={"codec": "h265", "crf": 4}),
    "av1": Row(output={"codec": "av1", "crf": 4}, least=36),
    "ProRes": Row(output={"path": "out.mov", "codec": "prores"}),
}


def pictures(size):
    """What the frames show: a pan, so that no two of them are alike."""
    width, height = size
    wide = smooth_noise(width + 4 * COUNT, height, seed=5)
    return [np.ascontiguousarray(wide[:, 4 * k : 4 * k + width]) for k in range(COUNT)]


def make(row, folder):
    """The row's file."""
    raw = [np.ascontiguousarray(row.turn(picture)) for picture in pictures(row.size)]
    height, width = raw[0].shape[:2]
    seconds = float(row.time(COUNT))
    given = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", row.rate)
    filters = (
        row.filters
        if "zscale" in row.filters
        else (f"{row.filters},{stored('709', 'limited', 'yuv420p')}")
    )
    filters = row.filters if "ffv1" in row.options else filters
    path = folder / row.name
    ffmpeg(
        *(*given, "-i", "-", *(part.format(seconds=seconds) for part in row.sounds)),
        *("-vf", filters, *X264, *AAC, *row.options, path),
        feed=b"".join(picture.tobytes() for picture in raw),
    )
    if row.again:
        straight = path.rename(folder / f"straight{path.suffix}")
        ffmpeg(*row.again, "-i", straight, "-map", "0", "-c", "copy", path)
    return path


def make_job(make_data, folder, given, output, **keys):
    data = make_data({"kind": "video", "path": str(given), "cuts": [], **keys}, "")
    data["output"] = {"crf": 4, "path": str(folder / "out.mp4"), **output}
    data["output"]["path"] = str(folder / data["output"]["path"])
    if output.get("codec") in ("ffv1", "prores"):
        del data["output"]["crf"]
    return build_job(Document("test", data), ["engine=passthrough"], folder)


def pass_through(job):
    """Commit every frame as a worker paints it, without a farm, and finish the job."""
    prepared = prepare(job)
    source = prepared.source
    painter = Painter(job, [], torch.device("cpu"))
    with Store(job) as store:
        plan = settled_plan(job, prepared, store)
        for frame in source.read(source.frames):
            painted = painter.paint(frame.pixels, index=frame.index).pixels
            data = encode_png(painted, frame.alpha)
            store.commit(frame.index, f"frames/{frame.index:06}.png", data, {})
        assert finish_video(job, plan, source, store) == len(source.frames)


def sound_of(path):
    """Hash of the packets of each sound track."""
    with av.open(str(path)) as container:
        hashes = {stream.index: hashlib.sha256() for stream in container.streams.audio}
        for packet in container.demux():
            if packet.stream_index in hashes:
                hashes[packet.stream_index].update(bytes(packet))
    return [digest.hexdigest() for digest in hashes.values()]


@pytest.mark.parametrize("name", TABLE)
def test_what_goes_in_comes_out(tmp_path, make_data, name):
    row = TABLE[name]
    given = make(row, tmp_path)
    job = make_job(make_data, tmp_path, given, row.output, **row.input)
    pass_through(job)
    result = open_source(VideoInput(kind="video", path=job.output.path))

    # Every picture, and no other, at its own time.
    truth = pictures(row.size)
    assert len(result.frames) == len(row.shown)
    width, height = row.size
    for frame, index in zip(result.read(result.frames), row.shown, strict=True):
        shown = frame.pixels[:height, :width]  # sides of odd length have grown by a line
        near = [psnr(shown, truth[k]) for k in range(COUNT)]
        assert near[index] == max(near) > row.least
        time = row.time(index) - row.time(row.shown[0])
        assert abs(result.time(frame.index) - time) <= Fraction(1, 1000)
    assert (result.rate if result.probe.constant else None) == row.exact
    longest = row.time(row.shown[-1] + row.shown.step) - row.time(row.shown[-1])
    with av.open(str(given)) as container:
        length = Fraction(container.duration, av.time_base)
    if len(row.shown) * row.shown.step < COUNT:
        length = row.time(row.shown[-1] + row.shown.step) - row.time(row.shown[0])
    with av.open(str(job.output.path)) as container:
        assert abs(Fraction(container.duration, av.time_base) - length) <= longest
        video = container.streams.video[0].codec_context
        if job.output.codec != "ffv1":  # which holds RGB
            assert (video.colorspace, video.color_range) == (1, 1)
            assert (video.color_primaries, video.color_trc) == (1, 1)
        if job.output.codec == "h264":
            assert video.pix_fmt == "yuv420p"

    # The sound, bit for bit where it was not cut or converted.
    assert len(result.probe.audio) == row.tracks
    if row.same and row.tracks:
        assert sound_of(job.output.path) == sound_of(given)


def test_a_real_farm_adds_nothing(tmp_path, make_data, cluster):
    row = TABLE["two sounds"]
    given = make(row, tmp_path)
    (tmp_path / "farm").mkdir()
    plain = make_job(make_data, tmp_path, given, row.output)
    farmed = make_job(make_data, tmp_path / "farm", given, row.output)
    pass_through(plain)
    assert run(farmed).status == "finished"
    assert farmed.output.path.read_bytes() == plain.output.path.read_bytes()


def test_a_damaged_frame_is_named_and_nothing_of_the_rest_is_lost(tmp_path, make_data, cluster):
    given = hurt_clip(tmp_path / "hurt.mkv", 7, "-c:v", "ffv1", "-g", "1")
    job = make_job(make_data, tmp_path, given, {}, cuts=None)  # looked for in the damaged film
    events = []
    summary = run(job, on_event=events.append)
    assert (summary.status, summary.frames_done, list(summary.frames_failed)) == (
        "incomplete",
        19,
        [7],
    )
    assert "hurt.mkv frame 7" in summary.frames_failed[7]
    notes = [note.text for note in of(Note, events)]
    assert sum(text.startswith("hurt.mkv frame 7 is damaged") for text in notes) == 1
    log = (store_folder(job) / "log.jsonl").read_text()
    assert log.count('"event": "Note", "text": "hurt.mkv frame 7 is damaged') == 1
    assert not job.output.path.exists()  # a film is never silently short


def test_several_streams_are_all_there(tmp_path, make_data):
    """The default of two video streams, two sounds, subtitles, chapters, a title and languages."""
    row = TABLE["two sounds"]
    given = make(row, tmp_path)
    (tmp_path / "words.srt").write_text("1\n00:00:00,100 --> 00:00:00,300\nHello\n")
    (tmp_path / "about.txt").write_text(
        ";FFMETADATA1\ntitle=A day out\n[CHAPTER]\nTIMEBASE=1/100\nSTART=0\nEND=24\ntitle=One\n"
        "[CHAPTER]\nTIMEBASE=1/100\nSTART=24\nEND=48\ntitle=Two\n"
    )
    rich = tmp_path / "rich.mkv"
    ffmpeg(
        *("-f", "lavfi", "-i", "color=s=32x32:r=10:d=0.48", "-i", given),
        *("-i", tmp_path / "words.srt", "-i", tmp_path / "about.txt"),
        *("-map", "0", "-map", "1", "-map", "2", "-map_metadata", "3", "-map_chapters", "3"),
        *("-c", "copy", "-c:v:0", "ffv1", "-metadata:s:a:1", "language=deu"),
        *("-disposition:v:0", "0", "-disposition:v:1", "default", rich),
    )
    for out, words in (("out.mkv", "subrip"), ("out.mp4", "mov_text")):
        job = make_job(make_data, tmp_path, rich, {"path": out})
        pass_through(job)
        result = open_source(VideoInput(kind="video", path=job.output.path))
        truth = pictures(row.size)
        for frame in result.read(result.frames):
            assert psnr(frame.pixels, truth[frame.index]) > row.least
        assert sound_of(job.output.path) == sound_of(given)
        assert result.probe.subtitles == (words,)
        with av.open(str(job.output.path)) as container:
            titles = [chapter["metadata"]["title"] for chapter in container.chapters()]
            assert titles == ["One", "Two"]
            assert container.streams.audio[1].language == "deu"
            assert container.metadata["title"] == "A day out"


def test_numbered_frames_that_are_gone_are_written_again(tmp_path, make_data):
    given = make(TABLE["no sound"], tmp_path)
    job = make_job(
        make_data,
        tmp_path,
        given,
        {"path": "frames", "codec": "frames", "crf": None, "size": 48, "enlarge": True},
    )
    pass_through(job)
    first = job.output.path / "000000.png"
    assert read_still(first).pixels.shape == (64, 96, 3)
    assert psnr(read_still(first).pixels, pictures((96, 64))[0]) > 25
    whole = first.read_bytes()
    page, seen = store_folder(job) / "report.html", []
    for damage in (first.unlink, lambda: first.write_bytes(b"x")):
        damage()
        told = run(job, on_event=lambda e: seen.append((e, page.exists() and page.read_text())))
        assert told.status == "finished"
        assert first.read_bytes() == whole
    assert seen[-1][0] == OutputWritten(job.output.path, COUNT)
    assert 'http-equiv="refresh"' not in seen[-1][1]  # whoever is told finds the final report


def test_pictures_have_the_format_that_their_name_says_and_the_size_that_is_asked_for(
    cluster, tmp_path, images_job
):
    folder = tmp_path / "in"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif[0x0112] = 6
    Image.fromarray(smooth_noise(96, 64, seed=1)).save(folder / "a.jpeg", "PNG", exif=exif)
    job = images_job(folder, "engine=passthrough", "output.size=32", "output.enlarge=true")
    assert run(job).status == "finished"
    path = job.output.path / "a.jpeg"
    with Image.open(path) as image:
        assert (image.format, image.size) == ("JPEG", (64, 96))
        assert image.getexif()[0x010F] == "Maker"
        assert 0x0112 not in image.getexif()
