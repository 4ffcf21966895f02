"""Files: where data sets lie, and how to write what is whole or absent."""

import contextlib
import os
from pathlib import Path


def data_folder(folder, entry, otherwise):
    """Finds the folder that a data set is read from.

    Args:
        folder: the one the user named.  None: `data` here or in the repository, where it holds `entry`.
        entry: file or folder that the data set is made of.
        otherwise: what else the user can do where the named folder does not exist, for the message.

    Returns:
        pathlib.Path, or None where there is none and the network is to be asked.

    Raises:
        SystemExit: with a sentence, when the named folder does not exist.
    """
    if folder is None:
        nearby = [Path("data"), Path(__file__).resolve().parent.parent / "data"]
        return next((place for place in nearby if (place / entry).exists()), None)
    if not Path(folder).is_dir():
        raise SystemExit(f"The data folder {folder} does not exist. Give the one that holds {entry} with --data, or "
                         f"{otherwise}.")
    return Path(folder)


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
