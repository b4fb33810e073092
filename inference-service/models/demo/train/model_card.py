"""Writes the model card, README.md of the model directory:  python3 model_card.py DIR

It is a function of config.json and eval.json in DIR.
"""

import json
import os
import sys
import textwrap

from attributes import COLOURS, SHAPES, SIZES, TEXTURES

_WIDTH = 110
_EXAMPLES = dict(
    colour_shape='"a red circle"',
    count_shape='"two hearts"',
    texture_shape='"a striped star"',
    colour_shape_ground='"a blue square on a yellow background"',
    pair='"a star and a circle"',
)
_WORDINGS = dict(
    full_stop='a full stop at the end',
    digits='"2" for "two"',
    unknown_words='unknown words around it ("my dog likes ... today")',
)

_TEMPLATE = """\
# A small demonstration CLIP model: coloured shapes

An ordinary Hugging Face `CLIPModel` directory that any CLIP loader runs, {megabytes:.2f} MB. It exists so
that search by text over pictures can be shown and tested without a download. **It knows only drawn shapes on
plain grounds; on photographs its answers mean nothing.**

- Vision: {image_size} x {image_size} pixels, patch {patch_size}, width {hidden_size}, {num_hidden_layers}
  layers, {num_attention_heads} heads. Text: {text[vocab_size]} tokens, width {text[hidden_size]},
  {text[num_hidden_layers]} layers, {text[num_attention_heads]} heads, at most {text[max_position_embeddings]}
  tokens. Embedding {projection_dim}. {training[parameters]:,} parameters, stored as F16. Activation
  quick_gelu, pre-LN, class token, causal text with EOS pooling.
- Knows: {shape_count} shapes ({shapes}); {colour_count} colours ({colours}; "gray" too); {texture_count}
  textures ({textures}); sizes ({sizes}); nine places ("in the top left"); counts one to four; backgrounds;
  pairs (left of, right of, above, below, and).
- Ask in English, e.g. `a red circle`, `two hearts`, `2 hearts`, `a striped star`, `a blue square on a yellow
  background`, `something purple`, `a star above a circle`.
- Data and weights are the project's own work: pictures come from the renderer in `../train/`, captions from
  its grammar; the vocabulary is built from the grammar's words. No foreign data or weights.
- Training: {training[pictures]:,} pictures with two captions each ({training[steps]:,} steps) in
  {minutes:.0f} minutes on two CPU cores. {training[note]}

## Figures

Taken from the exported F16 weights, on combinations of attributes that training never saw: one tenth of all
combinations is held out by a hash. All attributes and pairs of attributes were seen in other combinations, so
this measures new combinations, not new attributes. Truth is strict: for "a red circle" exactly one red circle
must be in the picture. All figures are in `eval.json`; `../train/evaluate.py` takes them again with torch,
`../train/evaluate_service.py` through the running service.

| what | value |
| --- | --- |
{rows}
{checks}
## What it does not know

- Photographs, and anything else that is not drawn like its own pictures: it answers all the same, with
  nonsense. Fetch a real model for real pictures (`deploy/get-model.sh`).
- Words outside its grammar: they are split into letters and mostly ignored; one to three of them in a query
  do little harm. Languages other than English.
- Negation ("not red"), comparison, counting beyond four.
- Sizes and places of objects that are not alone; textures in pairs.
- Order among pictures that satisfy a query equally: it is arbitrary.

## Making it again

    cd ../train
    python3 train.py --out RUN --minutes 30
    python3 export.py --state RUN/state.pt --out ../model --golden ../golden

Needs Python 3, PyTorch, numpy and Pillow (Debian: python3-torch, python3-numpy, python3-pil). The run is
seeded, but as it is planned by the clock, another machine takes more or fewer steps and gets other bytes;
`--steps` plans by steps instead. `../train/README.md` describes the programs.
"""


def _percent(value):
    return f'{100 * value:.1f} %'


def _rows(report):
    """(what, value) pairs of the table."""
    recalls = [report[f'recall_{n}'] for n in (500, 1000)]
    yield (
        'text -> image recall@1, full captions, gallery 500 / 1000',
        ' / '.join(_percent(recall['t2i_r1']) for recall in recalls),
    )
    yield 'image -> text recall@1, gallery 500', _percent(recalls[0]['i2t_r1'])
    for family, figures in report['short_queries_1000'].items():
        what = f'{_EXAMPLES[family]}: precision@1 / R-precision, gallery 1000 ({figures["n"]} queries)'
        yield what, f'{_percent(figures["p1"])} / {_percent(figures["rprec"])}'
    for task, value in report['zero_shot_3000'].items():
        yield f'zero-shot {task} by prompt', _percent(value)
    for task, value in report['zero_shot_any_size_and_place'].items():
        yield f'zero-shot {task}, object of any size and place', _percent(value)
    for name, words in _WORDINGS.items():
        values = report['precision_at_1_' + name].values()
        yield (
            f'the five families with {words}: precision@1, lowest and mean',
            f'{_percent(min(values))} / {_percent(sum(values) / len(values))}',
        )


def _checks(report):
    """Paragraphs about checks that were made by hand after the export and entered in eval.json."""
    paragraphs = [report[name] for name in ('checked_service', 'checked_tokenizer') if name in report]
    return '\n' + '\n\n'.join(paragraphs) + '\n' if paragraphs else ''


def _filled(text):
    """Fills paragraphs and list items to a width; tables, headings and code keep their lines."""
    result = []
    for paragraph in text.split('\n\n'):
        if paragraph.startswith(('    ', '#', '|')):
            result.append(paragraph)
            continue
        items = paragraph.replace('\n- ', '\n\0- ').split('\n\0')
        for i, item in enumerate(items):
            words = ' '.join(item.split())
            indent = '  ' if item.startswith('- ') else ''
            items[i] = textwrap.fill(
                words, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
            )
        result.append('\n'.join(items))
    return '\n\n'.join(result) + '\n'


def write(path):
    """Writes README.md into the model directory."""
    with open(os.path.join(path, 'config.json')) as file:
        configuration = json.load(file)
    with open(os.path.join(path, 'eval.json')) as file:
        report = json.load(file)
    training = report['training']
    card = _TEMPLATE.format(
        megabytes=training['bytes'] / 1e6,
        minutes=training['seconds'] / 60,
        training=training,
        text=configuration['text_config'],
        projection_dim=configuration['projection_dim'],
        shape_count=len(SHAPES),
        shapes=', '.join(SHAPES),
        colour_count=len(COLOURS),
        colours=', '.join(COLOURS),
        texture_count=len(TEXTURES),
        textures=', '.join(TEXTURES),
        sizes=', '.join(SIZES),
        rows='\n'.join(f'| {what} | {value} |' for what, value in _rows(report)),
        checks=_checks(report),
        **{
            name: configuration['vision_config'][name]
            for name in (
                'image_size',
                'patch_size',
                'hidden_size',
                'num_hidden_layers',
                'num_attention_heads',
            )
        },
    )
    with open(os.path.join(path, 'README.md'), 'w') as file:
        file.write(_filled(card))


if __name__ == '__main__':
    write(sys.argv[1])
