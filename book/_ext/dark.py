"""Dark twins of the stored pictures, for the dark mode of the site.

A picture has a palette of few colours, so its twin is the same picture with another one. On
OKLab's scale of lightness, which is the eye's, white becomes the ground of the dark page and black
nearly white, with greys between them in reverse order. A colour keeps its hue, stands out from the
dark ground as it did from white, and of two colours the lighter stays the lighter, and that is
what tells them apart for the colour-blind.

Source: B. Ottosson (2020), "A perceptual color space for image processing", for the matrices.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

#: The ground of the theme's dark pages, and what black becomes.
GROUND = (18, 18, 18)
INK = (240, 240, 240)
#: Greys on the dark ground stand out as they did on white.
CURVE = 1.4
#: A colour of this chroma is a colour, one of none a grey; between them it is on the way.
FULL_CHROMA = 0.10
#: Lightness of full colours on the dark ground: of a colour that had 0, and what the range adds.
LOWEST, RANGE = 0.46, 0.24

RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def to_lab(rgb: np.ndarray) -> np.ndarray:
    """Convert sRGB in 0 to 255, shape (n, 3), to OKLab."""
    s = np.asarray(rgb, float) / 255
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ RGB_TO_LMS.T) @ LMS_TO_LAB.T


def to_linear(lab: np.ndarray) -> np.ndarray:
    """Convert OKLab to linear light, which may lie outside of 0 to 1."""
    lms = (lab @ np.linalg.inv(LMS_TO_LAB).T) ** 3
    return lms @ np.linalg.inv(RGB_TO_LMS).T


def to_rgb(lab: np.ndarray) -> np.ndarray:
    """Convert OKLab to sRGB in 0 to 255; what no screen can show loses chroma until it can."""
    lab = lab.copy()
    for _ in range(60):
        light = to_linear(lab)
        outside = ((light < -1e-4) | (light > 1 + 1e-4)).any(axis=1)
        if not outside.any():
            break
        lab[outside, 1:] *= 0.95
    light = np.clip(to_linear(lab), 0, 1)
    s = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(s * 255).astype(np.uint8)


def darkened(rgb: np.ndarray) -> np.ndarray:
    """Return the colours of the dark twin, shape (n, 3)."""
    lab = to_lab(rgb)
    ground, ink = to_lab(np.array([GROUND, INK]))
    lightness, colour = lab[:, :1], lab[:, 1:]
    grey = ink + (ground - ink) * lightness**CURVE
    share = np.clip(np.hypot(*colour.T) / FULL_CHROMA, 0, 1)[:, None]
    full = LOWEST + RANGE * lightness
    return to_rgb(
        np.hstack([grey[:, :1] + share * (full - grey[:, :1]), grey[:, 1:] * (1 - share) + colour])
    )


def twin_of(path: Path) -> Path:
    """Where the dark twin of a picture lies."""
    return path.with_name(f"{path.stem}-dark.png")


def make_twin(path: Path) -> None:
    """Write the dark twin of a picture, unless it is there."""
    if twin_of(path).is_file():
        return
    with Image.open(path) as picture:
        small = picture if picture.mode == "P" else on_white(picture).quantize(256, dither=0)
        palette = np.array(small.getpalette(), np.uint8).reshape(-1, 3)
        small.putpalette(darkened(palette).ravel().tolist())
        small.save(twin_of(path))


def on_white(picture: Image.Image) -> Image.Image:
    """Lay a picture that may be transparent on a white ground."""
    picture = picture.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")
