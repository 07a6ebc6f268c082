"""Writes schedules.json and plateaus.json: what the schedulers of PyTorch and Optax give, step by step, in float64.

    python schedules.py

Needs torch, optax and jax of requirements.txt. README.md, section "Schedules", says what is in the files.
"""

import functools
import json
import math
import pathlib
import warnings

import jax
import numpy
import optax
import torch
from torch.optim import lr_scheduler as torch_lr

jax.config.update("jax_enable_x64", True)
warnings.filterwarnings("ignore")

STEPS = 1000
HERE = pathlib.Path(__file__).parent
cases = []


def add(scheduler, arguments, values, quantity="learning rate", chained=None):
    case = {"scheduler": scheduler, "arguments": arguments, "quantity": quantity}
    if chained is not None:
        case["chained"] = chained
    values = [float(value) for value in values]
    assert len(values) == STEPS and all(map(math.isfinite, values)), case
    cases.append(case | {"values": values})


def sgd(lr=0.1):
    # Momentum lets the cycles drive it too.
    return torch.optim.SGD([torch.zeros(1, dtype=torch.float64)], lr=lr, momentum=0.9)


def run(optimizer, scheduler):
    """Rate, momentum and, where there is one, the closed form at each step."""
    rows = []
    for step in range(STEPS):
        group = optimizer.param_groups[0]
        closed = getattr(scheduler, "_get_closed_form_lr", lambda: [None])()[0]
        rows.append((group["lr"], group["momentum"], closed))
        if step + 1 < STEPS:
            optimizer.step()
            scheduler.step()
    return map(list, zip(*rows))


def torch_case(name, lr, momentum=False, until=STEPS, **arguments):
    optimizer = sgd(lr)
    rates, momenta, closed = run(optimizer, getattr(torch_lr, name)(optimizer, **arguments))
    arguments = {"lr": lr} | arguments
    chained = None
    if closed[0] is not None:
        scale = max(map(abs, closed))
        chained = max(abs(a - b) for a, b in zip(rates[:until], closed[:until])) / scale
        rates = closed
    add(f"torch.{name}", arguments, rates, chained=chained)
    if momentum:
        add(f"torch.{name}", arguments, momenta, "momentum")


def torch_lambda(name, lr, function, text):
    optimizer = sgd(lr)
    rates, _, _ = run(optimizer, getattr(torch_lr, name)(optimizer, function))
    add(f"torch.{name}", {"lr": lr, "lr_lambda": text}, rates)


def torch_sequence(lr, parts, milestones):
    optimizer = sgd(lr)
    made = [getattr(torch_lr, name)(optimizer, **arguments) for name, arguments in parts]
    rates, _, _ = run(optimizer, torch_lr.SequentialLR(optimizer, made, milestones))
    add("torch.SequentialLR", {"lr": lr, "schedulers": parts, "milestones": milestones}, rates)


def of_torch():
    torch_lambda("LambdaLR", 0.1, lambda e: 1 / (1 + 0.01 * e), "1 / (1 + 0.01 * e)")
    torch_lambda("MultiplicativeLR", 0.1, lambda e: 0.995, "0.995")
    torch_case("StepLR", 0.1, step_size=30, gamma=0.5)
    torch_case("MultiStepLR", 0.1, milestones=[30, 80, 80, 500], gamma=0.3)
    torch_case("ConstantLR", 0.1, factor=0.3, total_iters=50)
    torch_case("LinearLR", 0.1, start_factor=1 / 3, end_factor=1.0, total_iters=300)
    torch_case("LinearLR", 0.1, start_factor=1.0, end_factor=0.0, total_iters=1100)
    torch_case("ExponentialLR", 0.1, gamma=0.99)
    torch_case("PolynomialLR", 0.1, total_iters=600, power=2.0)
    torch_case("PolynomialLR", 0.1, total_iters=1001, power=0.5)
    torch_case("CosineAnnealingLR", 0.1, T_max=1000, eta_min=0.0)
    # The recursion divides by 0 where the closed form reaches its lowest value.
    torch_case("CosineAnnealingLR", 0.1, until=700, T_max=700, eta_min=1e-3)
    torch_case("CosineAnnealingWarmRestarts", 0.1, T_0=77, T_mult=1, eta_min=0.0)
    torch_case("CosineAnnealingWarmRestarts", 0.1, T_0=50, T_mult=2, eta_min=1e-3)
    torch_case("CosineAnnealingWarmRestarts", 0.1, T_0=13, T_mult=3, eta_min=0.2)
    cyclic = functools.partial(torch_case, "CyclicLR", 0.1, momentum=True)
    momentum = {"base_momentum": 0.8, "max_momentum": 0.95}
    cyclic(base_lr=0.01, max_lr=0.1, step_size_up=40, step_size_down=60, mode="triangular", **momentum)
    cyclic(base_lr=0.01, max_lr=0.1, step_size_up=75, mode="triangular2", **momentum)
    cyclic(base_lr=0.01, max_lr=0.1, step_size_up=64, step_size_down=7, mode="exp_range", gamma=0.997, **momentum)
    cycle = functools.partial(torch_case, "OneCycleLR", 0.1, momentum=True, max_lr=0.1, total_steps=STEPS)
    for strategy in ("cos", "linear"):
        cycle(anneal_strategy=strategy, three_phase=False)
        cycle(anneal_strategy=strategy, three_phase=True, pct_start=0.237, div_factor=10.0, final_div_factor=7.0)
    torch_sequence(
        0.1,
        [("LinearLR", {"start_factor": 0.1, "end_factor": 1.0, "total_iters": 100}), ("ExponentialLR", {"gamma": 0.997})],
        [100],
    )
    torch_sequence(
        0.1,
        [
            ("ConstantLR", {"factor": 0.25, "total_iters": 2000}),
            ("StepLR", {"step_size": 70, "gamma": 0.5}),
            ("PolynomialLR", {"total_iters": 300, "power": 1.0}),
        ],
        [150, 650],
    )


def optax_case(name, **arguments):
    schedule = getattr(optax.schedules, name)(**arguments)
    values = [numpy.float64(schedule(count)) for count in range(STEPS)]
    add(f"optax.{name}", arguments, values)


def of_optax():
    optax_case("constant_schedule", value=0.03)
    optax_case("linear_schedule", init_value=0.1, end_value=0.003, transition_steps=700, transition_begin=100)
    optax_case("polynomial_schedule", init_value=0.1, end_value=0.01, power=3, transition_steps=800, transition_begin=50)
    optax_case("polynomial_schedule", init_value=0.02, end_value=0.1, power=2, transition_steps=900)
    optax_case("piecewise_constant_schedule", init_value=0.1, boundaries_and_scales={100: 0.5, 400: 0.2, 800: 3.0})
    optax_case("exponential_decay", init_value=0.1, transition_steps=90, decay_rate=0.6)
    optax_case("exponential_decay", init_value=0.1, transition_steps=90, decay_rate=0.6, transition_begin=150, staircase=True)
    optax_case("exponential_decay", init_value=0.1, transition_steps=50, decay_rate=0.7, transition_begin=20, end_value=0.002)
    optax_case("exponential_decay", init_value=1e-5, transition_steps=100, decay_rate=4.0, end_value=0.5)
    optax_case("cosine_decay_schedule", init_value=0.1, decay_steps=800, alpha=0.05)
    optax_case("cosine_onecycle_schedule", transition_steps=900, peak_value=0.1)
    optax_case("linear_onecycle_schedule", transition_steps=950, peak_value=0.1)
    optax_case("warmup_constant_schedule", init_value=0.001, peak_value=0.1, warmup_steps=120)
    optax_case("warmup_cosine_decay_schedule", init_value=0.0, peak_value=0.1, warmup_steps=90, decay_steps=950, end_value=0.001)
    optax_case(
        "warmup_exponential_decay_schedule",
        init_value=0.0,
        peak_value=0.1,
        warmup_steps=90,
        transition_steps=40,
        decay_rate=0.8,
        transition_begin=60,
        end_value=0.002,
    )
    first = {"init_value": 0.0, "peak_value": 0.1, "warmup_steps": 40, "decay_steps": 240, "end_value": 0.002}
    second = {"init_value": 0.002, "peak_value": 0.06, "warmup_steps": 50, "decay_steps": 800, "end_value": 0.001}
    optax_case("sgdr_schedule", cosine_kwargs=[first, second])
    optax_case("piecewise_interpolate_schedule", interpolate_type="linear", init_value=0.1, boundaries_and_scales={300: 0.5, 900: 0.1})
    optax_case("piecewise_interpolate_schedule", interpolate_type="cosine", init_value=0.1, boundaries_and_scales={300: 0.5, 900: 0.1})
    parts = [
        ("constant_schedule", {"value": 0.02}),
        ("linear_schedule", {"init_value": 0.02, "end_value": 0.1, "transition_steps": 100}),
        ("cosine_decay_schedule", {"init_value": 0.1, "decay_steps": 600, "alpha": 0.0}),
    ]
    made = [getattr(optax.schedules, name)(**arguments) for name, arguments in parts]
    joined = optax.schedules.join_schedules(made, [50, 250])
    add("optax.join_schedules", {"schedules": parts, "boundaries": [50, 250]}, [numpy.float64(joined(c)) for c in range(STEPS)])


def metrics():
    """A loss that falls in fits and starts, with noise, a rise, and NaN now and then."""
    random = numpy.random.default_rng(3)
    values = []
    for step in range(STEPS):
        fall = math.exp(-step / 80) + 0.5 * math.exp(-max(step - 500, 0) / 120) + 0.1
        values.append(round(fall * (1 + 0.05 * random.standard_normal()), 6))
    for step in (7, 8, 100, 350, 351, 352, 353, 900):
        values[step] = math.nan
    return values


def plateaus():
    losses = metrics()
    made = []
    for arguments in (
        {},
        {"factor": 0.5, "patience": 5, "threshold": 0.01, "cooldown": 10, "min_lr": 0.003},
        {"factor": 0.7, "patience": 0, "threshold": 0.02, "threshold_mode": "abs", "cooldown": 3, "eps": 1e-4},
        {"mode": "max", "factor": 0.8, "patience": 12, "threshold": 0.05},
        {"mode": "max", "factor": 0.6, "patience": 3, "threshold": 0.001, "threshold_mode": "abs", "cooldown": 25},
    ):
        optimizer = sgd()
        scheduler = torch_lr.ReduceLROnPlateau(optimizer, **arguments)
        sign = -1 if arguments.get("mode") == "max" else 1
        rates = []
        for loss in losses:
            # Optimizers want a step before the scheduler's.
            optimizer.step()
            scheduler.step(2.0 + sign * loss)
            rates.append(optimizer.param_groups[0]["lr"])
        # Where the rate changes, as (step, rate): the rest is the same.
        changes = [[1, rates[0]]] + [[t + 1, rates[t]] for t in range(1, STEPS) if rates[t] != rates[t - 1]]
        made.append({"arguments": {"lr": 0.1} | arguments, "changes": changes})
    return {"metrics": [None if math.isnan(m) else m for m in losses], "cases": made}


def write(name, head, cases):
    """One line a case."""
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    head = "".join(f"{json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items())
    (HERE / name).write_text("{" + head + '"cases": [\n' + lines + "\n]}\n")


versions = {"versions": {"torch": torch.__version__.split("+")[0], "optax": optax.__version__, "jax": jax.__version__}}
of_torch()
of_optax()
write("schedules.json", versions, cases)
made = plateaus()
write("plateaus.json", {"versions": versions["versions"], "metrics": made["metrics"]}, made["cases"])
for case in cases:
    if "chained" in case:
        print(f"{case['chained']:.1e}", case["scheduler"], case["arguments"])
