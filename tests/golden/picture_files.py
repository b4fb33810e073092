"""Picture files written by hand, for the kinds that Pillow reads and does not write."""

import struct
import zlib

import numpy as np


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


def lzw_of_literals(pixels, bits):
    """GIF's LZW without compression: a clear code before the code length grows."""
    clear, length, written, value, count = 1 << bits, bits + 1, 0, 0, 0
    data = bytearray()

    def put(code):
        nonlocal value, count
        value |= code << count
        count += length
        while count >= 8:
            data.append(value & 255)
            value >>= 8
            count -= 8

    for pixel in pixels:
        if written % ((1 << bits) - 2) == 0:
            put(clear)
        put(int(pixel))
        written += 1
    put(clear + 1)
    if count:
        data.append(value & 255)
    blocks = b"".join(bytes([len(data[i : i + 255])]) + data[i : i + 255] for i in range(0, len(data), 255))
    return bytes([bits]) + blocks + b"\0"


def gif_bytes(
    random,
    width,
    height,
    interlaced=False,
    transparent=None,
    disposal=0,
    inset=False,
    beyond=False,
    local=False,
    palette_bits=8,
):
    """A GIF written by hand, Two frames."""
    left, top = (width // 4, height // 3) if inset or beyond else (0, 0)
    frame_width, frame_height = (width, height) if beyond else (width - left, height - top)
    colours = random.integers(0, 256, (3 << palette_bits) if palette_bits else 0, np.uint8).tobytes()
    flags = (0x80 | palette_bits - 1) if palette_bits else 0
    data = b"GIF89a" + struct.pack("<HHBBB", width, height, flags, 7, 0) + colours
    for _ in range(2):
        control = disposal << 2 | (transparent is not None)
        data += b"!\xf9\x04" + struct.pack("<BHBB", control, 10, transparent or 0, 0)
        frame_flags = (0x40 if interlaced else 0) | (0x87 if local else 0)
        data += b"," + struct.pack("<HHHHB", left, top, frame_width, frame_height, frame_flags)
        if local:
            data += random.integers(0, 256, 3 << 8, np.uint8).tobytes()
        pixels = draw(random, frame_width, frame_height, 1)[..., 0]
        if interlaced:
            order = [y for start, step in ((0, 8), (4, 8), (2, 4), (1, 2)) for y in range(start, frame_height, step)]
            pixels = pixels[order]
        data += lzw_of_literals(pixels.reshape(-1), 8)
    return data + b";"


def bmp_bytes(random, width, height, bits, masks=None, top_down=False, os2=False, rle=False):
    """A BMP written by hand, for the kinds that Pillow reads and does not write."""
    if bits <= 8:
        values = draw(random, width, height, 1)[..., 0] >> (8 - bits)
        colours = random.integers(0, 256, (1 << bits, 3 if os2 else 4), np.uint8).tobytes()
    else:
        values = random.integers(0, 1 << 31, (height, width)) if bits != 24 else draw(random, width, height, 3)
        colours = b""
    rows = b""
    for row in values if top_down else values[::-1]:
        if rle:
            line = b""
            for value, run in runs_of(row):
                line += bytes([run, value])
            rows += line + b"\0\0"
            continue
        if bits <= 8:
            unpacked = (row[:, None] >> np.arange(bits - 1, -1, -1)) & 1
            line = np.packbits(unpacked.astype(np.uint8).reshape(-1)).tobytes()
        elif bits == 24:
            line = row[:, ::-1].tobytes()
        else:
            line = (row & ((1 << bits) - 1)).astype(f"<u{bits // 8}").tobytes()
        rows += line + b"\0" * (-len(line) % 4)
    rows += b"\0\1" if rle else b""
    mask_bytes = struct.pack("<III", *masks) if masks else b""
    if os2:
        header = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        compression = 3 if masks else int(rle)
        signed_height = -height if top_down else height
        header = struct.pack("<IiiHHIIiiII", 40, width, signed_height, 1, bits, compression, len(rows), 0, 0, 0, 0)
    offset = 14 + len(header) + len(mask_bytes) + len(colours)
    head = b"BM" + struct.pack("<IHHI", offset + len(rows), 0, 0, offset)
    return head + header + mask_bytes + colours + rows


def runs_of(row):
    """(value, length) of the runs in a row, each at most 255 long."""
    runs = []
    for value in row:
        if runs and runs[-1][0] == value and runs[-1][1] < 255:
            runs[-1][1] += 1
        else:
            runs.append([int(value), 1])
    return runs


def tiff_bytes(samples, bits, photometric, order="<", extra=None, planar=False, tile=None):
    """A TIFF written by hand: one strip (or plane, or grid of tiles), uncompressed."""
    height, width, channels = samples.shape

    def pack(part):
        if bits == 16:
            return (part.astype(np.uint32) * 257 % 65521).astype(order + "u2").tobytes()
        if bits == 8:
            return part.tobytes()
        data = b""
        for row in part:
            values = row.reshape(-1) >> (8 - bits)
            data += np.packbits(((values[:, None] >> np.arange(bits - 1, -1, -1)) & 1).astype(np.uint8)).tobytes()
        return data

    if tile:
        padded = np.zeros((-(-height // tile) * tile, -(-width // tile) * tile, channels), np.uint8)
        padded[:height, :width] = samples
        corners = [(y, x) for y in range(0, height, tile) for x in range(0, width, tile)]
        parts = [pack(padded[y : y + tile, x : x + tile]) for y, x in corners]
    elif planar:
        parts = [pack(samples[..., channel]) for channel in range(channels)]
    else:
        parts = [pack(samples)]
    offsets, at = [], 8
    for part in parts:
        offsets.append(at)
        at += len(part)
    lengths = [len(part) for part in parts]
    tags = {256: [width], 257: [height], 258: [bits] * channels, 259: [1], 262: [photometric], 277: [channels]}
    tags |= {322: [tile], 323: [tile], 324: offsets, 325: lengths} if tile else {273: offsets, 278: [height], 279: lengths}
    tags |= {284: [2]} if planar else {}
    tags |= {338: [extra]} if extra is not None else {}
    at += at % 2
    entries, values = b"", b""
    beyond = at + 2 + 12 * len(tags) + 4
    for tag in sorted(tags):
        data = struct.pack(f"{order}{len(tags[tag])}I", *tags[tag])
        if len(data) > 4:
            field = struct.pack(order + "I", beyond + len(values))
            values += data
        else:
            field = data
        entries += struct.pack(order + "HHI", tag, 4, len(tags[tag])) + field
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", at)
    body = head + b"".join(parts)
    return body + b"\0" * (at - len(body)) + struct.pack(order + "H", len(tags)) + entries + bytes(4) + values
