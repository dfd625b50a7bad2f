"""The image that `sam local` runs the functions in. It is made from files of this machine, and nothing is pulled.

The functions are compiled for this machine's C library, which may be newer than that of AWS's own image. SAM adds AWS's
emulator of the Lambda runtime, and for that runs three programs in the image.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import docker

_PROGRAMS = ("/bin/sh", "/bin/mv", "/bin/chmod")
# The AWS SDK reads them when it starts, also if nothing is encrypted. Debian and Fedora have them in different files.
_CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")


@contextmanager
def made(
    engine: docker.DockerClient, name: str, functions: Sequence[Path], variables: Mapping[str, str]
) -> Iterator[None]:
    """An image for these functions, in which these variables are set, for the duration of the block."""
    changes = [f"ENV {variable}={value}" for variable, value in variables.items()]
    engine.api.import_image_from_data(_archive(functions), repository=name, tag="latest", changes=changes)
    try:
        yield
    finally:
        # Also those that SAM has made from it.
        for image in engine.images.list(name=name):
            engine.images.remove(image.id, force=True)


def _archive(functions: Sequence[Path]) -> bytes:
    files = {*_PROGRAMS, *filter(lambda name: Path(name).exists(), _CERTIFICATES)}
    for program in [*_PROGRAMS, *map(str, functions)]:
        files |= _libraries(program)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", dereference=True) as archive:
        for name in sorted(files):
            archive.add(name)
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(folder)
    return content.getvalue()


def _libraries(program: str) -> set[str]:
    """The shared libraries that a program loads, and the loader."""
    output = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return {word for line in output.splitlines() for word in line.split() if word.startswith("/")}
