"""What decides the rows of a layer, and the name that follows from it.

    key = RowKey(architecture="torchvision/resnet18", library="torchvision 0.29.2", weights="5c1e…", node="layer4", …)
    key.digest()        # '0b5e…': the folder of these rows in the store

Whatever can change a row stands in the key, and nothing else: not the labels, not the name of the data set or of its
folder, not the batch size, not the words by which a layer was asked for. Two taps of one node share an entry.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

SCHEMA = 2
"""Layout of the store; another one makes other keys."""


@dataclass(frozen=True)
class RowKey:
    """Everything that can change the rows of one layer and one split.

    Attributes:
        architecture: library and name of the network.
        library: the library with its version.
        weights: digest of the weights' tensors.
        node: exact node of the traced graph.
        pool: how its tensor becomes a row.
        norm: what tokens are brought through on the way; empty for nothing.
        preprocess: every number of the pipeline.
        images: fingerprint of the images, in their order.
        split: ``train`` or ``test``.
        count: number of images.
        precision: of the forward pass.
    """

    architecture: str
    library: str
    weights: str
    node: str
    pool: str
    preprocess: str
    images: str
    split: str
    count: int
    precision: str
    norm: str = ""
    schema: int = SCHEMA

    def digest(self) -> str:
        """BLAKE2b of the key as canonical JSON, 32 hexadecimal digits."""
        deciding = asdict(self)
        if not self.norm:  # as before there were norms: rows that are stored are found
            del deciding["norm"]
        return digest_of(canonical(deciding))


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no spaces: equal values, equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def digest_of(content: bytes) -> str:
    """BLAKE2b, 32 hexadecimal digits."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()
