"""The tree of errors. Everything Sightline raises on purpose is one of these.

SightlineError
├── RetryableError             the world is at fault; try again with back-off
│   ├── CameraError            a camera gives no frame
│   ├── FrameOverwrittenError  the slot of a frame reference was reused; the pixels are gone
│   ├── MachineLinkError       a PLC or machine does not answer
│   ├── TransportError         a message could not be handed over
│   │   └── CloudUnreachableError   IoT Core did not accept a message
│   └── EvidenceError          a picture could not be stored
└── FatalError                 what we were given is wrong; trying again changes nothing
    ├── ConfigurationError     a configuration value is refused
    ├── CommandError           a command cannot be carried out: says why, and what is allowed
    ├── MessageError           a message cannot be decoded, is too large, or of an unknown version
    ├── PictureError           a picture cannot be decoded
    ├── TextError              a file is no text, or no JSON, or has a key twice: says the line
    ├── ModelError             a model file is missing, broken or of the wrong shape
    ├── RecipeError            a recipe or deployment file is wrong
    ├── NucleusGoneError       the connection to the nucleus is closed; leave and be started again
    └── RestartNeededError     this process cannot go on; leave and be started again
"""


class SightlineError(Exception):
    """Root of all errors that Sightline raises on purpose."""


class RetryableError(SightlineError):
    """A fault of the world: try again with back-off, report it, go on."""


class FatalError(SightlineError):
    """Bad input or a lost foundation: trying again changes nothing."""


class CameraError(RetryableError):
    """A camera gives no frame."""


class FrameOverwrittenError(RetryableError):
    """The slot that a frame reference names holds another frame by now."""


class MachineLinkError(RetryableError):
    """A PLC or machine does not answer, or refuses a request."""


class TransportError(RetryableError):
    """A message could not be handed over to the nucleus."""


class CloudUnreachableError(TransportError):
    """IoT Core did not accept a message."""


class EvidenceError(RetryableError):
    """An evidence picture could not be written or stored."""


class ConfigurationError(FatalError):
    """A configuration value is refused: says where (JSON pointer), what was found, what is allowed."""

    def __init__(self, text: str, pointer: str = "") -> None:
        super().__init__(text)
        self.pointer = pointer


class CommandError(FatalError):
    """A command cannot be carried out: says why, and what is allowed."""


class MessageError(FatalError):
    """A message cannot be decoded, is too large, or has an unknown schema version."""


class PictureError(FatalError):
    """A picture file or buffer cannot be decoded."""


class TextError(FatalError):
    """A file is no text, or no JSON, or has a key twice; line and column from 1, 0 if unknown."""

    def __init__(self, problem: str, line: int = 0, column: int = 0) -> None:
        place = f"line {line}: " if line else ""
        super().__init__(place + problem)
        self.problem, self.line, self.column = problem, line, column


class ModelError(FatalError):
    """A model file is missing, broken, or does not have the agreed inputs and outputs."""


class RecipeError(FatalError):
    """A recipe or deployment file is wrong: says the file, the JSON pointer and what is allowed."""


class NucleusGoneError(FatalError):
    """The connection to the nucleus is closed; the process must leave and be started again."""


class RestartNeededError(FatalError):
    """This process cannot do its work any more; a new one can, so the nucleus is to start it."""
