"""Brings one file to disk: resumes, verifies, and puts it in its place only when it is whole and right."""

import hashlib
import http.client
import os
import time

from hub import HubError, TransferError

_PIECE = 1 << 20
_MOST_ATTEMPTS = 6  # without a single new byte between them
_LONGEST_DELAY = 30.0


def _fresh_hash(file):
    if file.sha256:
        return hashlib.sha256()
    return hashlib.sha1(b'blob %d\0' % file.size)


def _hash_of(path, file):
    digest = _fresh_hash(file)
    with open(path, 'rb') as data:
        while piece := data.read(_PIECE):
            digest.update(piece)
    return digest


def is_right(path, file):
    """Whether the local file has the size and the checksum of the remote one."""
    try:
        if os.path.getsize(path) != file.size:
            return False
        return _hash_of(path, file).hexdigest() == (file.sha256 or file.blob_sha1)
    except FileNotFoundError:
        return False


class _Mismatch(Exception):
    pass


class Transfer:
    """Fetches files of one commit into a folder. Blocking; one thread uses it.

    A file grows as NAME.part and is renamed when its checksum is right, so NAME is always a whole file. What
    is in NAME.part is kept over interruptions and continued from.
    """

    def __init__(self, hub, commit, folder, progress, delay=1.0, sleep=time.sleep):
        """progress: function (file, bytes here).  delay: seconds before the second attempt; it doubles."""
        self._hub, self._commit, self._folder = hub, commit, folder
        self._progress, self._delay, self._sleep = progress, delay, sleep

    def fetch(self, file):
        """Returns False when the file was here already. Raises HubError, TransferError or OSError."""
        path = os.path.join(self._folder, *file.path.split('/'))
        if is_right(path, file):
            return False
        os.makedirs(os.path.dirname(path), exist_ok=True)
        part = path + '.part'
        resumed = os.path.exists(part)
        try:
            self._complete(file, part)
        except _Mismatch:
            os.remove(part)
            if not resumed:
                raise HubError(self._wrong(file)) from None
            try:  # the part was of another version, or damaged: once more from the start
                self._complete(file, part)
            except _Mismatch:
                os.remove(part)
                raise HubError(self._wrong(file)) from None
        os.replace(part, path)
        return True

    def _wrong(self, file):
        return (
            f'{file.path} arrived with a wrong checksum and was thrown away. '
            'A proxy or the mirror in HF_ENDPOINT may have changed it; try again, or another endpoint.'
        )

    def _complete(self, file, part):
        """Fetches until the part is whole, then checks it. Raises _Mismatch."""
        attempts, delay = 0, self._delay
        while True:
            before = os.path.getsize(part) if os.path.exists(part) else 0
            try:
                self._append(file, part)
                break
            except TransferError as error:
                grown = (os.path.getsize(part) if os.path.exists(part) else 0) > before
                attempts, delay = (1, self._delay) if grown else (attempts + 1, delay)
                if attempts >= _MOST_ATTEMPTS:
                    raise TransferError(f'{file.path}: {error}, {attempts} times in a row') from error
                self._sleep(min(delay, _LONGEST_DELAY))
                delay *= 2
        if _hash_of(part, file).hexdigest() != (file.sha256 or file.blob_sha1):
            raise _Mismatch

    def _append(self, file, part):
        """One request. Raises TransferError when it ends before the file does, _Mismatch when it goes on
        after."""
        with open(part, 'ab') as out:
            here = out.tell()
            if here > file.size:
                raise _Mismatch
            if here == file.size:
                return
            with self._hub.open(file.path, self._commit, here) as response:
                if response.status != 206 or not _begins_at(response, here):
                    out.truncate(0)  # the server sends the whole file
                    here = 0
                    if response.status == 206:
                        raise TransferError('the hub sent another part than was asked for')
                try:
                    while piece := response.read(_PIECE):
                        here += len(piece)
                        if here > file.size:
                            raise _Mismatch
                        out.write(piece)
                        self._progress(file, here)
                except (OSError, http.client.HTTPException) as error:
                    raise TransferError(f'the connection broke ({error})') from error
            out.flush()
            os.fsync(out.fileno())
        if here < file.size:
            raise TransferError(f'the connection ended after {here} of {file.size} bytes')


def _begins_at(response, offset):
    return (response.headers.get('Content-Range') or '').replace('=', ' ').startswith(f'bytes {offset}-')
