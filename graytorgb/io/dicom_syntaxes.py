"""The table of DICOM's transfer syntaxes: how each encodes the pixels, and who decodes them."""

from typing import NamedTuple

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

PLAIN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian)
UNCOMPRESSED = (*PLAIN, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)


class Compression(NamedTuple):
    """How the frames of a transfer syntax are compressed.

    Attributes
    ----------
    codec : {"JPEG", "JPEG 2000", "RLE"}
        The kind of a frame's header.
    decoders : tuple of str
        The plugins that decode a frame, in the order in which they are tried.
    is_lossy : bool
        Whether compression may change values.
    starts : tuple of int
        JPEG's start-of-frame markers that such a frame may have: ISO 10918-1, table B.1, and
        ISO 14495-1, C.1.1.
    """

    codec: str
    decoders: tuple[str, ...]
    is_lossy: bool = False
    starts: tuple[int, ...] = ()


# pydicom would try GDCM first, which aborts at frames that differ from their file's header, and at
# some damaged ones; nothing is left that only GDCM decodes.
COMPRESSIONS: dict[UID, Compression] = {
    JPEGBaseline8Bit: Compression("JPEG", ("pillow",), True, (0xC0, 0xC1)),
    JPEGExtended12Bit: Compression("JPEG", ("imagecodecs",), True, (0xC0, 0xC1)),
    JPEGLossless: Compression("JPEG", ("imagecodecs",), False, (0xC3,)),
    JPEGLosslessSV1: Compression("JPEG", ("imagecodecs",), False, (0xC3,)),
    JPEGLSLossless: Compression("JPEG", ("pyjpegls",), False, (0xF7,)),
    JPEGLSNearLossless: Compression("JPEG", ("pyjpegls",), True, (0xF7,)),
    JPEG2000Lossless: Compression("JPEG 2000", ("pylibjpeg", "pillow")),
    JPEG2000: Compression("JPEG 2000", ("pylibjpeg", "pillow"), True),
    HTJ2KLossless: Compression("JPEG 2000", ("pylibjpeg",)),
    HTJ2KLosslessRPCL: Compression("JPEG 2000", ("pylibjpeg",)),
    HTJ2K: Compression("JPEG 2000", ("pylibjpeg",), True),
    RLELossless: Compression("RLE", ("imagecodecs",)),
}

# The package of each plugin
PACKAGES = {
    "imagecodecs": "imagecodecs", "pillow": "pillow", "pyjpegls": "pyjpegls",
    "pylibjpeg": "pylibjpeg-openjpeg",
}  # fmt: skip
