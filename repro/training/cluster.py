"""The processes of one training: one worker, or one on each of several machines, joined by MXNet's kvstore (ps-lite).

ps-lite wants a scheduler and servers beside the workers; all learn of each other through environment variables. The
scheduler and the servers (one per worker) run here, the workers where `hosts` says: here, or over ssh with the project
in the same folder. Nothing of this imports mxnet.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from repro.errors import UserError

LOCAL = ("localhost", "127.0.0.1")
ROLE = "DMLC_ROLE"  # set in every process of a cluster
PARENT = "CLUSTER_PARENT"  # which process started a worker on this machine
_SSH = ("ssh", "-tt", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3")


def parse_hosts(text: str) -> List[str]:
    """"" -> [], "a,b" -> ["a", "b"]; a host may stand more than once. UserError for an empty name."""
    hosts = text.split(",") if text else []
    for host in hosts:
        if not host.strip() or host.startswith("-") or any(c.isspace() for c in host):
            raise UserError(f"HOSTS: {host!r} in {text!r} is not a host; give names such as localhost,other")
    return hosts


def address(hosts: Sequence[str]) -> str:
    """Return this machine's address as the workers see it; UserError where the first other one is not known."""
    remote = [host for host in hosts if host not in LOCAL]
    if not remote:
        return "127.0.0.1"
    name = remote[0].rpartition("@")[2]
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:  # sends nothing; asks for the route
            probe.connect((socket.gethostbyname(name), 9))
            return probe.getsockname()[0]
    except OSError as error:
        raise UserError(f"HOSTS: {name}: {error}") from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def worker(command: Sequence[str], host: str, environment: Dict[str, str], folder: Path,
           file: Optional[Path] = None) -> subprocess.Popen:
    """Start one worker on `host`; `file` is a text that the command reads, carried to another machine."""
    if host in LOCAL:
        here = {**os.environ, PARENT: str(os.getpid()), **environment}
        return subprocess.Popen(command, cwd=folder, env=here)
    there = shlex.join(["env", *(f"{k}={v}" for k, v in environment.items()), *command])
    steps = [f"cd {shlex.quote(str(folder))}", f"exec {there}"]
    if file is not None:
        text, place = shlex.quote(file.read_text(encoding="utf-8")), shlex.quote(str(file))
        steps[1:1] = [f"mkdir -p $(dirname {place})", f"printf %s {text} > {place}"]
    return subprocess.Popen([*_SSH, host, " && ".join(steps)], stdin=subprocess.DEVNULL)


def _ended(process: subprocess.Popen, seconds: float) -> None:
    """Wait for so long at most, then kill."""
    try:
        process.wait(max(0.0, seconds))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def end_with_parent(parent: int = 0) -> None:
    """End this process when the one that started it has ended, however that ended.

    parent  its process id; 0: that which has not ended by now.
    """
    parent = parent or os.getppid()

    def watch():
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)
    threading.Thread(target=watch, daemon=True).start()


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


class Cluster:
    """All processes of one training. `poll` is None while it runs, then its exit code; `stop` ends it.

    command      of a worker. hosts: where workers run; none: one worker here, without kvstore.
    environment  to set for the workers. folder: where they run. file: a text that they read.
    """

    def __init__(self, command: Sequence[str], hosts: Sequence[str], environment: Dict[str, str], folder: Path,
                 file: Optional[Path] = None):
        self.helpers: List[subprocess.Popen] = []
        self.hosts, self.failed = hosts, ""
        if not hosts:
            self.workers = [worker(command, LOCAL[0], environment, folder)]
            return
        shared = {"DMLC_PS_ROOT_URI": address(hosts), "DMLC_PS_ROOT_PORT": str(_free_port()),
                  "DMLC_NUM_WORKER": str(len(hosts)), "DMLC_NUM_SERVER": str(len(hosts))}
        here = {**os.environ, **shared, "DMLC_NODE_HOST": shared["DMLC_PS_ROOT_URI"], "OMP_NUM_THREADS": "1"}
        helper = f"from repro.training.cluster import end_with_parent; end_with_parent({os.getpid()}); import mxnet"
        for role in ("scheduler", *["server"] * len(hosts)):  # importing mxnet is all they do, until the end
            self.helpers.append(subprocess.Popen([sys.executable, "-W", "ignore", "-c", helper], cwd=folder,
                                                 env={**here, ROLE: role}))
        self.workers = [worker(command, host, {**environment, **shared, ROLE: "worker",
                                               **({"DMLC_NODE_HOST": "127.0.0.1"} if host in LOCAL and
                                                  shared["DMLC_PS_ROOT_URI"] == "127.0.0.1" else {})}, folder, file)
                        for host in hosts]

    def poll(self) -> Optional[int]:
        """Return the exit code once all workers have ended, or one process has failed: the others, which would wait for
        ever, are then stopped, and `failed` says which it was."""
        codes = [one.poll() for one in self.workers]
        for number, code in enumerate(codes):
            if code:
                if len(codes) > 1:
                    self.failed = f"worker {number + 1} of {len(codes)} on {self.hosts[number]} ended ({_how(code)})"
                self.stop()
                return code
        if None in codes:
            for role, code in zip(("scheduler", *["server"] * len(codes)), [helper.poll() for helper in self.helpers]):
                if code:
                    self.failed = f"a {role} of the kvstore ended ({_how(code)})"
                    self.stop()
                    return code
            return None
        self.stop()  # the helpers end by themselves, soon
        return 0

    def stop(self) -> None:
        """End every process."""
        for one in self.workers:
            if one.poll() is None:
                one.terminate()
        for one in self.workers:
            _ended(one, 10)
        deadline = time.monotonic() + 2
        for one in self.helpers:
            _ended(one, deadline - time.monotonic())
