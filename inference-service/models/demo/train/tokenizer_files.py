"""Writes the tokenizer as Hugging Face's loaders read it."""

import json
import os

import tokenizer

# How OpenAI's CLIP cuts a text into words before the byte-pair merges.
_WORD_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def _tokenizer_configuration():
    return {
        'bos_token': tokenizer.START,
        'eos_token': tokenizer.END,
        'unk_token': tokenizer.END,
        'pad_token': tokenizer.END,
        'do_lower_case': True,
        'model_max_length': tokenizer.CONTEXT_LENGTH,
        'tokenizer_class': 'CLIPTokenizer',
    }


def _fast_tokenizer():
    """The contents of tokenizer.json: the whole pipeline, for Hugging Face's `tokenizers`."""

    def special(identifier, content, normalized):
        return {
            'id': identifier,
            'special': True,
            'content': content,
            'single_word': False,
            'lstrip': False,
            'rstrip': False,
            'normalized': normalized,
        }

    normalizers = [
        {'type': 'NFC'},
        {'type': 'Replace', 'pattern': {'Regex': r'\s+'}, 'content': ' '},
        {'type': 'Lowercase'},
    ]
    pretokenizers = [
        {'type': 'Split', 'pattern': {'Regex': _WORD_PATTERN}, 'behavior': 'Removed', 'invert': True},
        {'type': 'ByteLevel', 'add_prefix_space': False, 'trim_offsets': True},
    ]
    return {
        'version': '1.0',
        'truncation': None,
        'padding': None,
        'added_tokens': [
            special(tokenizer.START_ID, tokenizer.START, True),
            special(tokenizer.END_ID, tokenizer.END, False),
        ],
        'normalizer': {'type': 'Sequence', 'normalizers': normalizers},
        'pre_tokenizer': {'type': 'Sequence', 'pretokenizers': pretokenizers},
        'post_processor': {
            'type': 'RobertaProcessing',
            'sep': [tokenizer.END, tokenizer.END_ID],
            'cls': [tokenizer.START, tokenizer.START_ID],
            'trim_offsets': False,
            'add_prefix_space': False,
        },
        'decoder': {'type': 'ByteLevel', 'add_prefix_space': True, 'trim_offsets': True},
        'model': {
            'type': 'BPE',
            'dropout': None,
            'unk_token': tokenizer.END,
            'continuing_subword_prefix': '',
            'end_of_word_suffix': tokenizer.END_OF_WORD,
            'fuse_unk': False,
            'vocab': tokenizer.VOCABULARY,
            'merges': [' '.join(pair) for pair in tokenizer.MERGES],
        },
    }


def write_tokenizer_files(path):
    """vocab.json, merges.txt, tokenizer_config.json and tokenizer.json: a function of the grammar's words
    alone."""

    def write_json(name, content, **layout):
        with open(os.path.join(path, name), 'w', encoding='utf-8') as file:
            json.dump(content, file, **layout)

    write_json('vocab.json', tokenizer.VOCABULARY, ensure_ascii=False)
    with open(os.path.join(path, 'merges.txt'), 'w', encoding='utf-8') as file:
        file.write('#version: 0.2\n' + ''.join(' '.join(pair) + '\n' for pair in tokenizer.MERGES))
    write_json('tokenizer_config.json', _tokenizer_configuration(), indent=1)
    write_json('tokenizer.json', _fast_tokenizer(), ensure_ascii=False)
