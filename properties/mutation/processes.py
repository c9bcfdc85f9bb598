# SPDX-License-Identifier: Apache-2.0
"""Commands that are run, and ended when an interruption comes: Ctrl-C and SIGTERM end what runs, and with it what that
has started; execute() then raises Interrupted. What is said meanwhile goes to standard error."""

import concurrent.futures
import contextlib
import os
import signal
import subprocess
import sys
import threading

OK, USAGE, SUBJECT, IO, INTERRUPTED, VIOLATION, FLAKY = 0, 2, 3, 4, 5, 10, 12
TIMEOUT = 600  # seconds of one command: nothing takes so long, and what does has failed

interruption = threading.Event()
running = set()


class Interrupted(Exception):
    """Ctrl-C or SIGTERM came."""


class Stopped(Exception):
    """Ends the command with a status and the reason."""


class WrongList(Stopped):
    """Wrong usage, or a list that is no list or no longer true."""

    status = USAGE


class Broken(Stopped):
    """Something does not compile, or is not there."""

    status = SUBJECT


class Refused(Broken):
    """A mutant could not be run."""


class NoEnd(Refused):
    """A command took more than TIMEOUT."""


def status_of(work):
    """Does the work of a command, and returns with which status it ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_interrupt)
    try:
        return work()
    except Stopped as stopped:
        return stop(stopped.status, str(stopped))
    except Interrupted:
        return stop(INTERRUPTED, "interrupted")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return IO
    except OSError as error:
        return stop(IO, f"{error.filename or 'scratch folder'}: {error.strerror}")


def on_interrupt(number, frame):
    interruption.set()
    for process in list(running):
        kill(process, signal.SIGTERM)


def kill(process, number):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def execute(command, cwd=None, environment={}, preexec=None):
    """Runs a command in a group of its own, and returns how it ended and what it said."""
    if interruption.is_set():
        raise Interrupted
    try:
        process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   encoding="utf-8", errors="replace", start_new_session=True, preexec_fn=preexec,
                                   env={**os.environ, **environment})  # fmt: skip
    except OSError as error:
        raise Refused(f"{command[0]}: {error.strerror}")
    running.add(process)
    if interruption.is_set():
        kill(process, signal.SIGTERM)
    try:
        out, err = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise NoEnd(f"{' '.join(command[:3])} took more than {TIMEOUT} s")
    finally:
        if process.returncode is None:
            kill(process, signal.SIGKILL)
            process.communicate()
        running.discard(process)
    if interruption.is_set():
        raise Interrupted
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def run_all(pool, jobs):
    """The result of each job as it ends; when one raises, or nobody wants more, the others are not begun."""
    pending = [pool.submit(job) for job in jobs]
    try:
        for done in concurrent.futures.as_completed(pending):
            yield done.result()
    finally:
        for job in pending:
            job.cancel()


def tell(line):
    progress("")
    print(f"vmapcheck: {line}", file=sys.stderr, flush=True)


def progress(line):
    if sys.stderr.isatty():
        print(f"\r\033[K{line[:78]}", end="", file=sys.stderr, flush=True)


def stop(status, line):
    tell(line)
    return status
