"""Trains the demonstration model:  python3 train.py --out RUN --minutes 30

Run it again with the same --out to resume after an interruption: the checkpoint is RUN/state.pt, the log
RUN/log.txt. With --steps the training is planned by steps and repeats exactly on the same machine; with
--minutes it is planned by the clock, and a faster machine takes more steps.
"""

import argparse
import json
import os
import sys
import time

# glibc's allocator returns and fetches the big buffers of every step unless told otherwise, which costs a
# fifth of the speed. It reads these settings at start only.
_PROCESS_SETTINGS = dict(
    OPENBLAS_NUM_THREADS='1',
    MALLOC_MMAP_THRESHOLD_='4294967296',
    MALLOC_TRIM_THRESHOLD_='8589934592',
    MALLOC_TOP_PAD_='268435456',
    MALLOC_ARENA_MAX='1',
)

_LONGEST_STEP = 30.0  # seconds; a machine that slept does not shorten the plan


def _restart_with_settings():
    if not all(name in os.environ for name in _PROCESS_SETTINGS):
        os.environ.update({name: os.environ.get(name, value) for name, value in _PROCESS_SETTINGS.items()})
        os.execv(sys.executable, [sys.executable] + sys.argv)


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('--out', required=True, help='folder of the run')
    add('--minutes', type=float, default=30, help='planned length; the learning rate reaches zero then')
    add('--steps', type=int, default=0, help='plan by steps instead of by the clock')
    add(
        '--stop-after',
        type=float,
        default=float('inf'),
        help='end this call after so many minutes; resume later',
    )
    add('--batch', type=int, default=128, help='pictures per step; even')
    add('--learning-rate', type=float, default=1.5e-3)
    add('--weight-decay', type=float, default=0.05)
    add(
        '--mean-decay',
        type=float,
        default=0.999,
        help='of the running mean of the weights, which is exported',
    )
    add('--vision-layers', type=int, default=5)
    add('--tap', type=int, default=2, help='vision layer whose patches the dense head reads')
    add('--passes', type=int, default=2, help='times each rendered picture is used')
    add('--threads', type=int, default=2)
    add('--seed', type=int, default=1)
    add('--save-every', type=float, default=5, help='minutes between checkpoints')
    add('--evaluate-every', type=float, default=4, help='minutes between evaluations')
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    import torch
    from batches import BatchProcess
    from evaluate import quick_report
    from trainer import Trainer

    torch.set_num_threads(arguments.threads)
    os.makedirs(arguments.out, exist_ok=True)
    trainer = Trainer(
        arguments.seed,
        arguments.learning_rate,
        arguments.weight_decay,
        arguments.mean_decay,
        arguments.vision_layers,
        arguments.tap,
    )
    checkpoint = os.path.join(arguments.out, 'state.pt')
    if os.path.exists(checkpoint):
        trainer.load(checkpoint)

    def planned():
        return (
            trainer.steps / arguments.steps if arguments.steps else trainer.seconds / (60 * arguments.minutes)
        )

    def say(*words):
        line = ' '.join(map(str, words))
        print(line, flush=True)
        log.write(line + '\n')
        log.flush()

    supply = BatchProcess(arguments.seed, trainer.steps, arguments.batch, arguments.passes, arguments.steps)
    started = last = time.monotonic()
    next_save, next_evaluation = arguments.save_every, arguments.evaluate_every
    pictures_before, smooth = trainer.pictures, None
    with open(os.path.join(arguments.out, 'log.txt'), 'a') as log:
        say(trainer.parameter_count(), 'parameters, from step', trainer.steps, vars(arguments))
        while planned() < 1 and time.monotonic() - started < 60 * arguments.stop_after:
            supply.set_progress(planned())
            losses = trainer.step(supply.next(), planned())
            now = time.monotonic()
            trainer.seconds += min(now - last, _LONGEST_STEP)
            last, smooth = now, smooth or losses
            smooth = {name: 0.98 * smooth[name] + 0.02 * value for name, value in losses.items()}
            minutes = (now - started) / 60
            if trainer.steps % 200 == 0:
                values = ' '.join(f'{name} {value:.3f}' for name, value in smooth.items())
                rate = (trainer.pictures - pictures_before) / (60 * minutes)
                say('step', trainer.steps, values, f'{rate:.0f} pictures/s', f'{100 * planned():.1f} % done')
            if minutes > next_evaluation:
                next_evaluation += arguments.evaluate_every
                say('  evaluation', json.dumps(quick_report(trainer.mean_model())))
            if minutes > next_save:
                next_save += arguments.save_every
                trainer.save(checkpoint)
        trainer.save(checkpoint)
        say('end: step', trainer.steps, 'pictures', trainer.pictures, 'seconds', round(trainer.seconds))
        say('  evaluation', json.dumps(quick_report(trainer.mean_model())))
    supply.close()


if __name__ == '__main__':
    _restart_with_settings()
    main()
