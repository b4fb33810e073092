#!/usr/bin/python3
"""Golden values of image decoding and preprocessing, made with Pillow.

Draws pictures of every kind that the inference service decodes, writes them to a
folder, and beside them golden.json: for each file the SHA-256 of the RGB bytes of
Image.open(file).convert("RGB"), and of what CLIPImageProcessor (the one built on
Pillow) makes of it before rescaling. The C++ test reads the same files and must
get the same bytes.

  image_golden.py fixtures DIR             the small set that is committed
  image_golden.py random DIR --count 200   pictures of random sizes and kinds
  image_golden.py existing DIR FILE...     golden.json of files as they are

Needs python3-pil and python3-numpy. The same seed gives the same files with the
same Pillow; the committed set was made with Debian 12's Pillow 9.4.
"""

import argparse
import hashlib
import json
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

# Every processor is a preprocessor_config.json, as a model directory has it.
PROCESSORS = {
    "clip_224": {
        "crop_size": 224,
        "do_center_crop": True,
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "resample": 3,
        "size": 224,
    },
    "clip_48": {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": 48},
        "crop_size": {"height": 48, "width": 48},
        "resample": 3,
    },
    "bilinear_wide_crop": {
        "size": {"shortest_edge": 50},
        "crop_size": {"height": 33, "width": 64},
        "resample": 2,
    },
    "squash_lanczos": {
        "size": {"height": 40, "width": 61},
        "do_center_crop": False,
        "resample": 1,
    },
    "nearest": {"size": 37, "crop_size": 37, "resample": 0},
    "box": {"size": 31, "crop_size": 30, "resample": 4},
    "hamming": {"size": 45, "crop_size": 41, "resample": 5},
    "crop_only": {"do_resize": False, "crop_size": 97},
}


def sides(value):
    """(height, width) of a crop_size in either form."""
    if isinstance(value, int):
        return value, value
    return value["height"], value["width"]


def resize(image, config):
    """The resize step of CLIPImageProcessor."""
    if not config.get("do_resize", True):
        return image
    size = config.get("size", 224)
    if isinstance(size, dict) and "height" in size:
        new_width, new_height = size["width"], size["height"]
    else:
        edge = size["shortest_edge"] if isinstance(size, dict) else size
        width, height = image.size
        short, long = min(width, height), max(width, height)
        new_long = int(edge * long / short)
        new_width, new_height = (edge, new_long) if width <= height else (new_long, edge)
    return image.resize((new_width, new_height), resample=config.get("resample", 3))


def center_crop(pixels, config):
    """The crop step of CLIPImageProcessor, on an array of height x width x 3."""
    if not config.get("do_center_crop", True):
        return pixels
    crop_height, crop_width = sides(config.get("crop_size", 224))
    height, width = pixels.shape[:2]
    top, left = (height - crop_height) // 2, (width - crop_width) // 2
    if top >= 0 and left >= 0:
        return pixels[top : top + crop_height, left : left + crop_width]
    new_height, new_width = max(crop_height, height), max(crop_width, width)
    padded = np.zeros((new_height, new_width, 3), np.uint8)
    top_pad = -((height - new_height) // 2)
    left_pad = -((width - new_width) // 2)
    padded[top_pad : top_pad + height, left_pad : left_pad + width] = pixels
    top, left = top + top_pad, left + left_pad
    return padded[
        max(0, top) : min(new_height, top + crop_height),
        max(0, left) : min(new_width, left + crop_width),
    ]


def digest(pixels):
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def golden_case(folder, name):
    image = Image.open(folder / name)
    image = image.convert("RGB")
    return {
        "file": name,
        "width": image.width,
        "height": image.height,
        "decoded": digest(np.asarray(image)),
        "preprocessed": {
            key: digest(center_crop(np.asarray(resize(image, config)), config))
            for key, config in PROCESSORS.items()
        },
    }


def write_golden(output, folder, names):
    golden = {
        "pillow": Image.__version__,
        "processors": PROCESSORS,
        "cases": [golden_case(folder, name) for name in names],
    }
    (output / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")


# --- pictures ---------------------------------------------------------------


def draw(random, width, height, channels):
    """Smooth waves with hard-edged discs and some noise: all that a codec or a
    filter can get wrong shows."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = []
    for _ in range(channels):
        fx, fy, phase = random.uniform(0.005, 0.4, 3)
        planes.append(127 + 90 * np.sin(fx * x + fy * y + 10 * phase))
    pixels = np.stack(planes, -1)
    for _ in range(4):
        cx, cy = random.uniform(0, width), random.uniform(0, height)
        radius = random.uniform(0.05, 0.3) * min(width, height)
        disc = (x - cx) ** 2 + (y - cy) ** 2 < radius**2
        pixels[disc] = random.uniform(0, 255, channels)
    pixels += random.normal(0, random.choice([0.0, 6.0]), pixels.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8)


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png_bytes(samples, depth, colour_type, interlaced=False, chunks=()):
    """A PNG written by hand, for the kinds that Pillow cannot write: 16-bit
    colour, 2 and 4 bits of grey, interlaced."""
    height, width = samples.shape[:2]

    def rows_of(part):
        raw = b""
        for row in part:
            values = row.reshape(-1)
            if depth == 16:
                raw += b"\0" + values.astype(">u2").tobytes()
            elif depth == 8:
                raw += b"\0" + values.astype(np.uint8).tobytes()
            else:
                bits = ((values[:, None] >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8)
                raw += b"\0" + np.packbits(bits.reshape(-1)).tobytes()
        return raw

    if interlaced:
        parts = [samples[y0::dy, x0::dx] for x0, y0, dx, dy in ADAM7]
        raw = b"".join(rows_of(part) for part in parts if part.size)
    else:
        raw = rows_of(samples)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, int(interlaced))
    result = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    for kind, data in chunks:
        result += chunk(kind, data)
    return result + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")


def save(image, path, **options):
    image.save(path, **options)


def write_png_by_hand(random, path, width, height, depth, channels, **options):
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    pixels = draw(random, width, height, channels).astype(np.uint32)
    if depth == 16:
        pixels = pixels * 257 // int(random.choice([1, 3, 255])) + random.integers(0, 3)
        pixels = np.minimum(pixels, 65535)
    else:
        pixels >>= 8 - depth
    path.write_bytes(png_bytes(pixels, depth, colour_type, **options))


def exif_rotated(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def rgb(random, w, h):
    return Image.fromarray(draw(random, w, h, 3))


def grey(random, w, h):
    return Image.fromarray(draw(random, w, h, 1)[..., 0])


def rgba(random, w, h):
    return Image.fromarray(draw(random, w, h, 4), "RGBA")


def palette(random, w, h, colours):
    return rgb(random, w, h).quantize(colours)


# Each kind: file suffix and how to write one of a given size.
KINDS = {
    "jpeg_420": (".jpg", lambda r, p, w, h: save(rgb(r, w, h), p, quality=85)),
    "jpeg_444": (".jpg", lambda r, p, w, h: save(rgb(r, w, h), p, quality=95, subsampling=0)),
    "jpeg_422": (".jpg", lambda r, p, w, h: save(rgb(r, w, h), p, quality=60, subsampling=1)),
    "jpeg_progressive": (".jpg", lambda r, p, w, h: save(rgb(r, w, h), p, quality=75, progressive=True)),
    "jpeg_grey": (".jpg", lambda r, p, w, h: save(grey(r, w, h), p, quality=80)),
    "jpeg_cmyk": (".jpg", lambda r, p, w, h: save(Image.fromarray(draw(r, w, h, 4), "CMYK"), p, quality=90)),
    "jpeg_rotated": (
        ".jpg",
        lambda r, p, w, h: save(rgb(r, w, h), p, quality=80, exif=exif_rotated(int(r.integers(2, 9)))),
    ),
    "png_rgb": (".png", lambda r, p, w, h: save(rgb(r, w, h), p)),
    "png_grey": (".png", lambda r, p, w, h: save(grey(r, w, h), p)),
    "png_bilevel": (".png", lambda r, p, w, h: save(grey(r, w, h).convert("1"), p)),
    "png_rgba": (".png", lambda r, p, w, h: save(rgba(r, w, h), p)),
    "png_grey_alpha": (".png", lambda r, p, w, h: save(Image.fromarray(draw(r, w, h, 2), "LA"), p)),
    "png_palette": (".png", lambda r, p, w, h: save(palette(r, w, h, int(r.choice([2, 4, 16, 200]))), p)),
    "png_palette_alpha": (
        ".png",
        lambda r, p, w, h: save(palette(r, w, h, 16), p, transparency=bytes([0, 60, 120, 200] * 4)),
    ),
    "png_grey_2_bits": (".png", lambda r, p, w, h: write_png_by_hand(r, p, w, h, 2, 1)),
    "png_grey_4_bits": (".png", lambda r, p, w, h: write_png_by_hand(r, p, w, h, 4, 1)),
    "png_grey_16_bits": (".png", lambda r, p, w, h: write_png_by_hand(r, p, w, h, 16, 1)),
    "png_grey_alpha_16_bits": (".png", lambda r, p, w, h: write_png_by_hand(r, p, w, h, 16, 2)),
    "png_rgb_16_bits": (".png", lambda r, p, w, h: write_png_by_hand(r, p, w, h, 16, 3)),
    "png_rgba_16_bits": (".png", lambda r, p, w, h: write_png_by_hand(r, p, w, h, 16, 4)),
    "png_interlaced": (".png", lambda r, p, w, h: write_png_by_hand(r, p, w, h, 8, 3, interlaced=True)),
    "png_interlaced_16_bits": (".png", lambda r, p, w, h: write_png_by_hand(r, p, w, h, 16, 1, interlaced=True)),
    "png_gamma": (
        ".png",
        lambda r, p, w, h: write_png_by_hand(r, p, w, h, 8, 3, chunks=[(b"gAMA", struct.pack(">I", 30000))]),
    ),
    "png_rgb_transparent_colour": (
        ".png",
        lambda r, p, w, h: write_png_by_hand(r, p, w, h, 8, 3, chunks=[(b"tRNS", bytes(6))]),
    ),
    "png_grey_transparent_level": (
        ".png",
        lambda r, p, w, h: write_png_by_hand(r, p, w, h, 8, 1, chunks=[(b"tRNS", bytes([0, 9]))]),
    ),
    "webp_lossy": (".webp", lambda r, p, w, h: save(rgb(r, w, h), p, quality=70)),
    "webp_lossless": (".webp", lambda r, p, w, h: save(rgb(r, w, h), p, lossless=True)),
    "webp_alpha": (".webp", lambda r, p, w, h: save(rgba(r, w, h), p, quality=70)),
    "bmp_rgb": (".bmp", lambda r, p, w, h: save(rgb(r, w, h), p)),
    "bmp_palette": (".bmp", lambda r, p, w, h: save(palette(r, w, h, 60), p)),
    "bmp_grey": (".bmp", lambda r, p, w, h: save(grey(r, w, h), p)),
    "bmp_bilevel": (".bmp", lambda r, p, w, h: save(grey(r, w, h).convert("1"), p)),
    "bmp_rgba": (".bmp", lambda r, p, w, h: save(rgba(r, w, h), p)),
    "tiff_rgb": (".tif", lambda r, p, w, h: save(rgb(r, w, h), p)),
    "tiff_rgb_lzw": (".tif", lambda r, p, w, h: save(rgb(r, w, h), p, compression="tiff_lzw")),
    "tiff_grey_deflate": (".tif", lambda r, p, w, h: save(grey(r, w, h), p, compression="tiff_adobe_deflate")),
}

# Tall, wide, tiny, even and odd.
SHAPES = [(1, 1), (3, 500), (700, 5), (17, 17), (224, 224), (48, 48), (225, 301), (640, 480), (333, 1000)]


def write_pictures(folder, sizes, seed):
    """One picture per (kind, width, height); returns the file names."""
    random = np.random.default_rng(seed)
    names = []
    for number, (kind, width, height) in enumerate(sizes):
        suffix, write = KINDS[kind]
        name = f"{number:03d}_{kind}_{width}x{height}{suffix}"
        write(random, folder / name, width, height)
        names.append(name)
    return names


def fixtures(folder):
    sizes = []
    for number, kind in enumerate(KINDS):
        sizes.append((kind, 61 + 7 * (number % 5), 83 - 9 * (number % 4)))
    for width, height in [(1, 1), (3, 200), (211, 2), (224, 224), (299, 151)]:
        sizes.append(("jpeg_420", width, height))
    return write_pictures(folder, sizes, seed=20)


def random_pictures(folder, count, seed):
    random = np.random.default_rng(seed)
    kinds = list(KINDS)
    sizes = []
    for number in range(count):
        kind = kinds[number % len(kinds)]
        if random.random() < 0.35:
            width, height = SHAPES[int(random.integers(len(SHAPES)))]
        else:
            width, height = (int(side) for side in np.exp(random.uniform(0, np.log(900), 2)))
        sizes.append((kind, max(1, width), max(1, height)))
    return write_pictures(folder, sizes, seed)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mode", choices=["fixtures", "random", "existing"])
    parser.add_argument("output", type=pathlib.Path, help="folder of golden.json and of the pictures drawn")
    parser.add_argument("files", type=pathlib.Path, nargs="*", help="for existing: files of one folder")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    folder = arguments.output
    if arguments.mode == "fixtures":
        names = fixtures(folder)
    elif arguments.mode == "random":
        names = random_pictures(folder, arguments.count, arguments.seed)
    else:
        folder = arguments.files[0].parent
        names = [path.name for path in arguments.files]
    write_golden(arguments.output, folder, names)


if __name__ == "__main__":
    main()
