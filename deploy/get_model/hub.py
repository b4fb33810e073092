"""What the Hugging Face hub answers: revisions, file lists, conversions, and the way to a file's bytes.

HTTP API: https://huggingface.co/docs/hub/api. Redirects are followed here, one by one, because the token may
go to the endpoint alone: big files come from other hosts by signed addresses.
"""

import http.client
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass

DEFAULT_ENDPOINT = 'https://huggingface.co'
_TIMEOUT = 60  # seconds without a byte
_MOST_REDIRECTS = 8
_MOST_PAGES = 1000
_LARGEST_ANSWER = 64 << 20
# Who converts weights to safetensors on the hub, and what that pull request is called.
_CONVERTER = 'SFconvertbot'
_CONVERSION_TITLE = 'Adding `safetensors` variant of this model'


class HubError(Exception):
    """Something that trying again does not mend; the message is for the user."""


class TransferError(Exception):
    """An interruption: trying again may help."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository. Exactly one of the two checksums is set."""

    path: str
    size: int
    sha256: str = ''  # of the bytes; files in large file storage
    blob_sha1: str = ''  # git's hash of header and bytes; the others


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def _origin(url):
    parts = urllib.parse.urlsplit(url)
    port = parts.port or {'https': 443, 'http': 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, port


def _checked_path(path):
    """The path of a remote file, or HubError where it could lead out of the folder."""
    parts = path.split('/') if isinstance(path, str) else ['']
    hidden_meaning = any(ord(character) < 32 or character in '\\\x7f' for part in parts for character in part)
    if hidden_meaning or any(part in ('', '.', '..') for part in parts) or re.match('[A-Za-z]:', parts[0]):
        raise HubError(f'The hub names a file whose path is not safe, so nothing is written: {path!r}')
    return path


class Hub:
    """One repository at one endpoint. Blocking; one thread uses it."""

    def __init__(self, repository, endpoint=DEFAULT_ENDPOINT, token=''):
        """repository: "owner/name", or "name" for the oldest ones.  token: empty for none."""
        if (
            not re.fullmatch(r'[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?', repository, re.ASCII)
            or '..' in repository
        ):
            raise HubError(
                f'A repository is named owner/name, as openai/clip-vit-base-patch32, not: {repository!r}'
            )
        if urllib.parse.urlsplit(endpoint).scheme not in ('https', 'http'):
            raise HubError(f'HF_ENDPOINT must begin with https:// or http://, not: {endpoint!r}')
        if any(ord(character) < 33 or ord(character) > 126 for character in token):
            raise HubError(
                'HF_TOKEN has characters that a token cannot have; set it again without blanks or line ends.'
            )
        self.repository = repository
        self._endpoint = endpoint.rstrip('/')
        self._token = token
        self._opener = urllib.request.build_opener(_NoRedirect)

    def commit(self, revision):
        """The commit that a branch, tag or pull request (refs/pr/1) names now."""
        answer, _ = self._json(self._api(f'revision/{urllib.parse.quote(revision, safe="")}'))
        commit = answer.get('sha') if isinstance(answer, dict) else None
        if not isinstance(commit, str) or not re.fullmatch('[0-9a-f]{40}', commit):
            raise HubError(
                f'The hub does not say which commit {revision} is; is {self._endpoint} a Hugging Face hub?'
            )
        return commit

    def files(self, commit):
        """All files of a commit: {path: RemoteFile}. Follows the pages of the list."""
        url, result = self._api(f'tree/{commit}?recursive=true'), {}
        for _ in range(_MOST_PAGES):
            entries, url = self._json(url)
            for entry in entries:
                if entry.get('type') == 'file':
                    file = _remote_file(entry)
                    result[file.path] = file
            if not url:
                return result
        raise HubError(
            f'The list of files has more than {_MOST_PAGES} pages; this is no repository of a model.'
        )

    def safetensors_conversion(self, commit):
        """The revision (refs/pr/N) of Hugging Face's own conversion of `commit` to safetensors, or None.

        That is an open pull request of the converter whose only commit lies on top of `commit`.
        """
        try:
            answer, _ = self._json(self._api('discussions?p=0'))
            for each in answer.get('discussions', []):
                author = (each.get('author') or {}).get('name')
                wanted = (_CONVERTER, _CONVERSION_TITLE, 'open', True)
                if (author, each.get('title'), each.get('status'), each.get('isPullRequest')) != wanted:
                    continue
                revision = f'refs/pr/{int(each["num"])}'
                commits, _ = self._json(self._api(f'commits/{urllib.parse.quote(revision, safe="")}'))
                if len(commits) > 1 and commits[1].get('id') == commit:
                    return revision
        except (HubError, AttributeError, KeyError, TypeError, ValueError):
            pass  # mirrors have no discussions; then there is no conversion to be found
        return None

    def open(self, path, commit, offset=0):
        """Opens a file's bytes from `offset` on. Returns the response; its status is 200 (whole) or 206 (the
        rest)."""
        headers = {'Range': f'bytes={offset}-'} if offset else {}
        url = f'{self._endpoint}/{self.repository}/resolve/{commit}/{urllib.parse.quote(path)}'
        return self._open(url, dict(headers, **{'Accept-Encoding': 'identity'}))

    def _api(self, rest):
        return f'{self._endpoint}/api/models/{self.repository}/{rest}'

    def _json(self, url):
        """(parsed answer, address of the next page or '')."""
        with self._open(url, {'Accept': 'application/json'}) as response:
            try:
                data = response.read(_LARGEST_ANSWER + 1)
            except (OSError, http.client.HTTPException) as error:
                raise TransferError(f'{url}: {error}') from error
            link = re.search(r'<([^>]*)>\s*;\s*rel="?next"?', response.headers.get('Link') or '')
        if len(data) > _LARGEST_ANSWER:
            raise HubError(f'{url} answered with more than {_LARGEST_ANSWER >> 20} MiB; that is no hub.')
        try:
            return json.loads(data), urllib.parse.urljoin(url, link.group(1)) if link else ''
        except ValueError:
            raise HubError(f'{url} did not answer with JSON; is it a Hugging Face hub?') from None

    def _open(self, url, headers):
        """GET, following redirects. The token goes to the endpoint's own host and port and to no other."""
        for _ in range(_MOST_REDIRECTS):
            sent = {'User-Agent': 'diptych-get-model', **headers}
            if self._token and _origin(url) == _origin(self._endpoint):
                sent['Authorization'] = f'Bearer {self._token}'
            try:
                return self._opener.open(urllib.request.Request(url, headers=sent), timeout=_TIMEOUT)
            except urllib.error.HTTPError as error:
                location = error.headers.get('Location')
                if error.code not in (301, 302, 303, 307, 308) or not location:
                    raise self._explained(error) from None
                url = self._next_address(url, location)
            except (OSError, http.client.HTTPException) as error:  # urllib.error.URLError is an OSError
                raise TransferError(f'{_origin(url)[1]}: {getattr(error, "reason", error)}') from error
        raise HubError(f'{url} redirects more than {_MOST_REDIRECTS} times.')

    def _next_address(self, url, location):
        address = urllib.parse.urljoin(url, location)
        allowed = ('https',) if self._endpoint.startswith('https:') else ('https', 'http')
        if urllib.parse.urlsplit(address).scheme not in allowed:
            raise HubError(f'The hub redirects to an address that is not https, which is refused: {address}')
        return address

    def _explained(self, error):
        said = error.headers.get('X-Error-Message') or error.reason
        where = f'{self.repository} at {self._endpoint}'
        if error.code in (401, 403):
            token = 'The token in HF_TOKEN was refused' if self._token else 'No HF_TOKEN is set'
            return HubError(
                f'The hub refuses {where} ({error.code} {said}). It is private, or gated, or does not exist. '
                f'{token}: check the name, accept the conditions on the page of the model, set HF_TOKEN.'
            )
        if error.code == 404:
            return HubError(f'There is no such repository, revision or file: {where} ({error.code} {said}).')
        if error.code == 416:
            return TransferError('the hub has no bytes after those already here')
        if error.code == 429 or error.code >= 500:
            return TransferError(f'{error.code} {said}')
        return HubError(f'The hub answers {error.code} {said} for {where}.')


def _remote_file(entry):
    """One entry of the file list."""
    try:
        path, size, blob_sha1 = _checked_path(entry['path']), entry['size'], entry['oid']
        lfs = entry.get('lfs')
        sha256 = lfs['oid'].split(':')[-1].lower() if lfs else ''
        size = lfs['size'] if lfs else size
        right = re.fullmatch('[0-9a-f]{64}', sha256) if lfs else re.fullmatch('[0-9a-f]{40}', blob_sha1)
    except (KeyError, TypeError, AttributeError):
        right = None
    if not right or not isinstance(size, int) or size < 0:
        raise HubError(f'The hub lists a file without size or checksum: {json.dumps(entry)[:300]}')
    return RemoteFile(path, size, sha256, '' if lfs else blob_sha1)
