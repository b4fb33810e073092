"""Measures a model with torch on combinations of attributes that training never saw.

python3 evaluate.py ../model        prints the figures of the model card as JSON
"""

import functools
import json
import sys

import torch

import tokenizer
from figures import recall, short_query_precision, zero_shot
from model import pixel_values
from queries import held_out_gallery

_AT_ONCE = 250
_cached_gallery = functools.lru_cache(maxsize=None)(held_out_gallery)
_WORDINGS = dict(
    full_stop=lambda text: text + ' .',
    digits=lambda text: text.replace('two', '2').replace('three', '3').replace('four', '4'),
    unknown_words=lambda text: f'my dog likes {text} today',
)


@torch.no_grad()
def embed_images(model, pictures):
    """uint8 [N, 48, 48, 3] -> float32 [N, d] numpy."""
    parts = [
        model.embed_images(pixel_values(pictures[i : i + _AT_ONCE]))
        for i in range(0, len(pictures), _AT_ONCE)
    ]
    return torch.cat(parts).numpy()


@torch.no_grad()
def embed_texts(model, texts):
    """N strings -> float32 [N, d] numpy."""
    ids = [tokenizer.encode(text) for text in texts]
    batches = [torch.from_numpy(tokenizer.pad(ids[i : i + _AT_ONCE])) for i in range(0, len(ids), _AT_ONCE)]
    return torch.cat([model.embed_texts(batch) for batch in batches]).numpy()


def _measured(model, n, seed, *layout):
    """(embed_texts, scenes, image embeddings): the first arguments of every figure."""
    scenes, pictures = _cached_gallery(n, seed, *layout)
    return functools.partial(embed_texts, model), scenes, embed_images(model, pictures)


def quick_report(model):
    """A few seconds' look, for the log of the training."""
    gallery = _measured(model, 500, 777)
    short = short_query_precision(*gallery)
    return dict(
        recall=recall(*gallery),
        zero_shot=zero_shot(*gallery),
        precision_at_1={family: figures['p1'] for family, figures in short.items()},
    )


def full_report(model):
    """The figures of the model card."""
    report = dict(recall_500=recall(*_measured(model, 500, 4242)))
    gallery = _measured(model, 1000, 4343)
    report['recall_1000'] = recall(*gallery)
    report['short_queries_1000'] = short_query_precision(*gallery)
    for name, wording in _WORDINGS.items():
        short = short_query_precision(*gallery, wording)
        report['precision_at_1_' + name] = {family: figures['p1'] for family, figures in short.items()}
    report['zero_shot_3000'] = zero_shot(*_measured(model, 3000, 4444))
    report['zero_shot_any_size_and_place'] = zero_shot(*_measured(model, 1000, 4545, (1.0, 0.0, 0.0), 1.0))
    return report


if __name__ == '__main__':
    from model_directory import load_model

    print(json.dumps(full_report(load_model(sys.argv[1])), indent=1))
