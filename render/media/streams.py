"""Sound, subtitles and chapters: what is carried over to the output, and in what form."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av

from render.errors import OutputError, SourceError
from render.media.codecs import LONGEST_FRAME, muxer
from render.media.ffmpeg import GUARD, guarded_input, running
from render.media.probe import Probe
from render.media.timeline import Timeline
from render.spec.url import AnyPath

_SOUND_AS_IS = {
    "mp4": {"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac", "mp2", "dts"},
    "mov": {"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s16be", "pcm_s24le"},
    "webm": {"opus", "vorbis"},
}
_LAYOUTS = "aformat=channel_layouts=7.1|6.1|5.1|5.0|quad|3.0|stereo|mono"
"""Filter to the nearest of the layouts that every encoder takes; few take the 5.1(side) of films."""
_SOUND_ELSE = {
    "mp4": ("AAC", ("aac", "-b:a:{n}", "256k", "-filter:a:{n}", _LAYOUTS)),
    "mov": ("PCM", ("pcm_s24le",)),
    "webm": ("Opus", ("libopus", "-b:a:{n}", "160k", "-filter:a:{n}", _LAYOUTS)),
}
_WELL_KNOWN = set().union(*_SOUND_AS_IS.values())
"""Sound that is known to go where it is sent."""
_TEXT = {"subrip", "ass", "mov_text", "webvtt", "text"}
_IN_MATROSKA = {"subrip", "ass", "webvtt", "text", "dvd_subtitle", "dvb_subtitle",
                "hdmv_pgs_subtitle", "hdmv_text_subtitle", "arib_caption"}  # fmt: skip
_TEXT_IN = {"mp4": "mov_text", "mov": "mov_text", "webm": "webvtt"}
_LEAD = Fraction(30)
"""Seconds before the cut from which subtitles are read: what is on the screen there began earlier."""


@dataclass(frozen=True)
class Carried:
    """What an output takes over from its source beside the pictures.

    Attributes:
        inputs: ffmpeg's arguments that open the source as input 1, and once more for subtitles that are
            cut; empty if nothing comes along.
        arguments: ffmpeg's output options.
        sound: those of them that are for the sound.
        sounds: number of audio tracks that the output must have.
        notes: what is not carried over as it is, one sentence each.
    """

    inputs: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    sound: tuple[str, ...] = ()
    sounds: int = 0
    notes: tuple[str, ...] = ()


def carry(facts: Probe, timeline: Timeline, container: str, *, sound: bool) -> Carried:
    """Decide what goes along.

    Args:
        facts: the source.
        timeline: of the output; says how the sound is cut.
        container: `mp4`, `mov`, `matroska` or `webm`; any other holds pictures alone.
        sound: whether the job wants the sound.
    """
    if container not in ("mp4", "mov", "matroska", "webm"):
        notes = [f"{container} holds no sound: it is left out"] if sound and facts.audio else []
        longest = LONGEST_FRAME.get(container)
        if longest is not None and timeline.last > longest:
            notes.append(
                f"{container} shows no frame longer than {float(longest)} s: the last, of "
                f"{float(timeline.last):g} s, is cut short"
            )
        return Carried(notes=tuple(notes))
    arguments: list[str] = []
    notes = []
    heard = _sounding(facts, timeline) if sound else []
    for n, track in enumerate(heard):
        codec = facts.audio[track]
        arguments += ["-map", f"1:a:{track}", f"-c:a:{n}"]
        if codec in _SOUND_AS_IS.get(container, {codec}):
            arguments.append("copy")
        else:
            name, options = _SOUND_ELSE[container]
            arguments += [option.format(n=n) for option in options]
            notes.append(f"sound track {track}: {codec} does not go into {container}; made {name}")
    if sound:
        silent = sorted(set(range(len(facts.audio))) - set(heard))
        notes += [f"sound track {track}: nothing in it at these frames" for track in silent]
    for_sound = tuple(arguments)
    length = _length(facts, timeline)
    inputs = _cut_of_source(facts, timeline)
    words, more = _subtitles(facts, timeline, container)
    arguments += words
    notes += more
    if words and timeline.begin is not None:
        inputs += _cut_of_source(facts, timeline, min(_LEAD, timeline.begin - facts.start))
    if container == "matroska":
        arguments += ["-map", "1:t?", "-c:t", "copy"]  # fonts of the subtitles
    arguments += ["-map_metadata", "1", "-map_chapters", "1"]
    if length is not None:
        # The cut of the input alone leaves in the chapters, and the text that is converted, behind it.
        arguments += ["-t", _microseconds(length)]
    if timeline.begin is not None:
        # Else copied sound keeps what lies before the cut, and shifts the picture to hold it.
        arguments += ["-copypriorss:a", "0"]
    return Carried(inputs, tuple(arguments), for_sound, len(heard), tuple(notes))


def try_sound(facts: Probe, carried: Carried, path: AnyPath) -> None:
    """Have ffmpeg begin a file with sound that is converted or unusual.

    So a failure shows before hours of work.

    Raises:
        OutputError: it cannot write this sound into such a file.
    """
    copied = carried.sound.count("copy")
    if copied == carried.sounds and _WELL_KNOWN.issuperset(facts.audio):
        return
    nothing = ("-f", "lavfi", "-i", "anullsrc")  # in the place of the pictures
    end = ("-t", "0.1", "-f", muxer(path), "file:/dev/null")
    with running([*nothing, *carried.inputs, *carried.sound, *end]) as process:
        if process.wait():
            raise OutputError(
                f"{path}: its sound cannot be kept: {process.reason()}; another kind of file may hold "
                "it, or set output.audio to none"
            )


def _subtitles(facts: Probe, timeline: Timeline, container: str) -> tuple[list[str], list[str]]:
    """Output options for the subtitles, none if none comes along, and what is left out."""
    arguments: list[str] = []
    notes = []
    source, kept = "1" if timeline.begin is None else "2", 0
    for n, codec in enumerate(facts.subtitles):
        form = _subtitle_form(codec, container)
        if form is None:
            notes.append(f"subtitle track {n}: {codec} does not go into {container}; left out")
            continue
        arguments += ["-map", f"{source}:s:{n}", f"-c:s:{kept}", form]
        kept += 1
    if kept:
        arguments += ["-bsf:s", _within(_length(facts, timeline))]
    return arguments, notes


def _within(length: Fraction | None) -> str:
    """Filters that keep subtitles between 0 and `length`, if it is given.

    Times below 0 would have the muxer move pictures and sound as well.
    """
    end = "PTS+DURATION"
    if length is not None:
        end = f"min({end},{length.numerator}/{length.denominator}/TB)"
    return (
        "noise=drop='lt(pts,0)*lte(pts+duration,0)',"
        f"setts=ts='max(TS,0)':duration='max({end}-max(PTS,0),0)'"
    )


def _subtitle_form(codec: str, container: str) -> str | None:
    """Codec to write a subtitle track with; `None` if the container cannot hold it."""
    if container == "matroska":
        if codec == "mov_text":
            return "subrip"
        return "copy" if codec in _IN_MATROSKA else None
    if codec not in _TEXT:
        return None
    return "copy" if codec == _TEXT_IN[container] else _TEXT_IN[container]


def _sounding(facts: Probe, timeline: Timeline) -> list[int]:
    """Audio tracks that have any sound between the timeline's begin and end."""
    found: set[int] = set()
    path = facts.track.path
    try:
        with av.open(str(path.absolute()), options=dict(GUARD)) as container:
            tracks = list(container.streams.audio)
            if not tracks:
                return []
            numbers = {track.index: number for number, track in enumerate(tracks)}
            if timeline.begin is not None and timeline.begin - 1 > facts.start:
                container.seek(int((timeline.begin - 1) * av.time_base), any_frame=True)
            for packet in container.demux(tracks):
                if packet.pts is None or not packet.size:
                    continue
                time = packet.pts * packet.time_base
                if timeline.end is not None and time >= timeline.end + 1:
                    break  # a second of grace: tracks are not interleaved to the packet
                if timeline.begin is not None and time < timeline.begin:
                    continue
                if timeline.end is None or time < timeline.end:
                    found.add(numbers[packet.stream_index])
                if len(found) == len(tracks):
                    break
    except av.error.FFmpegError as error:
        raise SourceError(f"{path}: its sound cannot be read: {error.strerror}") from error
    return sorted(found)


def _cut_of_source(
    facts: Probe, timeline: Timeline, lead: Fraction = Fraction(0)
) -> tuple[str, ...]:
    """Input arguments that open the source from `lead` before the timeline's begin to its end."""
    cut = []
    length = _length(facts, timeline)
    if timeline.begin is not None:
        start = timeline.begin - facts.start - lead
        cut += ["-itsoffset", _microseconds(-lead), "-ss", _microseconds(start)]
    if length is not None:
        cut += ["-t", _microseconds(length)]
    return tuple(guarded_input(facts.track.path, *cut))


def _length(facts: Probe, timeline: Timeline) -> Fraction | None:
    """Seconds from the timeline's begin to its end; `None` if it goes to the source's end."""
    if timeline.end is None:
        return None
    return timeline.end - (facts.start if timeline.begin is None else timeline.begin)


def _microseconds(seconds: Fraction) -> str:
    return f"{round(seconds * 1_000_000)}us"
