"""The sample clip's sound: a few plucked tones, a new chord at the cut."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 48_000
_BEFORE = (261.63, 329.63, 392.00, 493.88)
_AFTER = (349.23, 440.00, 523.25, 659.26)
_PARTIALS = ((1.0, 0.62, 3.2), (2.0, 0.24, 5.0), (3.0, 0.10, 8.0), (5.4, 0.05, 16.0))
"""Frequency over the tone's own, amplitude, decay per second."""


def tones(seconds: Fraction, cut: Fraction) -> npt.NDArray[np.int16]:
    """Four rising tones up to `cut` seconds, four of another chord from there to the end.

    A tone, the loudest, begins exactly at the cut: sound and picture can be checked by it.

    Returns:
        Mono samples at `SAMPLE_RATE`, as many as there are in `seconds`.
    """
    total = round(seconds * SAMPLE_RATE)
    sound = np.zeros(total)
    for start, length, chord in ((Fraction(0), cut, _BEFORE), (cut, seconds - cut, _AFTER)):
        for number, frequency in enumerate(chord):
            first = round((start + length * number / 4) * SAMPLE_RATE)
            time = np.arange(total - first) / SAMPLE_RATE
            loud = 1.0 if number == 0 else 0.6
            for ratio, amplitude, decay in _PARTIALS:
                wave = np.sin(2 * np.pi * frequency * ratio * time)
                sound[first:] += loud * amplitude * wave * np.exp(-decay * time)
    end = min(total, SAMPLE_RATE // 25)
    sound[total - end :] *= np.linspace(1, 0, end)
    return np.asarray(np.round(sound * (0.6 * 32767 / np.abs(sound).max())), np.int16)
