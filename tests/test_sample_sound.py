"""The sample clip's tones."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from render.sample.sound import SAMPLE_RATE, tones


@settings(max_examples=15)
@given(st.integers(4, 30), st.sampled_from([24, 25, Fraction(24000, 1001), 12]))
def test_there_are_as_many_samples_as_the_clip_is_long(frames, rate):
    seconds = Fraction(frames) / rate
    sound = tones(seconds, Fraction(frames // 2) / rate)
    assert sound.dtype == np.int16
    assert len(sound) == round(seconds * SAMPLE_RATE)


def test_the_sound_is_loud_but_never_clips():
    peak = np.abs(tones(Fraction(7, 6), Fraction(7, 12)).astype(int)).max()
    assert 10_000 < peak < 25_000


def test_it_ends_in_silence():
    assert np.abs(tones(Fraction(7, 6), Fraction(7, 12))[-20:]).max() < 50


def loudness(sound, second):
    """Energy of the tenth of a second from `second` on at each frequency, in Hz."""
    start = int(second * SAMPLE_RATE)
    piece = sound[start : start + SAMPLE_RATE // 10] * np.hanning(SAMPLE_RATE // 10)
    return np.abs(np.fft.rfft(piece)), np.fft.rfftfreq(len(piece), 1 / SAMPLE_RATE)


@pytest.mark.parametrize(("second", "frequency"), [(0.0, 261.6), (0.6, 349.2)])
def test_a_new_chord_begins_at_the_cut(second, frequency):
    power, frequencies = loudness(tones(Fraction(6, 5), Fraction(3, 5)), second)
    assert abs(frequencies[power.argmax()] - frequency) < 12


def test_the_loudest_tone_sets_in_at_the_cut():
    sound = np.abs(tones(Fraction(6, 5), Fraction(3, 5)).astype(float))
    energy = np.array([sound[k : k + 480].mean() for k in range(0, len(sound) - 480, 480)])
    rise = np.diff(np.log(energy + 50))
    assert abs(int(rise[5:].argmax()) + 6 - 60) <= 1
