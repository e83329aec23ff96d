#!/usr/bin/env python
"""A SLURM cluster of three nodes on this machine, for tests: ``cluster.py install|up|down FOLDER``.

Everything is Debian's: controller, two node daemons, accounting with its database, munge. All of it
listens on loopback and lives in one folder; it is stopped by its process ids.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import string
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = ("slurmctld", "slurmd", "slurm-client", "slurmdbd", "munge", "mariadb-server")
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "slurmdbd", "munged", "mariadbd")
ACCOUNTS = ("proj",)
NODES = ("n1", "n2", "n3")
FIRST_PORT = 17300


def why_not() -> str:
    """Return why no cluster can be started here; empty where one can."""
    if os.geteuid() != 0:
        return "daemons of SLURM need root"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"not installed: {', '.join(missing)} (make test-slurm does so)" if missing else ""


def install() -> str:
    """Install the packages where that is possible; return `why_not`."""
    if not why_not() or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return why_not()
    quiet = {
        "stdout": subprocess.DEVNULL,
        "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    }
    subprocess.run(["apt-get", "update", "-q"], check=False, **quiet)
    command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *PACKAGES]
    subprocess.run(command, check=False, **quiet)
    return why_not()


def wait_for(what: str, is_there: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until something is true.

    Raises
    ------
    TimeoutError
        When it is not after so many seconds.
    """
    end = time.monotonic() + seconds
    while not is_there():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not after {seconds:g} seconds")
        time.sleep(0.1)


class Cluster:
    """A cluster in a folder: configuration, state, logs and process ids."""

    def __init__(self, folder: str | Path, first_port: int = FIRST_PORT) -> None:
        self.folder = Path(folder).resolve()
        names = ("controller", "accounting", "database", "node1", "node2", "node3")
        ports = {f"{name}_port": str(first_port + i) for i, name in enumerate(names)}
        self.values = {"folder": str(self.folder), "host": socket.gethostname(), **ports}
        self.database: subprocess.Popen | None = None
        self.env = {
            **os.environ,
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
        }

    def run(self, *command: str, check: bool = True) -> str:
        """Return what a command prints, with this cluster's settings."""
        done = subprocess.run(
            command, env=self.env, capture_output=True, text=True, check=False, timeout=300
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr or done.stdout}")
        return done.stdout if done.returncode == 0 else ""

    def up(self) -> None:
        """Start everything and wait until both nodes are idle."""
        self._write_settings()
        self._start_munge()
        self._start_database()
        self.run("slurmdbd")
        wait_for(
            "slurmdbd", lambda: "Cluster" in self.run("sacctmgr", "list", "cluster", check=False)
        )
        self._add_accounts()
        self.start_controller()
        for node in NODES:
            self.run("slurmd", "-N", node)
        wait_for("nodes", lambda: self._nodes() == [f"{node} idle" for node in NODES])

    def down(self) -> None:
        """Stop everything that this folder holds a process id of, the nodes first."""
        self.run("scancel", "--user", "root", check=False)
        nodes = [f"slurmd.{node}" for node in NODES]
        for name in (*nodes, "slurmctld", "slurmdbd", "mariadb", "munged"):
            self.stop(name)
        if self.database is not None:
            self.database.wait()
        self._end_lost_jobs()

    def start_controller(self) -> None:
        """Start the controller; one that was stopped goes on with its jobs."""
        self.run("slurmctld")
        wait_for("slurmctld", lambda: "is UP" in self.run("scontrol", "ping", check=False))

    def stop(self, name: str, seconds: float = 30) -> None:
        """End a daemon by its process id."""
        file = self.folder / f"{name}.pid"
        if not file.is_file():
            return
        process = int(file.read_text())
        with _unless_gone():
            os.kill(process, signal.SIGTERM)
            try:
                wait_for(name, lambda: not _is_alive(process), seconds)
            except TimeoutError:
                os.kill(process, signal.SIGKILL)
        file.unlink(missing_ok=True)

    def _end_lost_jobs(self) -> None:
        """End what goes on of jobs whose node was lost: it has this cluster's settings."""
        own = f"SLURM_CONF={self.env['SLURM_CONF']}".encode()
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                marks = path.read_bytes().split(b"\0")
                if own in marks and any(mark.startswith(b"SLURM_JOB_ID=") for mark in marks):
                    os.kill(int(path.parent.name), signal.SIGKILL)

    def _nodes(self) -> list[str]:
        return sorted(set(self.run("sinfo", "-h", "-N", "-o", "%N %T", check=False).splitlines()))

    def _write_settings(self) -> None:
        for name in ("state", *(f"spool.{node}" for node in NODES), "bin", "database"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name in ("slurm.conf", "gres.conf", "slurmdbd.conf"):
            text = string.Template((HERE / name).read_text()).substitute(self.values)
            (self.folder / name).write_text(text)
        (self.folder / "slurmdbd.conf").chmod(0o600)
        if not (self.folder / "nvidia0").exists():
            self.run("mknod", str(self.folder / "nvidia0"), "c", "1", "3")
        # the executor's job step starts srun without SLURM_CONF, which a real cluster has in /etc
        srun = self.folder / "bin/srun"
        conf = self.env["SLURM_CONF"]
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={conf} exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        files = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munged.pid"}
        files |= {"log-file": "munged.log", "seed-file": "munge.seed"}
        flags = [f"--{flag}={self.folder / name}" for flag, name in files.items()]
        self.run("munged", "--force", *flags)

    def _start_database(self) -> None:
        data, sock = self.folder / "database", self.folder / "mariadb.socket"
        common = ("--no-defaults", "--user=root", f"--datadir={data}")
        self.run("mariadb-install-db", *common, "--auth-root-authentication-method=normal")
        with open(self.folder / "mariadb.log", "w") as log:
            self.database = subprocess.Popen(
                ["mariadbd", *common, f"--socket={sock}", f"--pid-file={self.folder}/mariadb.pid",
                 "--bind-address=127.0.0.1", f"--port={self.values['database_port']}",
                 "--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        client = ("mariadb", "--no-defaults", "--user=root", f"--socket={sock}", "-e")
        wait_for("mariadb", lambda: "1" in self.run(*client, "select 1", check=False))
        for host in ("localhost", "127.0.0.1"):
            user = f"slurm@'{host}'"
            self.run(*client, f"create user {user} identified by 'slurm'")
            self.run(*client, f"grant all on slurm.* to {user}")

    def _add_accounts(self) -> None:
        add = ("sacctmgr", "--immediate", "add")
        self.run(*add, "cluster", "membrain")
        for name in ACCOUNTS:
            self.run(*add, "account", name, "Cluster=membrain")
        self.run(*add, "user", "root", f"Account={ACCOUNTS[0]}", "Cluster=membrain", check=False)


@contextlib.contextmanager
def _unless_gone() -> Iterator[None]:
    try:
        yield
    except ProcessLookupError:
        pass


def _is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def main(arguments: list[str]) -> int:
    """Install the packages, start a cluster or stop it."""
    if arguments == ["install"]:
        print(install() or "everything is installed")
        return 0
    if len(arguments) != 2 or arguments[0] not in ("up", "down"):
        print(__doc__.splitlines()[0], file=sys.stderr)
        return 2
    cluster = Cluster(arguments[1])
    getattr(cluster, arguments[0])()
    if arguments[0] == "up":
        print(f"export SLURM_CONF={cluster.env['SLURM_CONF']} PATH={cluster.folder}/bin:$PATH")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
