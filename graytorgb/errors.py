"""The errors: each is a ``GrayToRGBError`` and also the builtin that a user would catch."""


class GrayToRGBError(Exception):
    """Base of every error this package raises on purpose.

    ``args`` holds the message's lines. The first says what is wrong and which call works;
    a verb appends one that says what it was given.

    Attributes
    ----------
    remedies : tuple of str
        The arguments that settle it, where the message tells to give or to change some, such as
        ``("stats",)``. The command line names its options for them.
    """

    remedies: tuple[str, ...] = ()

    ag_pass_through = True  # else TensorFlow's AutoGraph raises an error of another class

    def __str__(self) -> str:
        return "\n".join(str(line) for line in self.args)


class LayoutError(GrayToRGBError, ValueError):
    """The axes can't be read, or a result or ``out`` doesn't have the axes asked for."""


class DtypeError(GrayToRGBError, TypeError):
    """The object's kind or its dtype can't be taken."""


class ChannelError(GrayToRGBError, ValueError):
    """The number of channels, or what to do with an alpha channel, isn't clear."""


class LevelsError(GrayToRGBError, ValueError):
    """The value range is empty, unknown or unusable, or a value is NaN."""


class OptionError(GrayToRGBError, ValueError):
    """An argument that is about none of these isn't one of its values: threads, buffers, a name."""


class BackendUnavailable(GrayToRGBError, ImportError):
    """A library is missing, or installed and broken; the cause is chained.

    Attributes
    ----------
    missing : bool
        Whether it isn't installed at all.
    """

    missing = False


class UnknownBackend(GrayToRGBError, ValueError):
    """No backend has this name."""


class ImageFileError(GrayToRGBError, ValueError, OSError):
    """A file can't be read as an image: damaged, lying, too large, or of another format."""


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
