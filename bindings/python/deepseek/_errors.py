"""Exceptions: one base class, and the built-in class that each failure is a case of."""


class DeepseekError(Exception):
    """A call into libdeepseek failed. `status` is its number, `name` the status's short name."""

    status = 1
    name = "internal"


class ArgumentError(DeepseekError, ValueError):
    pass


class ModelNotFoundError(DeepseekError, FileNotFoundError):
    def __str__(self) -> str:  # OSError has ideas of its own
        return str(self.args[0]) if self.args else ""


class InputOutputError(DeepseekError, OSError):
    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class FormatError(DeepseekError, ValueError):
    pass


class UnsupportedError(DeepseekError, NotImplementedError):
    pass


class DeviceError(DeepseekError, RuntimeError):
    """The device that was asked for is not there."""


class OutOfMemoryError(DeepseekError, MemoryError):
    pass


class ContextError(DeepseekError, ValueError):
    """The text is longer than the context."""


class CancelledError(DeepseekError):
    """The work was stopped by the caller."""


_BY_STATUS = {2: ArgumentError, 3: ModelNotFoundError, 4: InputOutputError, 5: FormatError, 6: UnsupportedError, 7: FormatError,
              8: OutOfMemoryError, 9: OutOfMemoryError, 10: ContextError, 130: CancelledError}


def error(status: int, name: str, text: str) -> DeepseekError:
    e = _BY_STATUS.get(status, DeepseekError)(text)
    e.status = status
    e.name = name
    return e
