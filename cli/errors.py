"""Errors of commands: their text, their JSON and their exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

USAGE_EXIT, ERROR_EXIT = 2, 1
CLIENT_ERROR = "tcan_client.errors.ClientError"
UNREACHABLE = "tcan_client.errors.UnreachableError"
# Names of errors, whose modules are not imported just to recognize them.
OWN_ERRORS = {
    "service.errors.ServiceError",
    CLIENT_ERROR,
    "media.errors.TcanError",
}
USAGE_ERRORS = {
    "media.errors.InputError",
    "tcan_core.errors.ConfigError",
    "service.errors.RejectedError",
    "service.errors.SettingsError",
    "builtins.FileNotFoundError",
    "builtins.IsADirectoryError",
    "builtins.PermissionError",
}


def print_error(error: Exception, words: Sequence[str] = ()) -> None:
    """Print an error to standard error, as one line.

    Args:
        words: the command line.
    """
    print(f"error: {message(error, words)}", file=sys.stderr)


def error_object(error: Exception, words: Sequence[str] = ()) -> dict[str, str]:
    """Return `code` and `detail` of an error, which `--json` prints as `error`.

    Args:
        words: the command line.
    """
    return {"code": _code(error), "detail": message(error, words)}


def _code(error: Exception) -> str:
    """Return the error's own code, or one for its kind."""
    code = getattr(error, "code", None)
    if isinstance(code, str) and code != "internal":
        return str(code)
    if UNREACHABLE in _class_names(error):
        return "unavailable"
    return "invalid_input" if exit_code(error) == USAGE_EXIT else "internal"


def message(error: Exception, words: Sequence[str]) -> str:
    """Return the message of an error with the options that help."""
    return with_option(sentence(error), words) + remedy(error)


def sentence(error: Exception) -> str:
    """Return the message of an error; an unexpected one with its class."""
    if _is_problem(error):
        return _with_options(error)
    if isinstance(error, typer.TyperException):
        return error.format_message()
    if _class_names(error) & OWN_ERRORS:
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name == "tcan_client":
        return "tcan-client is not installed; run 'pip install ./clients/python' in the checkout"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error} (set TCAN_TRACEBACK=1 for the traceback)"


def with_option(message: str, words: Sequence[str]) -> str:
    """Return a message that begins like `ptm_tau is 99` with the option given, --ptm-tau."""
    field, is_, _ = message.partition(" is ")
    option = f"--{field.replace('_', '-')}"
    was_given = any(word.partition("=")[0] == option for word in words)
    return message.replace(field, option, 1) if is_ and was_given else message


def remedy(error: Exception) -> str:
    """Return which options help against an error of a client; empty if none do."""
    names = _class_names(error)
    if UNREACHABLE in names:
        return "; start a service with 'tcan up', or name another with --url or TCAN_URL"
    if not _is_problem(error):
        return ""
    code = getattr(error, "code", "")
    if code == "unauthorized":
        return "; give a key with --api-key or TCAN_API_KEY, from 'tcan keys create NAME'"
    if code == "forbidden":
        return "; give another key with --api-key or TCAN_API_KEY"
    return "; check --url and TCAN_URL" if code in ("http", "not_found") else ""


def exit_code(error: Exception) -> int:
    """Return 2 for an error of the user's input, else 1."""
    if isinstance(error, typer.TyperException):  # of usage
        return USAGE_EXIT
    names = _class_names(error)
    is_refused = _is_problem(error) and getattr(error, "status", 500) < 500
    # Its class itself is raised for invalid arguments only.
    is_argument = f"{type(error).__module__}.{type(error).__name__}" == CLIENT_ERROR
    return USAGE_EXIT if is_refused or is_argument or names & USAGE_ERRORS else ERROR_EXIT


def _is_problem(error: Exception) -> bool:
    """Return whether the service refused a request."""
    return "tcan_client.errors.ProblemError" in _class_names(error)


def _with_options(error: Exception) -> str:
    """Return the message of a refused request, with options in place of the API's fields."""
    from cli.arguments import option_of

    text = str(error)
    for each in getattr(error, "errors", ()):
        text = text.replace(f"{each.field}: ", f"{option_of(each.field)}: ")
    return text


def _class_names(error: Exception) -> set[str]:
    """Return the names of an error's classes, to recognize it without importing their modules."""
    return {f"{one.__module__}.{one.__name__}" for one in type(error).__mro__}
