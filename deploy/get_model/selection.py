"""Which files of a repository a model needs."""

import fnmatch
import json
import posixpath

from hub import HubError

_DESCRIPTIONS = (
    'config.json',
    'preprocessor_config.json',
    'processor_config.json',
    'open_clip_config.json',
    'modules.json',
    'sentence_bert_config.json',
    'config_sentence_transformers.json',
    'LICENSE*',
)
_TOKENIZERS = (
    'tokenizer.json',
    'tokenizer_config.json',
    'special_tokens_map.json',
    'added_tokens.json',
    'vocab.json',
    'vocab.txt',
    'merges.txt',
    'spiece.model',
    'sentencepiece.bpe.model',
    'tokenizer.model',
)
_INDEX = 'model.safetensors.index.json'
_SINGLE_WEIGHTS = ('model.safetensors', 'open_clip_model.safetensors', 'open_clip_pytorch_model.safetensors')
# The first of these that are there.
_PICKLED_WEIGHTS = (
    ('pytorch_model.bin',),
    ('pytorch_model-*-of-*.bin', 'pytorch_model.bin.index.json'),
    ('open_clip_pytorch_model.bin',),
)


class OnlyPickledWeights(HubError):
    """The repository has weights, but none in safetensors."""


def _matching(files, folder, patterns):
    names = {posixpath.basename(path): path for path in files if posixpath.dirname(path) == folder}
    return [
        path for name, path in sorted(names.items()) if any(fnmatch.fnmatchcase(name, p) for p in patterns)
    ]


def select(files, read, allow_pickle=False):
    """Paths to fetch, small ones first.

    files: {path: RemoteFile}.  read: function path -> bytes of a small file; asked for modules.json and for
    the index of sharded weights.  allow_pickle: take pytorch_model.bin where there is no safetensors. Raises
    OnlyPickledWeights or HubError.
    """
    folders = ['']
    if 'modules.json' in files:
        folders += [folder for folder in _module_folders(read('modules.json')) if folder]
    chosen, pickled = [], []
    for folder in folders:
        chosen += _matching(files, folder, _DESCRIPTIONS + _TOKENIZERS)
        weights = _weights(files, folder, read)
        old = [] if weights else _pickles(files, folder)
        pickled += old
        chosen += weights + (old if allow_pickle else [])
    if pickled and not allow_pickle:
        raise OnlyPickledWeights(', '.join(pickled))
    if not any(path.endswith(('.safetensors', '.bin')) for path in chosen):
        raise HubError(
            'The repository has no weights that could be served: neither *.safetensors nor pytorch_model.bin.'
        )
    return sorted(dict.fromkeys(chosen), key=lambda path: (files[path].size, path))


def _module_folders(data):
    """The folders that modules.json of sentence-transformers names; '' is the repository's own."""
    try:
        folders = [module['path'].rstrip('/') for module in json.loads(data)]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise HubError('modules.json is not the list of modules that sentence-transformers writes.') from None
    return list(dict.fromkeys(folders))


def _pickles(files, folder):
    found = [_matching(files, folder, patterns) for patterns in _PICKLED_WEIGHTS]
    return next(filter(None, found), [])


def _weights(files, folder, read):
    """The best weights of a folder: one file, or the shards of an index, or whatever safetensors there is."""
    single = [path for name in _SINGLE_WEIGHTS for path in _matching(files, folder, (name,))]
    if single:
        return single[:1]
    index = posixpath.join(folder, _INDEX)
    if index in files:
        return [index] + _shards(files, folder, index, read(index))
    return _matching(files, folder, ('*.safetensors',))


def _shards(files, folder, index, data):
    try:
        names = sorted(set(json.loads(data)['weight_map'].values()))
        unsafe = [name for name in names if '/' in name or '\\' in name or name in ('', '.', '..')]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise HubError(f'{index} is not the index of sharded weights.') from None
    if unsafe:
        raise HubError(f'{index} names a shard outside its folder, so nothing is written: {unsafe[0]!r}')
    missing = [name for name in names if posixpath.join(folder, name) not in files]
    if missing:
        raise HubError(f'{index} names shards that the repository does not have: {", ".join(missing)}')
    return [posixpath.join(folder, name) for name in names]
