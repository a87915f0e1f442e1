"""What imagecodecs decodes of DICOM, as a plugin of pydicom's decoders.

JPEG of 12 bits and lossless JPEG by libjpeg-turbo, and RLE; GDCM would decode the second, and ends
the process at some damaged frames.
"""

import imagecodecs
from pydicom.pixels.decoders.base import DecodeRunner
from pydicom.uid import UID, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1, RLELossless

DECODER_DEPENDENCIES = dict.fromkeys(
    (JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1, RLELossless), ("imagecodecs",)
)


def is_available(syntax: UID) -> bool:
    """Whether frames of this transfer syntax are decoded; pydicom asks."""
    return syntax in DECODER_DEPENDENCIES


def decode_frame(source: bytes, runner: DecodeRunner) -> bytes:
    """Decode a frame whose header was held against the file's."""
    if runner.transfer_syntax == RLELossless:
        return _decode_rle(source, runner)
    # The same colors in and out: the file says what they are, and pydicom converts them.
    colors = "rgb" if runner.samples_per_pixel == 3 else "grayscale"
    pixels = imagecodecs.jpeg8_decode(source, colorspace=colors, outcolorspace=colors)
    runner.set_option("bits_allocated", 8 * pixels.itemsize)
    runner.set_option("planar_configuration", 0)
    return pixels.tobytes()


def _decode_rle(source: bytes, runner: DecodeRunner) -> bytes:
    """Decode PackBits into no more than the frame's size: PS3.5, annex G."""
    size = int(runner.frame_length())
    decoded = imagecodecs.dicomrle_decode(source, f"<u{runner.bits_allocated // 8}", out=size)
    if len(decoded) != size:
        raise ValueError(f"it has {len(decoded)} bytes, and the file states {size}")
    runner.set_option("planar_configuration", 1)
    return bytes(decoded)
