"""A folder anywhere that fsspec reaches: on this machine, or in an object store."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from ledger import plain, shipment
from ledger.disk import Disk
from ledger.errors import Damaged, LedgerError, StorageFailed, Usage
from ledger.shipment import Shipment, Shipped

_BLOCK_BYTES = 1 << 20
_MANIFEST_BYTES_MAX = 64 << 20


def is_url(text: str) -> bool:
    """Whether a text names a place by URL, and no folder of this machine by its path."""
    return "://" in text


def fitting(pattern: str) -> list[str]:
    """The shipped ledgers whose URLs fit a pattern; Usage, StorageFailed."""
    place = Place(pattern)
    with place.told("cannot be listed"):
        found = place.fs.glob(f"{place.root}/{shipment.MANIFEST}")
        return [place.fs.unstrip_protocol(str(path).rpartition("/")[0]) for path in sorted(found)]


class Place:
    """A folder of this URL or path, `is_here` on this machine; Usage where there is nothing that could reach it.

    Everything raises StorageFailed where the place does not answer, or not as it should.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        names_none = Usage(f"{url!r} names no place", hint="give a folder, or a URL like s3://bucket/eu")
        if not url or "::" in url:  # which would be places in places
            raise names_none
        try:
            self.fs, self.root = url_to_fs(url)
        except ImportError as error:
            protocol = url.partition("://")[0]
            what = "the extra s3" if protocol == "s3" else f"what reads {protocol}://"
            raise Usage(f"{url} cannot be reached", why=str(error), hint=f"install {what} beside orderledger") from None
        except ValueError as error:
            raise Usage(
                f"{url} is no place", why=str(error), hint="give a folder, or a URL like s3://bucket/eu"
            ) from None
        self.is_here = isinstance(self.fs, LocalFileSystem)
        if self.is_here:
            self.root = os.path.realpath(self.root)  # as other programs name its files
        self.root = self.root.rstrip("/")
        if is_url(url) and not self.root:
            raise names_none
        self.fs.auto_mkdir = True  # what has folders makes them; a bucket has to be there

    @contextmanager
    def told(self, what: str) -> Iterator[None]:
        """Tell of whatever a file system raises, which is something else with each."""
        try:
            yield
        except LedgerError:
            raise
        except NotImplementedError:  # which a file system of fsspec's raises that can only be read
            raise Usage(f"{self.url} {what}", why="nothing can be written to a place of this kind") from None
        except Exception as error:
            raise StorageFailed(
                f"{self.url} {what}", why=" ".join(str(error).split()) or type(error).__name__
            ) from error

    def manifest(self) -> Shipment | None:
        """What was shipped to this place; None for nothing; Damaged."""
        with self.told("cannot be read"):
            try:
                with self._reading(shipment.MANIFEST) as file:
                    content = file.read(_MANIFEST_BYTES_MAX)
            except FileNotFoundError:
                return None
        return shipment.decode(content, self.url)

    def put(self, path: Path, file: Shipped) -> None:
        """Write the first bytes of a file, whole or not at all, and read them again."""
        with self.told(f"does not take {file.name}"):
            with path.open("rb") as source, self._writing(file.name) as target:
                left = file.size
                while left and (block := source.read(min(left, _BLOCK_BYTES))):
                    target.write(block)
                    left -= len(block)
            if self.digest(file.name) != file.sha256:
                raise OSError("it has other bytes there than here")

    def put_manifest(self, found: Shipment) -> None:
        """Write the manifest, in place of an older one."""
        with self.told(f"does not take {shipment.MANIFEST}"):
            with self._writing(shipment.MANIFEST) as target:
                target.write(shipment.encode(found))
            if self.manifest() != found:
                raise OSError("it has another one there than was written")

    def digest(self, name: str) -> str:
        """The SHA-256 of a file there, in hex."""
        told = sha256()
        with self.told(f"does not give {name}"), self._reading(name) as file:
            while block := file.read(_BLOCK_BYTES):
                told.update(block)
        return told.hexdigest()

    def size(self, name: str) -> int | None:
        """How many bytes a file there has; None where there is none."""
        with self.told("cannot be read"):
            try:
                return int(self.fs.size(self._path(name)))
            except FileNotFoundError:
                return None

    def remove(self, name: str) -> None:
        """Take a file away, if it is there."""
        with self.told(f"does not let {name} go"), suppress(FileNotFoundError):
            self.fs.rm_file(self._path(name))

    def fetch(self, file: Shipped, to: Path) -> None:
        """Copy a file from there; Damaged where it is not there, or has not the bytes that were shipped."""
        told, left = sha256(), file.size
        with self.told(f"does not give {file.name}"):
            try:
                source = self._reading(file.name)
            except FileNotFoundError:
                hint = "`orderledger ship` brings it again"
                raise Damaged(f"{self.url} has no {file.name}", why="it was taken away", hint=hint) from None
            with source, to.open("wb") as target:
                while left >= 0 and (block := source.read(_BLOCK_BYTES)):
                    left -= len(block)
                    told.update(block)
                    target.write(block)
        if left or told.hexdigest() != file.sha256:
            raise Damaged(
                f"{self.url} has another {file.name}",
                why="its bytes are not those that were shipped",
                hint="remove it there, and `orderledger ship` brings it again",
            )

    def url_of(self, file: Shipped) -> str:
        """The URL of a file there."""
        return str(self.fs.unstrip_protocol(self._path(file.name)))

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def _reading(self, name: str) -> BinaryIO:
        """A file to be read."""
        path = self._path(name)
        return plain.opened(Path(path)) if self.is_here else self.fs.open(path, "rb")

    @contextmanager
    def _writing(self, name: str) -> Iterator[BinaryIO]:
        """A file to be written, which is there once it is whole; on this machine once it is on the disk."""
        path = Path(self._path(name))
        if not self.is_here:
            with self.fs.transaction, self.fs.open(self._path(name), "wb") as target:
                yield target
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}-{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as target:
                yield target
                target.flush()
                os.fsync(target.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        Disk().sync_folder(path.parent)
