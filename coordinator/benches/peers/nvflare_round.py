"""A round of 29,645 parameters and 10 agents in NVFlare, on loopback under its own mutual TLS.

    python3 -m pip install nvflare numpy
    python3 coordinator/benches/peers/nvflare_round.py [AGENTS]

Prints the mean time of a round after the first, bytes of an update, and processor time of an agent;
or that NVFlare is not installed (exit code 0). Every agent is a process of its own, as ours are.
"""

import os
import pathlib
import signal
import sys
import tempfile
import time

PARAMETERS = 29_645
ROUNDS = 6
SECONDS_MAX = 420

# Runs in every agent. It notes when it got each round's head, and its processor time until then;
# NVFlare takes `print` for itself.
CLIENT = r"""
import time
import nvflare.client as flare

flare.init()
site = flare.get_site_name()
while flare.is_running():
    model = flare.receive()
    if model is None:
        break
    with open("TIMES/" + site, "a") as file:
        file.write(f"{time.time()} {time.process_time()}\n")
    update = {name: values + 1 for name, values in model.params.items()}
    flare.send(flare.FLModel(params=update, metrics={"accuracy": 0.5}))
"""


def notes(folder):
    """Of each agent, the wall and processor seconds at which it got each round's head."""
    return [
        [tuple(map(float, line.split())) for line in path.read_text().splitlines()]
        for path in sorted(folder.iterdir())
    ]


def end_all_of(folder):
    """Ends what NVFlare left running there: on a busy machine it gives up before its agents do."""
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"{folder}/" in path.read_text():
                os.kill(int(path.parent.name), signal.SIGKILL)
        except (OSError, UnicodeDecodeError):
            continue


def main(agents):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        times = folder / "times"
        times.mkdir()
        script = folder / "client.py"
        script.write_text(CLIENT.replace("TIMES", str(times)))
        os.environ["NVFLARE_POC_WORKSPACE"] = str(folder / "poc")
        scripts = pathlib.Path(sys.executable).parent
        os.environ["PATH"] = f"{scripts}{os.pathsep}{os.environ['PATH']}"
        os.chdir(folder)
        from nvflare.app_common.np.recipes.fedavg import NumpyFedAvgRecipe
        from nvflare.recipe import PocEnv

        recipe = NumpyFedAvgRecipe(
            name="bench", model=[0.0] * PARAMETERS, min_clients=agents, num_rounds=ROUNDS,
            train_script=str(script),
        )
        environment = PocEnv(num_clients=agents)
        try:
            recipe.execute(environment)
            until = time.monotonic() + SECONDS_MAX
            while True:
                seen = notes(times)
                if len(seen) == agents and all(len(rounds) == ROUNDS for rounds in seen):
                    break
                if time.monotonic() > until:
                    sys.exit(f"NVFlare did not finish {ROUNDS} rounds in {SECONDS_MAX} s")
                time.sleep(0.1)
        finally:
            environment.stop(clean_up=True)
            end_all_of(folder)
        begins = [min(rounds[number][0] for rounds in seen) for number in range(ROUNDS)]
        seconds = (begins[-1] - begins[1]) / (ROUNDS - 2)
        computed = sum(rounds[-1][1] - rounds[1][1] for rounds in seen) / agents / (ROUNDS - 2)
        print(f"NVFlare {nvflare.__version__}, {agents} agents: {seconds:.2f} s a round, an agent "
              f"sends at least {PARAMETERS * 4 / 1e3:.0f} kB and computes {computed:.2f} s")


if __name__ == "__main__":
    try:
        import nvflare
        import numpy  # noqa: F401
    except ImportError:
        print("NVFlare: skipped, the packages nvflare and numpy are not installed")
        sys.exit(0)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
