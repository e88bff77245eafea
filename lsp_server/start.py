"""The first moments of a process: nothing is imported from the directory that it was started in, which is often a
workspace of strangers, and the server leaves it at once."""

from __future__ import annotations

import os
import sys

_HOME_UNKNOWN = """lacuna: no home directory is known: there is neither HOME nor an entry of this user.
Set HOME, or LACUNA_CACHE (models) and LACUNA_STATE (counts) to directories of yours."""
_DIRECTORIES = ("LACUNA_CACHE", "LACUNA_STATE")  # environment variables


def forget_workspace() -> None:
    """Take off the path of imports what is relative there: an empty or relative entry of PYTHONPATH.

    What `python -m` has put first stays, as does a directory that PYTHONPATH also has by its full name.
    """
    entries = [] if sys.flags.ignore_environment else os.environ.get("PYTHONPATH", "").split(os.pathsep)
    named = {entry for entry in entries if os.path.isabs(entry)}
    relative = {entry for entry in entries if entry not in named}
    relative |= {absolute(os.path.join(os.curdir, entry)) for entry in relative} - named
    first = 0 if sys.flags.safe_path else 1
    sys.path[first:] = [entry for entry in sys.path[first:] if entry not in relative]


def leave_workspace() -> None:
    """Change to a directory that is nobody's workspace: what is relative from now on is not looked up in one.

    That also saves who was started in a directory that has been deleted since: some libraries of torch's end a
    process there.
    """
    for name in _DIRECTORIES:
        if os.environ.get(name):
            os.environ[name] = absolute(os.path.join(os.curdir, os.path.expanduser(os.environ[name])))
    for directory in (os.path.expanduser("~"), os.sep):
        try:
            os.chdir(directory)
        except OSError:  # a home that is not there, or not ours
            continue
        return


def absolute(argument: str) -> str:
    """A path that was given on the command line, by its full name; a name that is no path stays."""
    argument = os.path.expanduser(argument)
    is_path = argument.startswith(os.curdir) or os.path.isabs(argument) or os.path.basename(argument) != argument
    try:
        return os.path.abspath(argument) if is_path else argument
    except OSError:  # the working directory is no longer there
        return argument


def absolute_model(argument: str) -> str:
    """As `absolute`, of what may be an owner/name."""
    return absolute(argument) if argument.startswith((os.curdir, "~")) else argument


def find_home() -> None:
    """Where the system knows no home directory, that of LACUNA_CACHE is one for all libraries that ask for it.

    Ends the process, with what to set, where that does not say enough.
    """
    if os.path.isabs(os.path.expanduser("~")):
        return
    if not all(os.environ.get(name) for name in _DIRECTORIES):
        print(_HOME_UNKNOWN, file=sys.stderr)
        sys.exit(1)
    os.environ["HOME"] = absolute(os.path.join(os.curdir, os.environ["LACUNA_CACHE"]))


forget_workspace()
