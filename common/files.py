"""Files that are whole or absent."""

import contextlib
import os


@contextlib.contextmanager
def replacing(path):
    """Gives a temporary path beside `path` to write to; what was written takes the place of `path` in one step.

    Whatever happens before the end of the block, a kill included, leaves the earlier file as it was.

    Raises:
        SystemExit: with a sentence, when the file cannot be written (full disk, no permission).
    """
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield part
        with open(part, "rb") as written:
            os.fsync(written.fileno())
        os.replace(part, path)
    except OSError as error:
        raise SystemExit(f"{path} could not be written ({error.strerror or error}). Whatever was there is untouched; "
                         "make room or give another folder with --out, then run the same command again.") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
