"""Small JPEGs of all kinds, and what Pillow (libjpeg-turbo) makes of them: NAME.jpg with the RGB beside it as NAME.png.
Those in beyond/ are of kinds that jpegrgb doesn't read.

    python3 make_jpeg.py    (Pillow, numpy and ffmpeg; writes into this folder)
"""
import pathlib
import struct
import subprocess

import numpy
from PIL import Image

folder = pathlib.Path(__file__).parent
random = numpy.random.default_rng(5)


def picture(w, h):
    """Smooth colours with hard edges: both what chroma's filter is for and what it shows on."""
    y, x = numpy.mgrid[:h, :w]
    rgb = numpy.stack([128 + 127 * numpy.sin(x / 5), 255 * ((x // 7 + y // 5) % 2), 4 * y + x], axis=-1)
    return Image.fromarray((rgb + random.normal(0, 8, rgb.shape)).clip(0, 255).astype("uint8"))


def save(name, image, **options):
    image.save(folder / f"{name}.jpg", **{"quality": 92, **options})


for w, h in [(37, 29), (64, 48), (6, 5), (4, 3), (1, 1), (2, 9)]:
    image = picture(w, h)
    for name, options in {"444": {"subsampling": 0}, "422": {"subsampling": 1}, "420": {"subsampling": 2},
                          "420p": {"subsampling": 2, "progressive": True}, "grey": {}}.items():
        save(f"{name}-{w}x{h}", image.convert("L") if name == "grey" else image, **options)

image = picture(53, 35)
save("restart-blocks", image, subsampling=2, restart_marker_blocks=3)
save("restart-rows", image, subsampling=1, restart_marker_rows=1, optimize=True)
save("restart-progressive", image, subsampling=2, restart_marker_blocks=5, progressive=True)
save("optimised", image, subsampling=2, optimize=True)
save("quality-1", image, subsampling=2, quality=1)
save("quality-100", image, subsampling=2, quality=100)
save("quality-100-progressive", image, subsampling=0, quality=100, progressive=True)
save("422-progressive", image, subsampling=1, progressive=True, quality=60)
save("grey-progressive", image.convert("L"), progressive=True, quality=60)
save("rgb", image, keep_rgb=True)
save("rgb-progressive", image, keep_rgb=True, progressive=True)
for q in 2, 31:
    for chroma in "420", "422", "444":
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=75x45:d=0.04", "-frames:v", "1",
                        "-pix_fmt", f"yuvj{chroma}p", "-c:v", "mjpeg", "-q:v", str(q), "-bitexact", "-update", "1",
                        folder / f"ffmpeg-{chroma}-q{q}.jpg"], check=True)

# What those encoders don't write is written here. All codes are of one length, but for the AC symbols of long runs.
DC = {s: f"{s:04b}" for s in range(12)}
AC = {s: f"{i:08b}" if i < 200 else f"{200 * 256 + i - 200:016b}"
      for i, s in enumerate(s for s in range(256) if s in (0, 0xf0) or 0 < s % 16 < 15)}
ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, i % 8 if (i // 8 + i % 8) % 2 else i // 8))
ZIGZAG = [i // 8 * 8 + i % 8 for i in ZIGZAG]
COSINES = numpy.array([[(0.5 if u else 0.125**0.5) * numpy.cos((2 * x + 1) * u * numpy.pi / 16) for x in range(8)]
                       for u in range(8)])


def segment(marker, data):
    return bytes([0xff, marker]) + struct.pack(">H", len(data) + 2) + data


def table(kind, codes):
    counts = [sum(len(c) == n for c in codes.values()) for n in range(1, 17)]
    return segment(0xc4, bytes([kind, *counts, *codes]))


def value(v):
    """A value's size, and its bits."""
    size = int(abs(v)).bit_length()
    return size, f"{v if v > 0 else v + (1 << size) - 1:0{size}b}" if size else ""


def block_bits(block, before):
    size, bits = value(block[0] - before)
    bits, zeros = DC[size] + bits, 0
    for v in block[1:]:
        if v == 0:
            zeros += 1
            continue
        bits += AC[0xf0] * (zeros // 16)
        size, more = value(v)
        bits, zeros = bits + AC[zeros % 16 * 16 + size] + more, 0
    return bits + (AC[0] if zeros else "")


def packed(bits):
    bits += "1" * (-len(bits) % 8)
    return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0")


def write(name, components, factors, quant, scans, ids=(1, 2, 3), restart=0, extra=b"", sof=0xc0):
    """components are of the picture's size; scans lists the components of each."""
    h, w = components[0].shape
    hmax, vmax = max(f[0] for f in factors), max(f[1] for f in factors)
    wide, high = -(-w // (8 * hmax)), -(-h // (8 * vmax))
    blocks = []
    for c, (fh, fv) in zip(components, factors):
        c = c[::vmax // fv, ::hmax // fh].astype(float) - 128
        c = numpy.pad(c, ((0, 8 * fv * high - c.shape[0]), (0, 8 * fh * wide - c.shape[1])), "edge")
        c = c.reshape(fv * high, 8, fh * wide, 8).swapaxes(1, 2)
        c = (COSINES @ c @ COSINES.T).reshape(fv * high, fh * wide, 64)[..., ZIGZAG] / quant
        blocks.append(numpy.rint(c).astype(int))
    out = b"\xff\xd8" + extra
    wider = max(quant) > 255
    out += segment(0xdb, bytes([16 * wider]) + b"".join(struct.pack(">H" if wider else ">B", q) for q in quant))
    out += table(0, DC) + table(16, AC)
    out += segment(sof, struct.pack(">BHHB", 8, h, w, len(factors)) + b"".join(
        bytes([i, 16 * f[0] + f[1], 0]) for i, f in zip(ids, factors)))
    out += segment(0xdd, struct.pack(">H", restart)) if restart else b""
    for scan in scans:
        out += segment(0xda, bytes([len(scan)]) + b"".join(bytes([ids[c], 0]) for c in scan) + b"\0\x3f\0")
        if len(scan) == 1:
            fh, fv = factors[scan[0]]
            across, down = -(-(-(-w * fh // hmax)) // 8), -(-(-(-h * fv // vmax)) // 8)
            order = [[(scan[0], y, x)] for y in range(down) for x in range(across)]
        else:
            order = [[(c, y * factors[c][1] + j, x * factors[c][0] + i) for c in scan for j in range(factors[c][1])
                      for i in range(factors[c][0])] for y in range(high) for x in range(wide)]
        bits, before = "", dict.fromkeys(scan, 0)
        for n, mcu in enumerate(order):
            if restart and n and n % restart == 0:
                out += packed(bits) + bytes([0xff, 0xd0 + (n // restart - 1) % 8])
                bits, before = "", dict.fromkeys(scan, 0)
            for c, y, x in mcu:
                bits += block_bits(blocks[c][y, x], before[c])
                before[c] = blocks[c][y, x][0]
        out += packed(bits)
    (folder / f"{name}.jpg").write_bytes(out + b"\xff\xd9")


y, cb, cr = numpy.moveaxis(numpy.asarray(image.convert("YCbCr")), -1, 0)
red, green, blue = numpy.moveaxis(numpy.asarray(image), -1, 0)
fine = [2 + i // 4 for i in range(64)]
apart, one = [[0], [1], [2]], [[0, 1, 2]]
f420, f444 = [(2, 2), (1, 1), (1, 1)], [(1, 1)] * 3
write("apart-420", [y, cb, cr], f420, fine, apart)
write("apart-420-restart", [y, cb, cr], f420, fine, [[0], [1, 2]], restart=3)
write("apart-422", [y, cb, cr], [(2, 1), (1, 1), (1, 1)], fine, [[2], [0, 1]])
write("wide-tables", [y, cb, cr], f420, [40 * q for q in fine], one, sof=0xc1)
write("440", [y, cb, cr], [(1, 2), (1, 1), (1, 1)], fine, one)
write("440-apart", [y, cb, cr], [(1, 2), (1, 1), (1, 1)], fine, apart)
write("crossed", [y, cb, cr], [(2, 1), (1, 2), (2, 2)], fine, one)
write("chroma-finer", [y, cb, cr], [(1, 1), (2, 2), (2, 1)], fine, apart)
write("all-2x1", [y, cb, cr], [(2, 1)] * 3, fine, one)
write("grey-2x2", [y], [(2, 2)], fine, [[0]], restart=7)
write("rgb-names", [red, green, blue], f444, fine, one, ids=b"RGB")
write("rgb-names-420", [red, green, blue], f420, fine, one, ids=b"RGB")
adobe = segment(0xee, b"Adobe\0\x64\0\0\0\0\0")
write("adobe-rgb-422", [red, green, blue], [(2, 1), (1, 1), (1, 1)], fine, one, extra=adobe)
write("adobe-ycc", [y, cb, cr], f420, fine, one, ids=b"RGB", extra=adobe[:-1] + b"\1")
write("adobe-jfif", [y, cb, cr], f420, fine, one, extra=segment(0xe0, b"JFIF\0\1\1\0\0\1\0\1\0\0") + adobe)

(folder / "beyond").mkdir(exist_ok=True)
write("beyond/411", [y, cb, cr], [(4, 1), (1, 1), (1, 1)], fine, one)
save("beyond/cmyk", image.convert("CMYK"))
for path in folder.rglob("*.jpg"):
    Image.open(path).convert("RGB").save(path.with_suffix(".png"), optimize=True)
