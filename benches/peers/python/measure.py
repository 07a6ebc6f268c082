"""torch, optax and SciPy on the same work.

`cargo run --release -- python` starts this script: as a contestant, which speaks the protocol of
`src/contest.rs` on standard input and output, and once to minimize with SciPy.
"""

import argparse
import json
import sys
import time

WARM_UP = 3


def take_part(stepper):
    for _ in range(WARM_UP):
        stepper.step()
    print(*stepper.sample(), flush=True)
    for line in sys.stdin:
        steps = int(line)
        if steps > 1:
            stepper.step()
        stepper.finish()
        begun = time.perf_counter_ns()
        for _ in range(steps):
            stepper.step()
        stepper.finish()
        print(time.perf_counter_ns() - begun, flush=True)


def contestant(options):
    library, variant = options.name.split(" ")
    work = (options.rule, options.precision, options.n, options.threads)
    if library == "torch":
        from torch_stepper import TorchStepper

        take_part(TorchStepper(variant, *work))
    else:
        from optax_stepper import OptaxStepper

        take_part(OptaxStepper(*work))


def solve(options):
    from scipy_solvers import solutions

    for solution in solutions(options.quick):
        print(json.dumps(solution), flush=True)


def versions(_):
    from importlib.metadata import version

    for name in ("torch", "jax", "optax", "scipy", "numpy"):
        print(f"{name} {version(name)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("contestant")
    command.add_argument("name")
    command.add_argument("rule")
    command.add_argument("precision")
    command.add_argument("n", type=int)
    command.add_argument("threads", type=int)
    command.set_defaults(run=contestant)
    command = commands.add_parser("solve")
    command.add_argument("--quick", action="store_true")
    command.set_defaults(run=solve)
    commands.add_parser("versions").set_defaults(run=versions)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
