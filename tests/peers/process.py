"""Programs that a test starts, waits for, and always stops."""

import re
import signal
import subprocess
import time


def wait_until(look, what, seconds=30):
    """Returns the first true answer of `look`; fails naming `what` after a generous while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


class Process:
    """A running program, its two outputs in files."""

    def __init__(self, command, folder, name, environment=None):
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.out_path = folder / f"{name}.out"
        self.err_path = folder / f"{name}.err"
        with open(self.out_path, "ab") as out, open(self.err_path, "ab") as err:
            self.child = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                env=environment,
            )

    def out(self):
        """What it printed on standard output so far."""
        return self.out_path.read_text(errors="replace")

    def err(self):
        """What it printed on standard error so far."""
        return self.err_path.read_text(errors="replace")

    def both(self):
        """All its words, for a failing test's message."""
        return f"--- {self.name} out\n{self.out()[-4000:]}\n--- {self.name} err\n{self.err()[-4000:]}"

    def running(self):
        """Whether it has not ended yet."""
        return self.child.poll() is None

    def wait_for(self, pattern, seconds=30):
        """Waits until either output has a match of `pattern`, and returns the match."""

        def look():
            found = re.search(pattern, self.out()) or re.search(pattern, self.err())
            if not found and not self.running():
                raise AssertionError(f"{self.name} ended before it said {pattern}\n{self.both()}")
            return found

        return wait_until(look, f"{self.name} to say {pattern}", seconds)

    def signal(self, number):
        """Sends a signal."""
        self.child.send_signal(number)

    def wait(self, seconds=60):
        """Waits for its end and returns its exit code."""
        return self.child.wait(seconds)

    def stop(self):
        """Ends it, by force when it does not go."""
        if self.running():
            self.child.terminate()
            try:
                self.child.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self):
        """Ends it at once: SIGKILL."""
        self.child.send_signal(signal.SIGKILL)
        self.child.wait(20)
