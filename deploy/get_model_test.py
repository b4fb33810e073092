"""get-model.sh against a server that answers as the Hugging Face hub does; needs no network."""

import contextlib
import hashlib
import http.server
import json
import os
import stat
import subprocess
import tempfile
import threading
import unittest
import urllib.parse

_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'get-model.sh')
_COMMIT, _CONVERTED = 'c' * 40, 'd' * 40
_TOKEN = 'hf_secret'
_WEIGHTS = os.urandom(300_000)
_BASE = {
    'config.json': b'{"model_type": "clip"}',
    'preprocessor_config.json': b'{}',
    'vocab.json': b'{}',
    'merges.txt': b'#version: 0.2\n',
    'README.md': b'not needed',
    'flax_model.msgpack': b'not needed',
}
_CLIP = {**_BASE, 'model.safetensors': _WEIGHTS, 'pytorch_model.bin': b'not needed'}


class StandIn:
    """A hub on one port and its store of big files on another, as threads of the test.

    files: {revision: {path: bytes}}; a revision is a commit here, `names` maps branches to them.
    """

    def __init__(self, files, token=''):
        self.commits = {_COMMIT: files}
        self.names = {'main': _COMMIT}
        self.token = token
        self.discussions = []
        self.page_size = 1000
        self.cut_after = None  # bytes after which each answer of the store ends
        self.cuts_left = 0
        self.ignores_range = False
        self.lies = {}  # path -> bytes sent instead
        self.extra_entries = []
        self.requests = []  # (server, path, headers)
        self._hub = self._serve(self._answer_hub)
        self._store = self._serve(self._answer_store)
        self.endpoint = f'http://127.0.0.1:{self._hub.server_port}'

    def _serve(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                answer(self)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server

    def close(self):
        for server in (self._hub, self._store):
            server.shutdown()
            server.server_close()

    def fetched(self):
        """Paths of the files that were asked for, in order."""
        return [
            path.split('/resolve/')[1].split('/', 1)[1] for _, path, _ in self.requests if '/resolve/' in path
        ]

    @staticmethod
    def _send(request, status, body=b'', **headers):
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace('_', '-'), value)
        request.send_header('Content-Length', str(len(body)))
        request.end_headers()
        with contextlib.suppress(OSError):
            request.wfile.write(body)

    def _answer_hub(self, request):
        self.requests.append(('hub', request.path, dict(request.headers)))
        if self.token and request.headers.get('Authorization') != f'Bearer {self.token}':
            return self._send(request, 401, X_Error_Message='Invalid username or password.')
        address = urllib.parse.urlsplit(request.path)
        path, query = address.path, urllib.parse.parse_qs(address.query)
        api = '/api/models/owner/model/'
        if path.startswith(api + 'revision/'):
            name = urllib.parse.unquote(path[len(api + 'revision/') :])
            commit = self.names.get(name)
            return self._json(request, {'sha': commit}) if commit else self._send(request, 404)
        if path.startswith(api + 'tree/'):
            return self._tree(request, path[len(api + 'tree/') :], int(query.get('cursor', ['0'])[0]))
        if path == api + 'discussions':
            return self._json(request, {'discussions': self.discussions})
        if path.startswith(api + 'commits/'):
            return self._json(request, [{'id': _CONVERTED}, {'id': _COMMIT}])
        if path.startswith('/owner/model/resolve/'):
            commit, name = path[len('/owner/model/resolve/') :].split('/', 1)
            return self._resolve(request, commit, urllib.parse.unquote(name))
        return self._send(request, 404)

    def _json(self, request, value, **headers):
        return self._send(
            request, 200, json.dumps(value).encode(), Content_Type='application/json', **headers
        )

    def _tree(self, request, commit, cursor):
        files = self.commits[commit]
        entries = [entry(path, data) for path, data in sorted(files.items())] + self.extra_entries
        folders = {os.path.dirname(path) for path in files} - {''}
        entries += [{'type': 'directory', 'oid': '0' * 40, 'size': 0, 'path': folder} for folder in folders]
        headers = {}
        if cursor + self.page_size < len(entries):
            following = f'{self.endpoint}/api/models/owner/model/tree/{commit}'
            query = f'recursive=true&cursor={cursor + self.page_size}'
            headers['Link'] = f'<{following}?{query}>; rel="next"'
        return self._json(request, entries[cursor : cursor + self.page_size], **headers)

    def _resolve(self, request, commit, name):
        data = self.commits[commit].get(name)
        if data is None:
            return self._send(request, 404, X_Error_Code='EntryNotFound')
        if is_big(name):
            store = (
                f'http://127.0.0.1:{self._store.server_port}/{commit}/{urllib.parse.quote(name)}?signature=x'
            )
            return self._send(request, 302, Location=store)
        return self._send(request, 200, self.lies.get(name, data))

    def _answer_store(self, request):
        self.requests.append(('store', request.path, dict(request.headers)))
        commit, name = urllib.parse.unquote(urllib.parse.urlsplit(request.path).path[1:]).split('/', 1)
        data = self.lies.get(name, self.commits[commit][name])
        asked = request.headers.get('Range')
        begin = int(asked[len('bytes=') : -1]) if asked and not self.ignores_range else 0
        request.send_response(206 if begin else 200)
        if begin:
            request.send_header('Content-Range', f'bytes {begin}-{len(data) - 1}/{len(data)}')
        request.send_header('Content-Length', str(len(data) - begin))
        request.end_headers()
        end = len(data)
        if self.cuts_left:
            self.cuts_left -= 1
            end = begin + self.cut_after
        with contextlib.suppress(OSError):
            request.wfile.write(data[begin:end])


def is_big(path):
    return path.endswith(('.safetensors', '.bin'))


def entry(path, data):
    """What the hub lists for a file."""
    result = {'type': 'file', 'path': path, 'size': len(data)}
    if is_big(path):
        sha256 = hashlib.sha256(data).hexdigest()
        return {**result, 'oid': '1' * 40, 'lfs': {'oid': sha256, 'size': len(data), 'pointerSize': 134}}
    return {**result, 'oid': hashlib.sha1(b'blob %d\0' % len(data) + data).hexdigest()}


class GetModel(unittest.TestCase):
    def hub(self, files, **settings):
        hub = StandIn(files, **settings)
        self.addCleanup(hub.close)
        return hub

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = os.path.join(temporary.name, 'model')

    def run_program(self, hub, *arguments, token='', repository='owner/model'):
        environment = {**os.environ, 'HF_ENDPOINT': hub.endpoint, 'HF_TOKEN': token, 'no_proxy': '*'}
        command = [_PROGRAM, repository, self.folder, '--retry-delay', '0', *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110)

    def succeed(self, *arguments, **settings):
        done = self.run_program(*arguments, **settings)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr

    def fail_with(self, words, *arguments, **settings):
        done = self.run_program(*arguments, **settings)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(words, done.stderr)
        self.assertNotIn('Traceback', done.stderr)
        return done.stderr

    def here(self):
        """{path: bytes} of what lies in the folder, but for the program's own notes."""
        result = {}
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), self.folder)
                if path not in ('.get-model.lock', 'source.json'):
                    with open(os.path.join(self.folder, path), 'rb') as file:
                        result[path] = file.read()
        return result

    # ------------------------------------------------------------------------------ what is fetched
    def test_fetches_what_a_clip_needs_and_no_more(self):
        output = self.succeed(self.hub(_CLIP))
        needed = set(_CLIP) - {'README.md', 'flax_model.msgpack', 'pytorch_model.bin'}
        self.assertEqual(self.here(), {path: _CLIP[path] for path in needed})
        self.assertIn('inference-server --model model=', output)
        with open(os.path.join(self.folder, 'source.json')) as file:
            self.assertEqual(json.load(file)['commit'], _COMMIT)

    def test_fetches_the_shards_that_the_index_names(self):
        index = {
            'weight_map': {'a': 'model-00001-of-00002.safetensors', 'b': 'model-00002-of-00002.safetensors'}
        }
        shards = {'model-00001-of-00002.safetensors': b'1', 'model-00002-of-00002.safetensors': b'2'}
        other = {'model.fp16-00001-of-00001.safetensors': b'3'}
        name = 'model.safetensors.index.json'
        self.succeed(self.hub({**_BASE, **shards, **other, name: json.dumps(index).encode()}))
        fetched = self.here()
        self.assertIn(name, fetched)
        self.assertEqual({path: fetched.get(path) for path in shards}, shards)
        self.assertNotIn('model.fp16-00001-of-00001.safetensors', fetched)

    def test_fetches_the_modules_of_sentence_transformers(self):
        modules = [{'path': ''}, {'path': '1_Pooling'}, {'path': '2_Dense'}]
        files = {
            'modules.json': json.dumps(modules).encode(),
            'config.json': b'{}',
            'model.safetensors': b'0',
            '1_Pooling/config.json': b'{}',
            '2_Dense/config.json': b'{}',
            '2_Dense/model.safetensors': b'2',
            'onnx/model.safetensors': b'not needed',
        }
        self.succeed(self.hub(files))
        self.assertEqual(set(self.here()), set(files) - {'onnx/model.safetensors'})

    def test_fetches_open_clip(self):
        files = {'open_clip_config.json': b'{}', 'open_clip_model.safetensors': b'0', 'tokenizer.json': b'{}'}
        self.succeed(self.hub(files))
        self.assertEqual(self.here(), files)

    def test_reads_all_pages_of_the_list(self):
        hub = self.hub(_CLIP)
        hub.page_size = 2
        self.succeed(hub)
        self.assertEqual(self.here()['vocab.json'], _CLIP['vocab.json'])
        self.assertGreaterEqual(len([path for _, path, _ in hub.requests if '/tree/' in path]), 4)

    def test_fetches_the_revision_asked_for(self):
        hub = self.hub(_CLIP)
        hub.names['refs/pr/7'] = _CONVERTED
        hub.commits[_CONVERTED] = {**_CLIP, 'config.json': b'{"revision": 7}'}
        self.succeed(hub, '--revision', 'refs/pr/7')
        self.assertEqual(self.here()['config.json'], b'{"revision": 7}')

    # -------------------------------------------------------------------------------------- pickles
    def test_pickled_weights_are_taken_where_there_is_nothing_else(self):
        said = self.succeed(self.hub({**_BASE, 'pytorch_model.bin': b'0', 'open_clip_pytorch_model.bin': b'1'}))
        self.assertIn('only as pickle (pytorch_model.bin)', said)
        self.assertEqual(self.here()['pytorch_model.bin'], b'0')
        self.assertNotIn('open_clip_pytorch_model.bin', self.here())

    def test_safetensors_go_before_pickles(self):
        self.succeed(self.hub(_CLIP))
        self.assertNotIn('pytorch_model.bin', self.here())

    def test_pickled_weights_are_taken_on_demand_before_a_conversion(self):
        self.succeed(self.converted_hub(), '--allow-pickle')
        self.assertEqual(self.here()['pytorch_model.bin'], b'0')

    def converted_hub(self, **changes):
        hub = self.hub({**_BASE, 'pytorch_model.bin': b'0'})
        hub.names['refs/pr/66'] = _CONVERTED
        hub.commits[_CONVERTED] = _CLIP
        discussion = {
            'num': 66,
            'author': {'name': 'SFconvertbot'},
            'title': 'Adding `safetensors` variant of this model',
            'status': 'open',
            'isPullRequest': True,
        }
        hub.discussions = [{'num': 1, 'author': None, 'title': 'hello'}, {**discussion, **changes}]
        return hub

    def test_the_hubs_own_conversion_takes_their_place(self):
        said = self.succeed(self.converted_hub())
        self.assertIn('refs/pr/66', said)
        self.assertEqual(self.here()['model.safetensors'], _WEIGHTS)

    def test_a_strangers_conversion_does_not(self):
        self.succeed(self.converted_hub(author={'name': 'somebody'}))
        self.assertEqual(self.here()['pytorch_model.bin'], b'0')
        self.assertNotIn('model.safetensors', self.here())

    # --------------------------------------------------------------------------- resuming, verifying
    def test_a_second_run_fetches_nothing(self):
        hub = self.hub(_CLIP)
        self.succeed(hub)
        hub.requests.clear()
        self.assertIn('here already', self.succeed(hub))
        self.assertEqual(hub.fetched(), [])

    def test_a_damaged_file_is_fetched_again(self):
        hub = self.hub(_CLIP)
        self.succeed(hub)
        with open(os.path.join(self.folder, 'model.safetensors'), 'r+b') as file:
            file.write(b'damaged')
        hub.requests.clear()
        self.succeed(hub)
        self.assertEqual(hub.fetched(), ['model.safetensors'])
        self.assertEqual(self.here()['model.safetensors'], _WEIGHTS)

    def test_a_cut_connection_is_continued_in_the_same_run(self):
        hub = self.hub(_CLIP)
        hub.cut_after, hub.cuts_left = 100_000, 2
        self.succeed(hub)
        self.assertEqual(self.here()['model.safetensors'], _WEIGHTS)
        ranges = [headers.get('Range') for server, _, headers in hub.requests if server == 'store']
        self.assertEqual(ranges, [None, 'bytes=100000-', 'bytes=200000-'])

    def test_an_interrupted_run_is_continued_by_the_next(self):
        hub = self.hub(_CLIP)
        hub.cut_after, hub.cuts_left = 0, 1 << 30
        self.fail_with('run the same command to continue', hub)
        self.assertNotIn('model.safetensors', self.here())
        with open(os.path.join(self.folder, 'model.safetensors.part'), 'wb') as part:
            part.write(_WEIGHTS[:123_456])
        hub.cuts_left = 0
        hub.requests.clear()
        self.succeed(hub)
        self.assertEqual(self.here()['model.safetensors'], _WEIGHTS)
        self.assertEqual(hub.requests[-1][2].get('Range'), 'bytes=123456-')
        self.assertNotIn('model.safetensors.part', self.here())

    def test_a_server_without_ranges_starts_over(self):
        hub = self.hub(_CLIP)
        hub.ignores_range = True
        hub.cut_after, hub.cuts_left = 100_000, 1
        self.succeed(hub)
        self.assertEqual(self.here()['model.safetensors'], _WEIGHTS)

    def test_a_part_of_another_version_is_thrown_away(self):
        os.makedirs(self.folder)
        with open(os.path.join(self.folder, 'model.safetensors.part'), 'wb') as part:
            part.write(b'x' * 200_000)
        self.succeed(self.hub(_CLIP))
        self.assertEqual(self.here()['model.safetensors'], _WEIGHTS)

    def test_a_wrong_checksum_leaves_no_file(self):
        for path in ('model.safetensors', 'vocab.json'):
            with self.subTest(path):
                self.folder += '-' + path
                hub = self.hub(_CLIP)
                hub.lies[path] = bytes(len(_CLIP[path]))
                self.fail_with(f'{path} arrived with a wrong checksum', hub)
                self.assertNotIn(path, self.here())
                self.assertNotIn(path + '.part', self.here())

    def test_a_longer_file_is_refused(self):
        hub = self.hub(_CLIP)
        hub.lies['model.safetensors'] = _WEIGHTS + b'more'
        self.fail_with('wrong checksum', hub)
        self.assertNotIn('model.safetensors', self.here())

    # -------------------------------------------------------------------------- tokens and strangers
    def test_the_token_goes_to_the_hub_and_not_to_the_store(self):
        hub = self.hub(_CLIP, token=_TOKEN)
        self.succeed(hub, token=_TOKEN)
        for server, path, headers in hub.requests:
            self.assertEqual(
                headers.get('Authorization'), f'Bearer {_TOKEN}' if server == 'hub' else None, path
            )
        self.assertIn('store', {server for server, _, _ in hub.requests})

    def test_without_a_token_a_private_model_is_refused_with_a_way_out(self):
        hub = self.hub(_CLIP, token=_TOKEN)
        self.assertIn('No HF_TOKEN is set', self.fail_with('401', hub))
        self.assertNotIn('hf_wrong', self.fail_with('token in HF_TOKEN was refused', hub, token='hf_wrong'))

    def test_what_does_not_exist_is_named(self):
        hub = self.hub(_CLIP)
        self.fail_with('owner/other', hub, repository='owner/other')
        self.fail_with('no such repository, revision or file', hub, '--revision', 'nowhere')

    def test_a_bad_name_of_a_repository_is_refused(self):
        hub = self.hub(_CLIP)
        for name in ('a/b/c', '../x', 'owner/..', 'https://huggingface.co/owner/model', ''):
            with self.subTest(name):
                self.fail_with('owner/name', hub, repository=name)
        self.assertEqual(hub.requests, [])

    def test_paths_that_lead_out_of_the_folder_are_refused(self):
        for path in (
            '../evil.json',
            '/etc/evil.json',
            'a/../../evil',
            'a\\..\\evil',
            'C:/evil',
            './x',
            'a\nb',
        ):
            with self.subTest(path):
                hub = self.hub(_CLIP)
                hub.extra_entries = [entry(path, b'x')]
                self.fail_with('not safe', hub)
                self.assertEqual(self.here(), {})

    def test_an_index_that_leads_out_of_the_folder_is_refused(self):
        index = json.dumps({'weight_map': {'a': '../evil.safetensors'}}).encode()
        self.fail_with('outside its folder', self.hub({**_BASE, 'model.safetensors.index.json': index}))

    def test_a_folder_that_cannot_be_written_is_named(self):
        with open(self.folder, 'w'):
            pass
        self.fail_with(self.folder, self.hub(_CLIP))

    def test_a_dead_endpoint_is_named(self):
        hub = StandIn(_CLIP)
        hub.close()
        self.fail_with('does not hold', hub)

    def test_the_program_is_executable(self):
        self.assertTrue(os.stat(_PROGRAM).st_mode & stat.S_IXUSR)


if __name__ == '__main__':
    unittest.main()
