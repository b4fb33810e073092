"""Says how far the download is: one moving line on a terminal, a line per tenth elsewhere."""

import time

_BETWEEN = 0.2  # seconds between two updates of the moving line


def human_size(size):
    """1.5 MB and so on; powers of ten, as disks are sold."""
    for unit in ('B', 'kB', 'MB', 'GB'):
        if size < 1000:
            return f'{size:.0f} {unit}' if unit == 'B' else f'{size:.1f} {unit}'
        size /= 1000
    return f'{size:.1f} TB'


class Progress:
    """Callable (file, bytes here), as Transfer wants it."""

    def __init__(self, out, clock=time.monotonic):
        self._out, self._clock = out, clock
        self._moving = out.isatty()
        self._file = None
        self._last_time = self._last_tenth = 0

    def __call__(self, file, here):
        now = self._clock()
        if file is not self._file:
            self._file, self._first_time, self._first_bytes = file, now, here
            self._last_time, self._last_tenth = 0, here * 10 // max(1, file.size)
        if self._moving and now - self._last_time >= _BETWEEN:
            self._last_time = now
            self._write('\r', file, here, now, '\x1b[K')
        elif not self._moving and here * 10 // max(1, file.size) > self._last_tenth:
            self._last_tenth = here * 10 // file.size
            if file.size > 10_000_000:  # small ones only say when they are done
                self._write('', file, here, now, '\n')

    def _write(self, before, file, here, now, after):
        seconds = now - self._first_time
        rate = (here - self._first_bytes) / seconds if seconds > 0 else 0
        left = f', {(file.size - here) / rate:.0f} s left' if rate > 0 else ''
        percent = 100 * here // max(1, file.size)
        size = human_size(file.size)
        self._out.write(f'{before}  {file.path}: {percent} % of {size}, {human_size(rate)}/s{left}{after}')
        self._out.flush()

    def done(self, file, outcome):
        """Ends the file's line."""
        before, after = ('\r', '\x1b[K\n') if self._moving else ('', '\n')
        self._out.write(f'{before}  {file.path}: {human_size(file.size)}, {outcome}{after}')
        self._out.flush()
        self._file = None
