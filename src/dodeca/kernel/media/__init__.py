"""Uploaded and generated files: stored once under the SHA-256 of their content, locally or in S3.

The store knows bytes, not owners: who may see a file, under which name, and whether anything still refers to it, is a
matter of the product's tables. Types are told by content, never by name or by what the uploader says.
"""

from dodeca.kernel.media.images import ImageInfo, Shape, cleaned, inspected, thumbnail
from dodeca.kernel.media.ranges import Answer, Delivery, answer
from dodeca.kernel.media.store import Blob, MediaStore, Stored
from dodeca.kernel.media.types import HEAD_BYTES, IMAGES, INLINE, disposition, sniffed

__all__ = [
    "HEAD_BYTES",
    "IMAGES",
    "INLINE",
    "Answer",
    "Blob",
    "Delivery",
    "ImageInfo",
    "MediaStore",
    "Shape",
    "Stored",
    "answer",
    "cleaned",
    "disposition",
    "inspected",
    "sniffed",
    "thumbnail",
]
