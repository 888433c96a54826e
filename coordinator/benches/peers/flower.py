"""A round of 29,645 parameters and 10 agents in Flower, on loopback without TLS.

    python3 -m pip install flwr numpy
    python3 coordinator/benches/peers/flower.py [AGENTS]

Prints the mean time of a round after the first, bytes of an update, and processor time of an agent;
or that Flower is not installed (exit code 0). Every agent is a process of its own, as ours are.
"""

import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

PARAMETERS = 29_645
ROUNDS = 4
SECONDS_MAX = 420

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "bench"
version = "1.0.0"
description = "A round"
license = "Apache-2.0"
dependencies = []
[tool.hatch.build.targets.wheel]
packages = ["."]
[tool.flwr.app]
publisher = "bench"
[tool.flwr.app.components]
serverapp = "bench.app:server"
clientapp = "bench.app:client"
[tool.flwr.app.config]
agents = 10
"""

APP = f"""
import time
import numpy as np
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

client = ClientApp()
server = ServerApp()

def note(number):
    # What an app prints goes nowhere that we see.
    with open("TIMES", "a") as file:
        print(number, time.time(), file=file)

@client.train()
def train(message, context):
    head = message.content["arrays"].to_numpy_ndarrays()[0]
    update = (head + 1).astype(np.float32)
    content = {{"arrays": ArrayRecord([update]), "metrics": MetricRecord({{"num-examples": 1}})}}
    return Message(content=RecordDict(content), reply_to=message)

class Timed(FedAvg):
    def configure_train(self, server_round, *rest):
        note(server_round)
        return super().configure_train(server_round, *rest)

@server.main()
def main(grid, context):
    agents = int(context.run_config["agents"])
    strategy = Timed(fraction_train=1.0, fraction_evaluate=0.0, min_train_nodes=agents,
                     min_available_nodes=agents)
    strategy.start(grid=grid, initial_arrays=ArrayRecord([np.zeros({PARAMETERS}, np.float32)]),
                   num_rounds={ROUNDS})
    note({ROUNDS} + 1)
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening(address):
    """Waits until somebody listens there."""
    until = time.monotonic() + SECONDS_MAX
    while time.monotonic() < until:
        with socket.socket() as probe:
            host, port = address.rsplit(":", 1)
            if probe.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.2)
    sys.exit(f"Flower did not listen within {SECONDS_MAX} s")


def processor_seconds(pid):
    """Of a process and all that it started, living or reaped."""
    total = 0.0
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(entry.parent.name) == pid or int(fields[1]) == pid:
            total += sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    return total


def main(agents):
    scripts = pathlib.Path(sys.executable).parent
    link = f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "bench").mkdir()
        (folder / "pyproject.toml").write_text(PROJECT)
        (folder / "bench" / "__init__.py").write_text("")
        (folder / "bench" / "app.py").write_text(APP.replace("TIMES", str(folder / "times")))
        (folder / "times").touch()
        home = folder / "home"
        home.mkdir()
        (home / "config.toml").write_text(
            '[superlink]\ndefault = "bench"\n[superlink.bench]\n'
            f'address = "{link}"\ninsecure = true\n'
        )
        path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
        env = {**os.environ, "FLWR_HOME": str(home), "PATH": path, "FLWR_TELEMETRY_ENABLED": "0"}
        log = open(folder / "log", "w+")
        start = lambda *words: subprocess.Popen(
            [scripts / words[0], *words[1:]], env=env, cwd=folder, stdout=log, stderr=log
        )
        running = [start("flower-superlink", "--insecure", "--port", link.rsplit(":", 1)[1])]
        try:
            listening(link)
            running += [start("flower-supernode", "--insecure", "--superlink", link,
                              "--port", str(free_port()))
                        for _ in range(agents)]
            start("flwr", "run", ".", "bench", "--run-config", f"agents={agents}").wait(SECONDS_MAX)
            times, until = {}, time.monotonic() + SECONDS_MAX
            first_cpu = None
            while ROUNDS + 1 not in times and time.monotonic() < until:
                time.sleep(0.05)
                for line in (folder / "times").read_text().splitlines():
                    number, at = line.split()
                    times[int(number)] = float(at)
                if 2 in times and first_cpu is None:
                    first_cpu = sum(processor_seconds(node.pid) for node in running[1:])
            if ROUNDS + 1 not in times:
                tail = (folder / "log").read_text(errors="replace")[-2000:]
                sys.exit(f"Flower did not finish {ROUNDS} rounds in {SECONDS_MAX} s:\n{tail}")
            cpu = sum(processor_seconds(node.pid) for node in running[1:]) - first_cpu
            seconds = (times[ROUNDS + 1] - times[2]) / (ROUNDS - 1)
            each = cpu / (ROUNDS - 1) / agents
            print(f"Flower {flwr.__version__}, {agents} agents: {seconds:.2f} s a round, an agent "
                  f"sends at least {PARAMETERS * 4 / 1e3:.0f} kB and computes {each:.2f} s")
        finally:
            for process in reversed(running):
                process.terminate()
            for process in running:
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()


if __name__ == "__main__":
    try:
        import flwr
        import numpy  # noqa: F401
    except ImportError:
        print("Flower: skipped, the packages flwr and numpy are not installed")
        sys.exit(0)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
