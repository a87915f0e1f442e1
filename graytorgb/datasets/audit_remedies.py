"""What each finding of an audit means for training, and what to do about it."""

REMEDIES = {
    "unreadable": "They are errors in training too, or black images where a loader hides the "
    "error. Restore or remove them.",
    "deep": "Loaders that make 8 bits of them clip the values or keep the upper bits alone. "
    "State the value range, as the advice above does.",
    "shallow": "Those that use the lower bits look dark if the stated depth is taken for their "
    "range. The value range of this page fits the bits in use.",
    "left-shifted": "Each value is a multiple of a power of two. Nothing is lost if the value "
    "range ends at the largest multiple, as it does here.",
    "gray stored as RGB": "Store one channel, a third of the memory, and repeat it when the "
    'model needs three: --to gray, or to_gray(image, weights="any").',
    "nearly gray stored as RGB": "JPEG's chroma makes the channels differ a little. "
    'to_gray(image, weights="luma") gives the one channel that was meant.',
    "gray palette": "Read the colors, not the indices: OpenCV, Pillow and g2r.io.read do; the raw "
    "numbers of the file are no gray levels.",
    "color": "If you expected gray, look at these first. to_gray takes their luma; to_rgb keeps "
    "their color.",
    "alpha": "An audit without --quick tells whether it is opaque, constant or varying, which need "
    "different answers.",
    "alpha opaque": 'It says nothing, so drop it: alpha="drop".',
    "alpha constant": "The transparency is the same everywhere, so it is hardly meant: "
    'alpha="drop" takes the colors as they are stored.',
    "alpha varying": "Choose the background that the network shall see, alpha=(255, 255, 255) or "
    "another; loaders that drop alpha show what was meant to be hidden.",
    "inverted": "g2r.io.read inverts them, so that larger is brighter in every file; loaders that "
    "don't give the network negatives.",
    "orientation": 'Read them with orientation="apply"; otherwise some loaders turn them and '
    "others don't.",
    "ICC profile": "This package doesn't apply it either. For gray it rarely matters; if it does, "
    "apply the profile before training.",
    "constant": "There is nothing to see: a failed exposure or an empty mask. Remove them unless "
    "they are meant.",
    "not finite": "One NaN makes a loss NaN. Replace them, np.nan_to_num(image.array), or remove "
    "the files.",
    "several images": "Most loaders take the first alone. Read each by its number, "
    "g2r.io.read(path, index=0), or all as a stack.",
    "axes unknown": "Say which axes they are: to_rgb(image, \"NHW\"), or --layout for the audit.",
    "copy": "A copy in both training and test data makes the result look better than it is. Keep "
    "one of each.",
    "mixed modes": "If the kind of pixels goes with the class, a network can learn the file "
    "format in place of the picture; compare the folders below.",
    "mixed depths": "One value range doesn't fit them all; each depth has its own below. If the "
    "depth goes with the class, a network can learn it in place of the picture.",
    "mixed sizes": "A batch needs one size: resize or crop them in the same way for every class.",
}  # fmt: skip
