"""Byte-pair tokenizer in the layout of OpenAI's CLIP, built from the words of the grammar.

Every word of the grammar is one token; any other word falls back to pieces, letters and bytes. This encoder
serves training: it takes lower-case words divided by blanks, as the grammar writes them. The service's own
tokenizer, which takes any text, reads the vocabulary and merges that export.py writes.
"""

import numpy as np

from attributes import COLOURS, FUNCTION_WORDS, SHAPES, SIZES, TEXTURES, plural

CONTEXT_LENGTH = 32
START, END = '<|startoftext|>', '<|endoftext|>'
END_OF_WORD = '</w>'


def byte_symbols():
    """The printable character that stands for each byte, in GPT-2's order: printable bytes first, then the
    rest."""
    printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]


def _join(pieces, pair):
    """Joins each occurrence of `pair` in the list of pieces, from the left."""
    joined, i = [], 0
    while i < len(pieces):
        if tuple(pieces[i : i + 2]) == pair:
            joined.append(pieces[i] + pieces[i + 1])
            i += 2
        else:
            joined.append(pieces[i])
            i += 1
    return joined


def build_vocabulary():
    """Merges the most frequent pair of the word list until every word is one piece.

    Returns (vocabulary: token -> id, merges: list of pairs in the order of their rank). Ties go to the pair
    that sorts first, so that the result depends on the words alone.
    """
    words = set(FUNCTION_WORDS) | set(COLOURS) | set(SHAPES) | set(TEXTURES) | set(SIZES)
    words |= {plural(shape) for shape in SHAPES}
    split = [list(word[:-1]) + [word[-1] + END_OF_WORD] for word in sorted(words)]
    merges = []
    while True:
        frequency = {}
        for pieces in split:
            for pair in zip(pieces, pieces[1:]):
                frequency[pair] = frequency.get(pair, 0) + 1
        if not frequency:
            break
        merges.append(max(sorted(frequency), key=frequency.get))
        split = [_join(pieces, merges[-1]) for pieces in split]
    symbols = byte_symbols()
    tokens = symbols + [symbol + END_OF_WORD for symbol in symbols]
    tokens += [first + second for first, second in merges] + [START, END]
    return {token: index for index, token in enumerate(tokens)}, merges


VOCABULARY, MERGES = build_vocabulary()
START_ID, END_ID = VOCABULARY[START], VOCABULARY[END]
_RANKS = {pair: rank for rank, pair in enumerate(MERGES)}
_whole_words = {}  # ids of words that are one token; the others are too many to keep


def encode_word(word):
    """Ids of one lower-case ASCII word."""
    pieces = list(word[:-1]) + [word[-1] + END_OF_WORD]
    while len(pieces) > 1:
        best = min(zip(pieces, pieces[1:]), key=lambda pair: _RANKS.get(pair, len(MERGES)))
        if best not in _RANKS:
            break
        pieces = _join(pieces, best)
    return [VOCABULARY[piece] for piece in pieces]


def encode(caption):
    """Ids of a caption with start and end token, at most CONTEXT_LENGTH."""
    ids = [START_ID]
    for word in caption.split():
        word_ids = _whole_words.get(word) or encode_word(word)
        if len(word_ids) == 1:
            _whole_words[word] = word_ids
        ids += word_ids
    return ids[: CONTEXT_LENGTH - 1] + [END_ID]


def pad(id_lists):
    """int64 [N, longest], filled up with END_ID (the model reads the first of them)."""
    padded = np.full((len(id_lists), max(map(len, id_lists))), END_ID, np.int64)
    for row, ids in zip(padded, id_lists):
        row[: len(ids)] = ids
    return padded
