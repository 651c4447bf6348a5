"""A real Spark cluster on loopback: a standalone master, two workers, and a Connect server, each a process of its own.

`make test-spark` installs what it takes and names its folder in SPARK_HOME; Java is that of JAVA_HOME or the path.
"""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

HOST = "127.0.0.1"
WORKERS = 2
_SECONDS = 120
"""So long may a process take to be there: they are five, on a machine that may be small."""

_MASTER = "org.apache.spark.deploy.master.Master"
_WORKER = "org.apache.spark.deploy.worker.Worker"
_CONNECT = "org.apache.spark.sql.connect.service.SparkConnectServer"
_EXECUTOR = b"CoarseGrainedExecutorBackend"


class Cluster:
    """The processes, each executor with so much memory; `url` is that of the Connect server.

    What they say lies in the folder.
    """

    def __init__(self, spark: Path, folder: Path, *, memory: str, settings: Mapping[str, object]) -> None:
        self._spark = spark
        self.folder = folder
        self._port, self._page, connect, *_ = _free_ports(3)
        self._started: list[subprocess.Popen[bytes]] = []
        self.url = f"sc://{HOST}:{connect}"
        try:
            self._start_all(connect, memory, settings)
        except BaseException:
            self.stop()
            raise

    def _start_all(self, connect: int, memory: str, settings: Mapping[str, object]) -> None:
        spark, folder = self._spark, self.folder
        self._start(spark / "bin" / "spark-class", _MASTER, "--port", self._port, "--webui-port", self._page)
        _wait("the master", lambda: _answers(self._page))
        for number in range(WORKERS):
            work = folder / f"worker-{number}"
            page = _free_ports(1)[0]
            told = ("--cores", 1, "--memory", memory, "--work-dir", work, "--webui-port", page)
            self._start(spark / "bin" / "spark-class", _WORKER, *told, f"spark://{HOST}:{self._port}")
        _wait("the workers", lambda: self._status()["aliveworkers"] == WORKERS)
        confs = {
            "spark.connect.grpc.binding.address": HOST,
            "spark.connect.grpc.binding.port": connect,
            "spark.executor.memory": memory,
            "spark.sql.shuffle.partitions": 4,  # two cores; hundreds are for hundreds
            "spark.ui.enabled": "false",
            **settings,
        }
        words = [word for name, value in confs.items() for word in ("--conf", f"{name}={value}")]
        master = ("--master", f"spark://{HOST}:{self._port}")
        self.server = self._start(
            spark / "bin" / "spark-submit", "--class", _CONNECT, *master, *words, "spark-internal"
        )
        _wait("the Connect server", lambda: _answers(connect))
        _wait("an executor on each worker", lambda: len(executors(folder)) == WORKERS)

    def stop(self) -> None:
        """End every process."""
        for process in (*executors(self.folder), *(started.pid for started in reversed(self._started))):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for started in self._started:
            started.wait()

    def _start(self, *command: object) -> "subprocess.Popen[bytes]":
        name = f"{len(self._started)}.log"
        with (self.folder / name).open("wb") as log:
            started = subprocess.Popen(
                [str(word) for word in command],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={
                    **os.environ,
                    "SPARK_HOME": str(self._spark),
                    "SPARK_LOCAL_IP": HOST,
                    "SPARK_MASTER_HOST": HOST,
                    "SPARK_LOCAL_DIRS": str(self.folder / "local"),
                    "SPARK_DAEMON_JAVA_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # they start, and do little
                },
            )
        self._started.append(started)
        return started

    def _status(self) -> dict[str, int]:
        with urllib.request.urlopen(f"http://{HOST}:{self._page}/json/", timeout=10) as answer:
            found: dict[str, int] = json.load(answer)
            return found


def executors(folder: Path) -> list[int]:
    """The processes that do the work of the cluster with this folder."""
    here = bytes(folder)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            work = (process / "cwd").readlink()
        except OSError:
            continue
        if _EXECUTOR in words and bytes(work).startswith(here):
            found.append(int(process.name))
    return found


def _free_ports(count: int) -> list[int]:
    found = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in found]
    for server in found:
        server.close()
    return ports


def _answers(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _wait(what: str, there: Callable[[], bool]) -> None:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        try:
            if there():
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise TimeoutError(f"{what} did not come within {_SECONDS} seconds")
