# SPDX-License-Identifier: Apache-2.0
"""Writes a directory as a one-layer OCI image in an archive: no Docker, no root, and the same bytes for the same directory and time.

    python3 scripts/oci_archive.py DIRECTORY OUT.oci.tar NAME:TAG ARCHITECTURE EPOCH
"""

import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
from datetime import datetime, timezone


def layer(directory: str, epoch: int) -> bytes:
    """The directory's content, sorted, owned by root, with one time for all."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        paths = []
        for parent, directories, files in os.walk(directory):
            paths += [os.path.relpath(os.path.join(parent, name), directory) for name in directories + files]
        for path in sorted(paths):
            info = tar.gettarinfo(os.path.join(directory, path), arcname=path)
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            info.mtime = epoch
            if info.isfile():
                # A hard link in the tree would be an entry without content; every file brings its own.
                info.type, info.linkname = tarfile.REGTYPE, ""
                info.size = os.path.getsize(os.path.join(directory, path))
                with open(os.path.join(directory, path), "rb") as content:
                    tar.addfile(info, content)
            else:
                tar.addfile(info)
    return out.getvalue()


def main(directory: str, archive: str, reference: str, architecture: str, epoch: int) -> None:
    created = datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    blobs: dict[str, bytes] = {}

    def blob(media: str, content: bytes) -> dict:
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        return {"mediaType": media, "digest": "sha256:" + digest, "size": len(content)}

    def document(media: str, value: dict) -> dict:
        return blob(media, json.dumps(value, sort_keys=True, separators=(",", ":")).encode())

    plain = layer(directory, epoch)
    packed = blob("application/vnd.oci.image.layer.v1.tar+gzip", gzip.compress(plain, 9, mtime=0))
    config = document(
        "application/vnd.oci.image.config.v1+json",
        {
            "architecture": architecture,
            "config": {},
            "created": created,
            "history": [{"created": created, "created_by": "make package"}],
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(plain).hexdigest()]},
        },
    )
    manifest = document(
        "application/vnd.oci.image.manifest.v1+json",
        {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": [packed]},
    )
    manifest["annotations"] = {"org.opencontainers.image.ref.name": reference.rpartition(":")[2]}
    manifest["platform"] = {"architecture": architecture, "os": "linux"}
    index = {"schemaVersion": 2, "manifests": [manifest]}

    files = {f"blobs/sha256/{digest}": content for digest, content in blobs.items()}
    files["index.json"] = json.dumps(index, sort_keys=True, separators=(",", ":")).encode()
    files["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
    with tarfile.open(archive, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name in ["blobs", "blobs/sha256"] + sorted(files):
            info = tarfile.TarInfo(name)
            info.mtime = epoch
            if name in files:
                info.size, info.mode = len(files[name]), 0o644
                tar.addfile(info, io.BytesIO(files[name]))
            else:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
    print(manifest["digest"])


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))
