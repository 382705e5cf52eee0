"""Verifies files with the libraries of others. Ends with 0 if they accept, 3 if they reject.

verify.py dsse KEY_PEM FILE TYPE DOCUMENT    securesystemslib; the document must be in the envelope
verify.py jws JWK FILE                       jwcrypto
verify.py jws-detached JWK FILE DOCUMENT     jwcrypto
verify.py metadata DIR KEY_PEM THRESHOLD     python-tuf; writes four roles into DIR, not signed
verify.py delegates DIR                      python-tuf: DIR/root.json and the three roles below it
verify.py update DIR ROOT TARGET             python-tuf's client, over file: URLs; prints the target
"""

import json
import sys
from datetime import datetime, timezone
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_public_key


def read(path):
    return Path(path).read_bytes()


def ssl_key(pem):
    from securesystemslib.signer import SSlibKey

    return SSlibKey.from_crypto(load_pem_public_key(read(pem)))


def dsse(pem, path, kind, document):
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError

    try:
        envelope = Envelope.from_dict(json.loads(read(path)))
        envelope.verify([ssl_key(pem)], 1)
    except VerificationError as error:
        sys.exit(rejected(error))
    if (envelope.payload_type, envelope.payload) != (kind, read(document)):
        sys.exit(rejected("the envelope contains something else"))


def jws(jwk, path, document=None):
    from jwcrypto.jwk import JWK
    from jwcrypto.jws import JWS, InvalidJWSSignature

    key = JWK.from_json(read(jwk).decode())
    token = JWS()
    token.allowed_algs = ["EdDSA", "ES256"]
    try:
        token.deserialize(read(path).decode())
        token.verify(key, detached_payload=read(document) if document else None)
    except InvalidJWSSignature as error:
        sys.exit(rejected(error))
    if token.jose_header["kid"] != key.thumbprint():
        sys.exit(rejected("the key id is not the thumbprint"))
    sys.stdout.buffer.write(token.payload)


def metadata(directory, pem, threshold):
    from tuf.api.metadata import MetaFile, Metadata, Root, Snapshot, TargetFile, Targets, Timestamp

    expires = datetime(2999, 1, 1, tzinfo=timezone.utc)
    root = Root(expires=expires, consistent_snapshot=False)
    for role in ["root", "targets", "snapshot", "timestamp"]:
        root.add_key(ssl_key(pem), role)
        root.roles[role].threshold = int(threshold)
    target = Path(directory, "app.tgz")
    target.write_bytes(b"an update\n")
    targets = Targets(expires=expires)
    targets.targets["app.tgz"] = TargetFile.from_file("app.tgz", str(target))
    # What canonical JSON leaves as it is, and what it escapes.
    targets.unrecognized_fields["x-note"] = {"ÿ\u0001\n": ["\"\\/", -1, True, None], "A": "\U0001f600"}
    roles = {
        "root": root,
        "targets": targets,
        "snapshot": Snapshot(expires=expires, meta={"targets.json": MetaFile(1)}),
        "timestamp": Timestamp(expires=expires, snapshot_meta=MetaFile(1)),
    }
    for name, signed in roles.items():
        Metadata(signed).to_file(str(Path(directory, f"{name}.json")))


def delegates(directory):
    from tuf.api.metadata import Metadata, UnsignedMetadataError

    root = Metadata.from_file(str(Path(directory, "root.json")))
    try:
        for role in ["root", "targets", "snapshot", "timestamp"]:
            signed = Metadata.from_file(str(Path(directory, f"{role}.json")))
            root.verify_delegate(role, signed)
    except UnsignedMetadataError as error:
        sys.exit(rejected(error))


class LocalFiles:
    """Fetches `file:` URLs, which the client's own fetcher does not."""

    def fetch(self, url):
        from tuf.api.exceptions import DownloadHTTPError

        path = Path(url.removeprefix("file:"))
        if not path.exists():
            raise DownloadHTTPError("not found", 404)
        yield path.read_bytes()


def update(directory, root, target):
    from tempfile import TemporaryDirectory

    from tuf.api.exceptions import RepositoryError
    from tuf.ngclient import FetcherInterface, Updater

    class Fetcher(FetcherInterface):
        def _fetch(self, url):
            return LocalFiles().fetch(url)

    with TemporaryDirectory() as own:
        try:
            updater = Updater(
                own, f"file:{directory}", own, f"file:{directory}", Fetcher(), bootstrap=read(root)
            )
            updater.refresh()
            info = updater.get_targetinfo(target)
            print(read(updater.download_target(info)).decode(), end="")
        except RepositoryError as error:
            sys.exit(rejected(error))


def rejected(reason):
    print(f"rejected: {reason}", file=sys.stderr)
    return 3


if __name__ == "__main__":
    commands = {
        "dsse": dsse,
        "jws": jws,
        "jws-detached": jws,
        "metadata": metadata,
        "delegates": delegates,
        "update": update,
    }
    commands[sys.argv[1]](*sys.argv[2:])
