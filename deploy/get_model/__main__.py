"""Fetches what a model needs from the Hugging Face hub into a folder that inference-server loads as it is.

Takes configuration, tokenizer and weights (safetensors), and of a sentence-transformers repository the
folders of its modules. Every file is checked against the hub's checksum. Run it again to continue after an
interruption; files that are here and right are kept.

environment:
  HF_ENDPOINT   another hub or mirror than https://huggingface.co
  HF_TOKEN      token for private and gated models; it is sent to the endpoint alone
"""

import argparse
import fcntl
import json
import os
import shutil
import sys

from hub import DEFAULT_ENDPOINT, Hub, HubError, TransferError
from progress import Progress, human_size
from selection import OnlyPickledWeights, select
from transfer import Transfer

_ONLY_PICKLES = (
    '{repository} has its weights only as pickle ({files}). inference-server reads it without running any code '
    'in it; other programs may not be so careful.'
)
_CONVERSION = (
    "{revision} has its weights only as pickle ({files}). Taking Hugging Face's own conversion to "
    'safetensors, which waits there as {converted}.'
)
_KEPT = 'What has arrived is kept: run the same command to continue.'
_SOURCE = 'source.json'  # which commit the folder holds


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog='get-model.sh', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('repository', metavar='REPO', help='owner/name on the hub, as openai/clip-vit-base-patch32')
    add('folder', metavar='DIR', help='where to put the model; made if it is missing')
    add(
        '--revision', default='main', help='branch, tag, commit, or pull request as refs/pr/1 (default: main)'
    )
    add(
        '--allow-pickle',
        action='store_true',
        help="take pytorch_model.bin where main has no safetensors, not Hugging Face's conversion",
    )
    add(
        '--retry-delay',
        type=float,
        default=1.0,
        help='seconds before trying again; doubles each time (default: 1)',
    )
    return parser.parse_args()


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def choose_files(hub, revision, read_from, allow_pickle):
    """(commit, {path: RemoteFile} of the chosen files). Where main has only pickles, turns to Hugging Face's
    conversion, and takes them where there is none.

    read_from: function commit -> function path -> bytes.
    """
    commit = hub.commit(revision)
    files = hub.files(commit)
    try:
        chosen = select(files, read_from(commit, files), allow_pickle)
    except OnlyPickledWeights as error:
        converted = hub.safetensors_conversion(commit)
        if converted is None:
            say(_ONLY_PICKLES.format(repository=hub.repository, files=error))
        else:
            say(_CONVERSION.format(revision=revision, files=error, converted=converted))
            commit = hub.commit(converted)
            files = hub.files(commit)
        chosen = select(files, read_from(commit, files), allow_pickle=True)
    return commit, {path: files[path] for path in chosen}


def check_space(folder, files):
    """HubError when the disk has no room for what is still missing."""
    needed = sum(file.size for path, file in files.items() if not os.path.exists(os.path.join(folder, path)))
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise HubError(
            f'{folder} has room for {human_size(free)}; the model needs {human_size(needed)} more.'
        )


def fetch_model(arguments):
    hub = Hub(
        arguments.repository,
        os.environ.get('HF_ENDPOINT') or DEFAULT_ENDPOINT,
        (os.environ.get('HF_TOKEN') or '').strip(),
    )
    folder = arguments.folder
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, '.get-model.lock'), 'w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HubError(f'Another get-model.sh is at work in {folder}; wait for it.') from None
        progress = Progress(sys.stderr)

        def read_from(commit, files):
            transfer = Transfer(hub, commit, folder, progress, arguments.retry_delay)

            def read(path):
                transfer.fetch(files[path])
                with open(os.path.join(folder, *path.split('/')), 'rb') as file:
                    return file.read()

            return read

        commit, files = choose_files(hub, arguments.revision, read_from, arguments.allow_pickle)
        check_space(folder, files)
        say(
            f'{arguments.repository} at {commit[:12]}: {len(files)} files,',
            human_size(sum(file.size for file in files.values())),
        )
        transfer = Transfer(hub, commit, folder, progress, arguments.retry_delay)
        for file in files.values():
            fetched = transfer.fetch(file)
            progress.done(file, 'fetched' if fetched else 'here already')
        source = dict(repository=arguments.repository, revision=arguments.revision, commit=commit)
        temporary = os.path.join(folder, _SOURCE + '.part')
        with open(temporary, 'w') as out:
            json.dump(source, out, indent=1)
        os.replace(temporary, os.path.join(folder, _SOURCE))
    name = arguments.repository.split('/')[-1]
    say(f'Done. Serve it with: inference-server --model {name}={folder}')


def main():
    arguments = parse_arguments()
    try:
        fetch_model(arguments)
    except TransferError as error:
        say(f'\nThe connection does not hold ({error}). {_KEPT}')
        return 1
    except (HubError, OSError) as error:
        say(f'\n{error}')
        return 1
    except KeyboardInterrupt:
        say(f'\nInterrupted. {_KEPT}')
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
