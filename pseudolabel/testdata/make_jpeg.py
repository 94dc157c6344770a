"""Small JPEGs of all kinds, and what Pillow (libjpeg-turbo) makes of them and of the real frames.

    python3 make_jpeg.py    (Pillow and numpy; jpeg/*.jpg and frames/*.jpg with the RGB beside them as .png)
"""
import pathlib

import numpy
from PIL import Image

folder = pathlib.Path(__file__).parent / "jpeg"
random = numpy.random.default_rng(5)
for w, h in [(37, 29), (64, 48), (6, 5), (4, 3), (1, 1), (2, 9)]:
    # Smooth colours with hard edges: both what chroma's filter is for and what it shows on.
    y, x = numpy.mgrid[:h, :w]
    rgb = numpy.stack([128 + 127 * numpy.sin(x / 5), 255 * ((x // 7 + y // 5) % 2), 4 * y + x], axis=-1)
    picture = Image.fromarray((rgb + random.normal(0, 8, rgb.shape)).clip(0, 255).astype("uint8"))
    for name, options in {"444": {"subsampling": 0}, "422": {"subsampling": 1}, "420": {"subsampling": 2},
                          "420p": {"subsampling": 2, "progressive": True}, "grey": {}}.items():
        path = folder / f"{name}-{w}x{h}.jpg"
        (picture.convert("L") if name == "grey" else picture).save(path, quality=92, **options)
        Image.open(path).convert("RGB").save(path.with_suffix(".png"), optimize=True)
for path in (folder.parent / "frames").glob("*.jpg"):
    Image.open(path).convert("RGB").save(path.with_suffix(".png"), optimize=True)
