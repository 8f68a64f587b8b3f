"""Whether an encoded image has its end, without decoding it."""

from udfs.images.image_formats import ImageFormat


def has_end(image: bytes, kind: ImageFormat) -> bool:
    """Whether the bytes go to the end of the image; those of a transfer that was cut off do not.

    Decoders may fill what is missing with grey, or with a part of the image decoded before
    (OpenCV 4.10 and 4.11). Bytes after the end do not matter.
    """
    if kind == "JPEG":
        return image.rfind(b"\xff\xd9") > _start_of_scan(image)
    if kind == "PNG":
        return b"IEND" in image[-64 * 1024 :] or b"IEND" in image
    if kind == "WEBP":
        return len(image) >= 8 + int.from_bytes(image[4:8], "little")
    return image.rstrip(b"\0").endswith(b";")  # GIF's trailer


def _start_of_scan(image: bytes) -> int:
    """Where the compressed data of a JPEG begin; its length if they do not.

    Segments are skipped by their lengths, since a preview inside one has an end of its own.
    """
    position = 2
    while position + 4 <= len(image) and image[position] == 0xFF:
        marker = image[position + 1]
        if marker == 0xDA:
            return position
        if marker == 0xFF:  # fill bytes before a marker
            position += 1
            continue
        position += 2 + int.from_bytes(image[position + 2 : position + 4], "big")
    return len(image)
