"""Turns a finished training into the model directory:

    python3 export.py --state RUN/state.pt --out ../model --golden ../golden [--samples samples.png]

Writes an ordinary Hugging Face CLIP directory with weights in F16, reads it back, and takes every figure and
every golden embedding from what was read back, computed in fp32.
"""

import argparse
import json
import os

import torch
from PIL import Image

import model_card
import sample_sheet
import tokenizer
from evaluate import embed_images, embed_texts, full_report
from model_directory import load_model, split_in_proj, write_configuration, write_safetensors
from queries import golden_scenes
from render import IMAGE_SIZE
from tokenizer_files import write_tokenizer_files


def settle_unseen_tokens(state, optimizer_state):
    """Gives tokens that training never met (other bytes, half-merged pieces) the mean of meaningless words'
    letters.

    Changes `state` in place; returns how many tokens that were. Unseen are those without a trace in AdamW's
    moments.
    """
    embedding = state['text_model.embeddings.token_embedding.weight']
    moments = next(
        each['exp_avg_sq']
        for each in optimizer_state['state'].values()
        if each['exp_avg_sq'].shape == embedding.shape
    )
    unseen = moments.sum(1) == 0
    meaningless = [tokenizer.VOCABULARY[letter + tokenizer.END_OF_WORD] for letter in 'bcdfghjklmnpqrtuvwxyz']
    if unseen[meaningless].any():
        raise SystemExit(
            'The training was too short: it has not met every letter yet. Train longer, then export.'
        )
    embedding[unseen] = embedding[meaningless].mean(0)
    return int(unseen.sum())


def write_golden_cases(model, path):
    """golden.json and its pictures: what a right implementation answers, to six digits."""
    _, pictures, captions = golden_scenes()
    image_rows, text_rows = embed_images(model, pictures), embed_texts(model, captions)
    cases = []
    for i, caption in enumerate(captions):
        name = f'img{i:02d}.png'
        Image.fromarray(pictures[i]).save(os.path.join(path, name))
        cases.append(
            {
                'image': name,
                'caption': caption,
                'input_ids': tokenizer.encode(caption),
                'text_embed': [round(value, 6) for value in text_rows[i].tolist()],
                'image_embed': [round(value, 6) for value in image_rows[i].tolist()],
            }
        )
    note = (
        'L2-normalised projections, computed by torch in fp32 from the F16 weights; the images are exactly '
        f'{IMAGE_SIZE}x{IMAGE_SIZE}, so resize and crop do nothing'
    )
    with open(os.path.join(path, 'golden.json'), 'w') as file:
        json.dump(dict(note=note, logit_scale=model.logit_scale.item(), cases=cases), file)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('--state', required=True, help='checkpoint that train.py wrote')
    add('--out', required=True, help='model directory to write')
    add('--golden', required=True, help='folder for the golden cases')
    add('--samples', help='picture to write: what twelve queries find')
    add('--threads', type=int, default=2)
    add('--note', default='', help='a sentence about the training for the model card')
    add('--last', action='store_true', help='the last weights instead of their running mean')
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    os.makedirs(arguments.out, exist_ok=True)
    os.makedirs(arguments.golden, exist_ok=True)

    state = torch.load(arguments.state, map_location='cpu')
    weights = state['model' if arguments.last else 'mean_model']
    print('tokens never met:', settle_unseen_tokens(weights, state['optimizer']))
    weights_path = os.path.join(arguments.out, 'model.safetensors')
    write_safetensors(weights_path, split_in_proj(weights))
    write_configuration(arguments.out, state['config'])
    write_tokenizer_files(arguments.out)

    model = load_model(arguments.out)
    report = full_report(model)
    report['training'] = dict(
        parameters=sum(p.numel() for p in model.parameters()),
        bytes=os.path.getsize(weights_path),
        steps=state['steps'],
        pictures=state['pictures'],
        seconds=round(state['seconds']),
        logit_scale=round(model.logit_scale.exp().item(), 2),
        note=arguments.note,
    )
    write_golden_cases(model, arguments.golden)
    with open(os.path.join(arguments.out, 'eval.json'), 'w') as file:
        json.dump(report, file, indent=1)
        file.write('\n')
    model_card.write(arguments.out)
    print(json.dumps(report, indent=1))
    if arguments.samples:
        sample_sheet.write(model, arguments.samples)


if __name__ == '__main__':
    main()
