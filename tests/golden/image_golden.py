#!/usr/bin/python3
"""Golden values of image decoding and preprocessing, made with Pillow.

Draws pictures of every kind that the inference service decodes, writes them to a
folder, and beside them golden.json: for each file the SHA-256 of the RGB bytes of
Image.open(file).convert("RGB"), of the same turned upright, and of what
CLIPImageProcessor (the one built on Pillow) makes of it before rescaling. The C++ test reads the same files and must
get the same bytes.

  image_golden.py fixtures DIR             the small set that is committed
  image_golden.py random DIR --count 200   pictures of random sizes and kinds
  image_golden.py existing DIR FILE...     golden.json of files as they are

Needs python3-pil and python3-numpy. The same seed gives the same files with the
same Pillow; the committed set was made with Debian 12's Pillow 9.4.
"""

import argparse
import hashlib
import io
import json
import pathlib
import struct

import numpy as np
from PIL import Image, ImageOps

from picture_files import bmp_bytes, draw, gif_bytes, png_bytes, tiff_bytes

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


def upright_of(image):
    # A TIFF is turned when it is loaded, and would be turned a second time.
    if image.format == "TIFF":
        return image.convert("RGB")
    return ImageOps.exif_transpose(image).convert("RGB")


def golden_case(folder, name):
    image = Image.open(folder / name)
    upright = upright_of(image)
    image = image.convert("RGB")
    return {
        "file": name,
        "width": image.width,
        "height": image.height,
        "decoded": digest(np.asarray(image)),
        "upright": digest(np.asarray(upright)),
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

# Kinds that came later, so that the files of those above stay as they are.
LATER_KINDS = {
    "gif_palette": (".gif", lambda r, p, w, h: save(palette(r, w, h, int(r.choice([2, 16, 256]))), p)),
    "gif_grey": (".gif", lambda r, p, w, h: save(grey(r, w, h), p)),
    "gif_interlaced": (".gif", lambda r, p, w, h: p.write_bytes(gif_bytes(r, w, h, interlaced=True))),
    "gif_transparent": (".gif", lambda r, p, w, h: p.write_bytes(gif_bytes(r, w, h, transparent=3))),
    "gif_inset": (".gif", lambda r, p, w, h: p.write_bytes(gif_bytes(r, w, h, inset=True))),
    "gif_inset_transparent": (
        ".gif",
        lambda r, p, w, h: p.write_bytes(gif_bytes(r, w, h, inset=True, transparent=5, disposal=2)),
    ),
    "gif_beyond_the_screen": (".gif", lambda r, p, w, h: p.write_bytes(gif_bytes(r, w, h, beyond=True))),
    "gif_local_palette": (
        ".gif",
        lambda r, p, w, h: p.write_bytes(gif_bytes(r, w, h, local=True, disposal=3, inset=True)),
    ),
    "gif_without_palette": (".gif", lambda r, p, w, h: p.write_bytes(gif_bytes(r, w, h, palette_bits=0))),
    "gif_short_palette": (".gif", lambda r, p, w, h: p.write_bytes(gif_bytes(r, w, h, palette_bits=2))),
    "gif_animated": (
        ".gif",
        lambda r, p, w, h: save(
            palette(r, w, h, 32),
            p,
            save_all=True,
            append_images=[palette(r, w, h, 16), palette(r, w, h, 64)],
            disposal=2,
        ),
    ),
    "webp_animated": (
        ".webp",
        lambda r, p, w, h: save(rgb(r, w, h), p, save_all=True, append_images=[rgb(r, w, h)], quality=60),
    ),
    "webp_animated_lossless": (
        ".webp",
        lambda r, p, w, h: save(
            rgba(r, w, h),
            p,
            save_all=True,
            append_images=[rgba(r, w, h)],
            lossless=True,
            background=(200, 100, 50, 255),
        ),
    ),
    "webp_animated_inset": (".webp", lambda r, p, w, h: write_inset_webp(r, p, w, h)),
    "webp_rotated": (".webp", lambda r, p, w, h: save(rgb(r, w, h), p, exif=exif_rotated(int(r.integers(2, 9))))),
    "png_rotated": (".png", lambda r, p, w, h: save(rgb(r, w, h), p, exif=exif_rotated(int(r.integers(2, 9))))),
    "bmp_4_bits": (".bmp", lambda r, p, w, h: p.write_bytes(bmp_bytes(r, w, h, 4))),
    "bmp_1_bit_colours": (".bmp", lambda r, p, w, h: p.write_bytes(bmp_bytes(r, w, h, 1))),
    "bmp_16_bits": (".bmp", lambda r, p, w, h: p.write_bytes(bmp_bytes(r, w, h, 16))),
    "bmp_565": (".bmp", lambda r, p, w, h: p.write_bytes(bmp_bytes(r, w, h, 16, masks=(0xF800, 0x7E0, 0x1F)))),
    "bmp_masks_32": (
        ".bmp",
        lambda r, p, w, h: p.write_bytes(bmp_bytes(r, w, h, 32, masks=(0xFF0000, 0xFF00, 0xFF))),
    ),
    "bmp_top_down": (".bmp", lambda r, p, w, h: p.write_bytes(bmp_bytes(r, w, h, 24, top_down=True))),
    "bmp_os2": (".bmp", lambda r, p, w, h: p.write_bytes(bmp_bytes(r, w, h, 8, os2=True))),
    "bmp_rle": (".bmp", lambda r, p, w, h: p.write_bytes(bmp_bytes(r, w, h, 8, rle=True))),
    "tiff_bilevel": (".tif", lambda r, p, w, h: save(grey(r, w, h).convert("1"), p)),
    "tiff_bilevel_group4": (".tif", lambda r, p, w, h: save(grey(r, w, h).convert("1"), p, compression="group4")),
    "tiff_palette": (".tif", lambda r, p, w, h: save(palette(r, w, h, 200), p)),
    "tiff_grey_16_bits": (".tif", lambda r, p, w, h: save(grey16(r, w, h), p)),
    "tiff_grey_alpha": (".tif", lambda r, p, w, h: save(Image.fromarray(draw(r, w, h, 2), "LA"), p)),
    "tiff_rgba": (".tif", lambda r, p, w, h: save(rgba(r, w, h), p, compression="packbits")),
    "tiff_cmyk": (".tif", lambda r, p, w, h: save(Image.fromarray(draw(r, w, h, 4), "CMYK"), p)),
    "tiff_jpeg": (".tif", lambda r, p, w, h: save(rgb(r, w, h), p, compression="jpeg", quality=80)),
    "tiff_jpeg_ycbcr": (".tif", lambda r, p, w, h: save(rgb(r, w, h).convert("YCbCr"), p, compression="jpeg")),
    "tiff_rotated": (
        ".tif",
        lambda r, p, w, h: save(rgb(r, w, h), p, tiffinfo={274: int(r.integers(2, 9))}),
    ),
    "tiff_inverted": (".tif", lambda r, p, w, h: p.write_bytes(tiff_bytes(draw(r, w, h, 1), 8, 0))),
    "tiff_inverted_4_bits": (".tif", lambda r, p, w, h: p.write_bytes(tiff_bytes(draw(r, w, h, 1), 4, 0))),
    "tiff_grey_2_bits": (".tif", lambda r, p, w, h: p.write_bytes(tiff_bytes(draw(r, w, h, 1), 2, 1))),
    "tiff_rgb_16_bits": (".tif", lambda r, p, w, h: p.write_bytes(tiff_bytes(draw(r, w, h, 3), 16, 2))),
    "tiff_rgb_16_bits_big_endian": (
        ".tif",
        lambda r, p, w, h: p.write_bytes(tiff_bytes(draw(r, w, h, 3), 16, 2, order=">")),
    ),
    "tiff_premultiplied": (
        ".tif",
        lambda r, p, w, h: p.write_bytes(tiff_bytes(draw(r, w, h, 4), 8, 2, extra=1)),
    ),
    "tiff_planar": (".tif", lambda r, p, w, h: p.write_bytes(tiff_bytes(draw(r, w, h, 3), 8, 2, planar=True))),
    "tiff_tiled": (".tif", lambda r, p, w, h: p.write_bytes(tiff_bytes(draw(r, w, h, 3), 8, 2, tile=48))),
}


def grey16(random, w, h):
    return Image.fromarray(draw(random, w, h, 1)[..., 0].astype(np.uint16) * 3)


def write_inset_webp(random, path, width, height):
    """An animation whose first frame covers a part of the canvas only."""
    frame_width, frame_height = max(1, width // 2), max(1, height // 2)
    buffer = io.BytesIO()
    rgb(random, frame_width, frame_height).save(buffer, "WEBP", quality=80)
    pixels = buffer.getvalue()[12:]
    left, top = (width - frame_width) // 2, (height - frame_height) // 2

    def three(value):
        return struct.pack("<I", value)[:3]

    def chunk(kind, data):
        return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    frame = three(left // 2) + three(top // 2) + three(frame_width - 1) + three(frame_height - 1) + three(40) + b"\0"
    body = b"WEBP" + chunk(b"VP8X", b"\x02\0\0\0" + three(width - 1) + three(height - 1))
    body += chunk(b"ANIM", bytes([10, 200, 90, 255, 0, 0]))
    body += chunk(b"ANMF", frame + pixels) * 2
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


ALL_KINDS = KINDS | LATER_KINDS

# Tall, wide, tiny, even and odd.
SHAPES = [(1, 1), (3, 500), (700, 5), (17, 17), (224, 224), (48, 48), (225, 301), (640, 480), (333, 1000)]


def write_pictures(folder, sizes, seed):
    """One picture per (kind, width, height); returns the file names."""
    random = np.random.default_rng(seed)
    names = []
    for number, (kind, width, height) in enumerate(sizes):
        suffix, write = ALL_KINDS[kind]
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
    for number, kind in enumerate(LATER_KINDS):
        sizes.append((kind, 29 + 5 * (number % 4), 31 - 4 * (number % 3)))
    return write_pictures(folder, sizes, seed=20)


def random_pictures(folder, count, seed):
    random = np.random.default_rng(seed)
    kinds = list(ALL_KINDS)
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
