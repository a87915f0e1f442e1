"""The errors: each is a ``GrayToRGBError`` and also the builtin that a user would catch."""


class GrayToRGBError(Exception):
    """The base of every error that this package raises on purpose.

    ``args`` holds the lines of the message. The first line says what is wrong and which call
    works. A verb appends a line that says what it was given.

    Attributes
    ----------
    remedies : tuple of str
        The arguments that would help, where the message asks for some, such as ``("stats",)``. The
        command line names its options for them.
    problem : str
        What is wrong, without the call that works, where `remedies` name it. The command line shows
        it in place of the message, because its user types options.
    """

    remedies: tuple[str, ...] = ()
    problem = ""

    ag_pass_through = True  # else TensorFlow's AutoGraph raises an error of another class

    def __str__(self) -> str:
        return "\n".join(str(line) for line in self.args)


class LayoutError(GrayToRGBError, ValueError):
    """The axes of an array aren't known, or the result or ``out`` can't have the axes asked for."""


class DtypeError(GrayToRGBError, TypeError):
    """An object of this kind, or an array of this dtype, isn't accepted."""


class ChannelError(GrayToRGBError, ValueError):
    """An image has neither 1 nor 3 channels, or it has alpha and `alpha` doesn't say what to do."""


class LevelsError(GrayToRGBError, ValueError):
    """The value range isn't known or can't be used, or a value is NaN or outside of it."""


class OptionError(GrayToRGBError, ValueError):
    """An argument has a value that isn't allowed: threads, buffers or a name of statistics."""


class BackendUnavailable(GrayToRGBError, ImportError):
    """A library is missing, or it is installed and can't be imported.

    The error of the import is the cause, ``__cause__``.

    Attributes
    ----------
    missing : bool
        Whether the library isn't installed at all.
    """

    missing = False


class UnknownBackend(GrayToRGBError, ValueError):
    """No backend has this name."""


class ImageFileError(GrayToRGBError, ValueError, OSError):
    """A file can't be read as an image.

    It is damaged, too large or of another format, or its header doesn't fit its pixels.
    """


class NoImages(ImageFileError, FileNotFoundError):
    """A data set has no images, or none in a folder that is their class.

    It is a FileNotFoundError too, which torchvision's ``ImageFolder`` raises.
    """


class TargetError(GrayToRGBError, ValueError, OSError):
    """A conversion of a whole dataset can't write its target.

    It would write over a file that isn't its own, the target can't hold the images, or the disk is
    full or can't be written to.
    """


class WorkerLost(GrayToRGBError, RuntimeError):
    """A worker process died each time it worked on one item: a crash in a decoder, or no memory."""


class ModelError(GrayToRGBError, ValueError):
    """A model can't be adapted as asked.

    Parameters
    ----------
    message : str
    remedies : tuple of str
        See :class:`GrayToRGBError`.
    """

    def __init__(self, message: str, *, remedies: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.remedies = remedies
