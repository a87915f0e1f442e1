"""A plugin for pydicom's decoders: the compressions of DICOM that imagecodecs decodes.

These are JPEG of 12 bits and lossless JPEG, by libjpeg-turbo, and RLE. GDCM would decode lossless
JPEG too, but ends the process at some damaged frames.
"""

import imagecodecs
from pydicom.pixels.decoders.base import DecodeRunner
from pydicom.uid import UID, RLELossless

from .dicom_syntaxes import COMPRESSIONS

DECODER_DEPENDENCIES = {  # by which pydicom knows the plugin's transfer syntaxes
    syntax: compression.decoders
    for syntax, compression in COMPRESSIONS.items()
    if compression.decoders == ("imagecodecs",)
}


def is_available(syntax: UID) -> bool:
    """Return whether frames of this transfer syntax are decoded here, as pydicom asks."""
    return syntax in DECODER_DEPENDENCIES


def decode_frame(source: bytes, runner: DecodeRunner) -> bytes:
    """Decode a frame whose header was compared with the file's."""
    if runner.transfer_syntax == RLELossless:
        return _decode_rle(source, runner)
    # The same colors in and out: the file says what they are, and pydicom converts them.
    colors = "rgb" if runner.samples_per_pixel == 3 else "grayscale"
    pixels = imagecodecs.jpeg8_decode(source, colorspace=colors, outcolorspace=colors)
    runner.set_option("bits_allocated", 8 * pixels.itemsize)
    runner.set_option("planar_configuration", 0)
    return pixels.tobytes()


def _decode_rle(source: bytes, runner: DecodeRunner) -> bytes:
    """Decode PackBits into no more bytes than a frame has: PS3.5, annex G."""
    size = int(runner.frame_length())
    decoded = imagecodecs.dicomrle_decode(source, f"<u{runner.bits_allocated // 8}", out=size)
    if len(decoded) != size:
        raise ValueError(f"it has {len(decoded)} bytes, and the file states {size}")
    runner.set_option("planar_configuration", 1)
    return bytes(decoded)
