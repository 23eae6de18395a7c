"""How stored video numbers become sRGB, and how sRGB becomes BT.709 video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

# ITU-T H.273 code points, as ffmpeg numbers them, and zscale's names for them.
_MATRICES = {
    0: "gbr",
    1: "709",
    4: "fcc",
    5: "470bg",
    6: "170m",
    7: "240m",
    8: "ycgco",
    9: "2020_ncl",
    10: "2020_cl",
}
WIDE_PRIMARIES = {9: "2020", 11: "smpte431", 12: "smpte432"}
HDR_TRANSFERS = {16: "smpte2084", 18: "arib-std-b67"}
_FULL_RANGE = 2
_HD_HEIGHT = 720
_SOME = 64  # pixels; any number that 4 divides


@dataclass(frozen=True)
class Colour:
    """Colour of a video stream.

    Attributes:
        kind: `yuv`, `rgb` or `grey`.
        matrix: zscale's name of the YUV matrix.
        full: whether levels use the full range.
        wide: zscale's name of primaries wider than BT.709, else `None`.
        hdr: zscale's name of an HDR transfer (PQ or HLG), else `None`.
        spread: ffmpeg's pixel format that gives every pixel its own colour; for frames of which some
            pixels share theirs with none, as odd sides have, which zscale takes in no other form; else
            `None`.
    """

    kind: str
    matrix: str
    full: bool
    wide: str | None
    hdr: str | None
    spread: str | None


def read_colour(frame: VideoFrame) -> Colour:
    """The colour of a decoded PyAV frame; what is not tagged follows the custom of its size."""
    name = frame.format.name
    kind = "rgb" if frame.format.is_rgb or name.startswith("pal") else "yuv"
    if name.startswith(("gray", "mono")):
        kind = "grey"
    custom = "709" if max(frame.width * 9 / 16, frame.height) >= _HD_HEIGHT else "170m"
    bits = frame.format.components[0].bits
    across = _SOME // frame.format.chroma_width(_SOME)  # pixels that share a colour: 1, 2 or 4
    down = _SOME // frame.format.chroma_height(_SOME)
    odd = frame.width % max(2, across) or frame.height % max(2, down)
    return Colour(
        kind=kind,
        matrix=_MATRICES.get(int(frame.colorspace), custom),
        full=int(frame.color_range) == _FULL_RANGE or name.startswith("yuvj"),
        wide=WIDE_PRIMARIES.get(int(frame.color_primaries)),
        hdr=HDR_TRANSFERS.get(int(frame.color_trc)),
        spread=f"yuv444p{f'{bits}le' if bits > 8 else ''}" if odd else None,
    )


def to_srgb(colour: Colour, size: tuple[int, int], kernel: str = "lanczos") -> str:
    """Filters from decoded frames to RGB of `size` (width, height) in 8 bits.

    zscale (zimg) is used because it is exact to a level on flat areas and threaded; swscale is
    exact only with flags that make it slower. Transfer curves are left alone, as players do:
    display-referred BT.709 video and sRGB are shown by the same screens.
    """
    scale = f"zscale=w={size[0]}:h={size[1]}:f={kernel}"
    if colour.kind == "rgb":
        return f"format=gbrp,{scale}"
    if colour.kind == "grey":
        level = "pc" if colour.full else "tv"
        return f"scale=in_range={level}:out_range=pc,format=gbrp,{scale}"
    if colour.spread:
        scale = f"format={colour.spread},{scale}"
    levels = "full" if colour.full else "limited"
    source = f"matrixin={colour.matrix}:rangein={levels}"
    if colour.hdr:
        return (
            f"{scale}:{source}:primariesin={colour.wide or '709'}"
            f":transferin={colour.hdr}:transfer=linear:npl=203:primaries=709:matrix=gbr:range=full,"
            "format=gbrpf32le,tonemap=mobius:desat=0,"
            "zscale=transferin=linear:transfer=709:matrix=gbr:range=full,format=gbrp"
        )
    if colour.wide:
        source += f":primariesin={colour.wide}:transferin=709:primaries=709:transfer=709"
    return f"{scale}:{source}:matrix=gbr:range=full,format=gbrp"
