"""How much may come out of a compressed file, so that a small one cannot take all memory."""

from twolayer.errors import FileFormatError

MOST_ALWAYS = 256 * 2**20
MOST_TIMES = 100  # the bytes stored


def most_unpacked(stored_bytes: int) -> int:
    """Return how many bytes a compressed file of so many may hold."""
    return max(MOST_ALWAYS, MOST_TIMES * stored_bytes)


def check_unpacked(name: str, n_bytes: int, stored_bytes: int) -> None:
    """Check the bytes that a compressed file claims to hold, or was found to; `name` is what the error calls it."""
    if n_bytes > most_unpacked(stored_bytes):
        raise FileFormatError(
            f"{name} claims {n_bytes:,} bytes out of {stored_bytes:,}: a decompression bomb, or data to be stored "
            "uncompressed; unpack it if it comes from someone you trust."
        )
