"""Ed25519 keys and signatures as C2SP signed-note has them; the only part that needs the package cryptography.

A *verifier key* is public, `name+id+base64`; what signs is the same with PRIVATE+KEY+ before it. The name is the origin
of the ledger whose checkpoints are signed.
"""

from hashlib import sha256
from types import ModuleType

from msgspec import Struct
from msgspec.structs import replace

from ledger.checkpoint import Checkpoint, base64, unbase64
from ledger.errors import BadInput, Usage

ED25519 = b"\x01"
PRIVATE = "PRIVATE+KEY+"


class Verifier(Struct, frozen=True):
    """A public key and its name."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """What tells this key from others of its name."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    @property
    def text(self) -> str:
        """The key as it is handed on."""
        return f"{self.name}+{self.key_id.hex()}+{base64(ED25519 + self.public)}"

    def signature(self, line: str) -> bytes | None:
        """The signature on a signature line, None when it is of another key."""
        _, name, signed = line.split(" ")
        data = unbase64(signed)
        return data[4:] if (name, data[:4]) == (self.name, self.key_id) else None

    def problem(self, checkpoint: Checkpoint) -> str:
        """Why a checkpoint is not taken for signed with this key, or nothing when it is."""
        ed25519 = _ed25519()
        from cryptography.exceptions import InvalidSignature

        if checkpoint.origin != self.name:
            return f"the key is of {self.name}, the checkpoint of {checkpoint.origin}"
        found = [signature for line in checkpoint.signatures if (signature := self.signature(line)) is not None]
        if not found:
            return "it bears no signature of this key"
        try:
            public = ed25519.Ed25519PublicKey.from_public_bytes(self.public)
            for signature in found:
                public.verify(signature, checkpoint.body)
        except (InvalidSignature, ValueError):
            return "its signature was made with another key, or for another text"
        return ""


class Signer:
    """A private key and its name, from 32 secret bytes."""

    def __init__(self, name: str, secret: bytes) -> None:
        self._secret = secret
        self._key = _ed25519().Ed25519PrivateKey.from_private_bytes(secret)
        self.verifier = Verifier(name, self._key.public_key().public_bytes_raw())

    @property
    def text(self) -> str:
        """The key as it is kept, and handed to nobody."""
        return f"{PRIVATE}{self.verifier.name}+{self.verifier.key_id.hex()}+{base64(ED25519 + self._secret)}"

    def signature(self, body: bytes) -> str:
        """The signature line of a text."""
        return f"— {self.verifier.name} {base64(self.verifier.key_id + self._key.sign(body))}"

    def sign(self, checkpoint: Checkpoint) -> Checkpoint:
        """The checkpoint with this key's signature, and those of others that it had."""
        others = (line for line in checkpoint.signatures if self.verifier.signature(line) is None)
        return replace(checkpoint, signatures=(*others, self.signature(checkpoint.body)))


def read_verifier(text: str) -> Verifier:
    """The verifier key in a text; Usage when it is none."""
    try:
        verifier = Verifier(*_name_and_key(text))
        if verifier.text != text:
            raise ValueError
    except ValueError:  # a name that is no UTF-8 has no id
        raise Usage(
            "that is no verifier key",
            why="one has the form name+id+base64, and its id follows from the rest",
            hint="give it as `orderledger keygen` printed it",
        ) from None
    return verifier


def read_signer(text: str, source: str) -> Signer:
    """The private key in a text that came from `source`; BadInput when it is none."""
    try:
        signer = Signer(*_name_and_key(text.removeprefix(PRIVATE)))
        if signer.text != text:
            raise ValueError
    except ValueError:
        raise BadInput(f"{source} is no private key", hint="`orderledger keygen` makes one") from None
    return signer


def _name_and_key(text: str) -> tuple[str, bytes]:
    """The name and the 32 bytes of a key; ValueError."""
    name, _, data = text.split("+", 2)
    key = unbase64(data)
    if len(key) != 33 or key[:1] != ED25519:
        raise ValueError
    return name, key[1:]


def _ed25519() -> ModuleType:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise Usage(
            "signatures need the package cryptography",
            why="it comes with the extra `sign`; everything else works without it",
            hint="pipx inject orderledger cryptography, or pip install cryptography where orderledger is installed",
        ) from None
    return ed25519
