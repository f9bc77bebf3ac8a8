"""The demo's music, made on the spot: public-domain scores and seeded pieces, played by numpy voices.

What it makes is dedicated to the public (CC0 1.0): nothing is recorded, sampled or borrowed.
"""

from dodeca.products.music.audio.synth.pieces import ALBUMS, Album, Piece, pieces
from dodeca.products.music.audio.synth.rendering import draw_cover, lrc, render, render_video

__all__ = ["ALBUMS", "Album", "Piece", "draw_cover", "lrc", "pieces", "render", "render_video"]
