"""Makes the compressed frames of this folder, and has other decoders say that they are right.

    pip install numpy imagecodecs==2026.3.6 pyjpegls==1.5.1 pillow==13.0.0
    pip install pylibjpeg-libjpeg==2.5.0
    python make.py

The pixels are those of `pixel`, which the tests know too. Lossless JPEG is written here, because few
programs write all of its forms; libjpeg-turbo and libjpeg (Thomas Richter's) must read it.
"""
import io
import struct

import imagecodecs
import jpeg_ls
import numpy
import PIL.Image
from libjpeg import decode as libjpeg

COLUMNS, ROWS = 19, 13


def pixel(x, y, sample, bits):
    """Steps, noise, and places that are all the same."""
    if (x // 4 + y // 3) % 3 == 0:
        return 7 << (bits - 4)
    low = bits - 8
    high = (x * x * 11 + y * y * 7 + x * y * 3 + sample * 301) & 255
    return high << low | (x * y * 37) & ((1 << low) - 1)


def image(samples, bits, signed=False):
    values = [[[pixel(x, y, s, bits) for s in range(samples)] for x in range(COLUMNS)] for y in range(ROWS)]
    array = numpy.array(values)
    array = array - (1 << bits - 1) if signed else array
    kind = f"{'i' if signed else 'u'}{1 if bits == 8 else 2}"
    return array.astype(kind).squeeze()


def segment(marker, payload):
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def lossless(array, bits, predictor, point=0, restart=0, interleaved=True):
    """ISO/IEC 10918-1, annex H; every length 0 to 16 has a code of five bits, but one of six."""
    planes = array.reshape(ROWS, COLUMNS, -1).astype(int) >> point
    count = planes.shape[2]
    sizes = [0] * 4 + [17] + [0] * 11
    out = b"\xff\xd8" + segment(0xC4, bytes([0, *sizes, *range(17)]))
    parts = b"".join(bytes([n + 1, 0x11, 0]) for n in range(count))
    out += segment(0xC3, struct.pack(">BHHB", bits, ROWS, COLUMNS, count) + parts)
    if restart:
        out += segment(0xDD, struct.pack(">H", restart * COLUMNS))
    groups = [range(count)] if interleaved else [[n] for n in range(count)]
    for group in groups:
        names = b"".join(bytes([n + 1, 0]) for n in group)
        out += segment(0xDA, bytes([len(group)]) + names + bytes([predictor, 0, point]))
        coded, number = "", 0

        def flush():
            nonlocal coded, out
            coded += "1" * (-len(coded) % 8)
            data = bytes(int(coded[n : n + 8], 2) for n in range(0, len(coded), 8))
            out += data.replace(b"\xff", b"\xff\x00")
            coded = ""

        for y in range(ROWS):
            first = y == 0
            if restart and y and y % restart == 0:
                flush()
                out += bytes([0xFF, 0xD0 + number % 8])
                number, first = number + 1, True
            for x in range(COLUMNS):
                for n in group:
                    p = planes[:, :, n]
                    if first:
                        guess = p[y, x - 1] if x else 1 << bits - point - 1
                    elif x == 0:
                        guess = p[y - 1, x]
                    else:
                        a, b, c = p[y, x - 1], p[y - 1, x], p[y - 1, x - 1]
                        guess = [0, a, b, c, a + b - c, a + (b - c >> 1), b + (a - c >> 1), a + b >> 1][predictor]
                    error = (int(p[y, x]) - int(guess) + 32767) % 65536 - 32767
                    size = abs(error).bit_length()
                    coded += format(size, "05b")
                    if 0 < size < 16:
                        coded += format(error if error > 0 else error + (1 << size) - 1, f"0{size}b")
        flush()
    return out + b"\xff\xd9"


def write(name, stream, array, off=0, decoders=()):
    for decode in decoders:
        found = numpy.asarray(decode(stream)).reshape(array.shape)
        worst = abs(found.astype(int) - array.astype(int)).max()
        print(f"{name}: {len(stream)} bytes, {decode.__name__} is {worst} off")
        assert worst <= off, name
    with open(name, "wb") as file:
        file.write(stream)


def turbo(stream):
    return imagecodecs.jpeg8_decode(stream)


def richter(stream):
    return libjpeg(stream)


def charls(stream):
    return imagecodecs.jpegls_decode(stream)


def openjpeg(stream):
    return imagecodecs.jpeg2k_decode(stream)


def main():
    for predictor in range(1, 8):
        array = image(1, 8)
        write(f"lossless-{predictor}.jpg", lossless(array, 8, predictor), array, 0, [turbo, richter])
    array = image(1, 16)
    write("lossless-16.jpg", lossless(array, 16, 1), array, 0, [turbo, richter])
    array = image(1, 12)
    write("lossless-restart.jpg", lossless(array, 12, 4, restart=2), array, 0, [turbo, richter])
    write("lossless-point.jpg", lossless(array, 12, 5, point=2), array, 3, [turbo])
    array = image(3, 8)
    write("lossless-rgb.jpg", lossless(array, 8, 6), array, 0, [richter])
    write("lossless-planes.jpg", lossless(array, 8, 7, interleaved=False), array, 0, [richter])

    for bits, near in [(8, 0), (12, 0), (16, 0), (8, 3)]:
        array = image(1, bits)
        stream = bytes(jpeg_ls.encode_array(array, lossy_error=near))
        write(f"ls-{bits}-{near}.jls", stream, array, near, [charls, richter])
    array = image(3, 8)
    planes = numpy.ascontiguousarray(array.transpose(2, 0, 1))
    for order, laid in enumerate([planes, array, array]):
        for near in (0, 2):
            stream = bytes(jpeg_ls.encode_array(laid, near, order))
            write(f"ls-rgb-{order}-{near}.jls", stream, array, near, [richter])

    def wavelet(name, array, off=0, **options):
        stream = imagecodecs.jpeg2k_encode(array, codecformat="j2k", numthreads=1, **options)
        write(name, bytes(stream), array, off, [openjpeg])

    wavelet("wavelet-8.j2k", image(1, 8), reversible=True)
    wavelet("wavelet-12.j2k", image(1, 12), reversible=True, bitspersample=12)
    wavelet("wavelet-16-signed.j2k", image(1, 16, signed=True), reversible=True)
    wavelet("wavelet-rgb.j2k", image(3, 8), reversible=True, mct=True)
    wavelet("wavelet-lossy.j2k", image(1, 8), reversible=False, level=50, off=2)
    for progression in ("LRCP", "RPCL"):
        array, out = image(1, 8), io.BytesIO()
        PIL.Image.fromarray(array).save(
            out,
            "JPEG2000",
            no_jp2=True,
            tile_size=(8, 8),
            num_resolutions=2,
            progression=progression,
            precinct_size=(4, 4),
            codeblock_size=(4, 4),
            quality_mode="dB",
            quality_layers=[20, 40, 0],
            comment="Jane Roe",
            plt=True,
        )
        name = f"wavelet-tiles-{progression.lower()}.j2k"
        write(name, out.getvalue(), array, 0, [openjpeg])
    array = image(1, 12)
    stream = imagecodecs.jpeg8_encode(array, level=100, bitspersample=12)
    write("extended-12.jpg", bytes(stream), array, 2, [turbo, richter])


if __name__ == "__main__":
    main()
