"""A step of Adam at one size: torch's fused one beside those that keep their state in 8 bits.

`python compact.py N THREADS [CONTESTANT]`: without a contestant each runs in a process of its own, and what does
not run says why. Nanoseconds a parameter, the least and the median of the steps.
"""

import statistics
import subprocess
import sys
import time

STEPS = 15


def optimizer(name, weights):
    if name == "torch fused":
        import torch

        return torch.optim.Adam(weights, lr=1e-3, fused=True)
    if name == "torch foreach":
        import torch

        return torch.optim.Adam(weights, lr=1e-3, foreach=True)
    if name == "bitsandbytes Adam8bit":
        import bitsandbytes

        return bitsandbytes.optim.Adam8bit(weights, lr=1e-3)
    if name == "torchao AdamW8bit":
        from torchao.optim import AdamW8bit

        return AdamW8bit(weights, lr=1e-3, weight_decay=0.0)
    raise ValueError(name)


CONTESTANTS = ["torch fused", "torch foreach", "bitsandbytes Adam8bit", "torchao AdamW8bit"]


def run(n, threads, name):
    import torch

    torch.set_num_threads(threads)
    # Rows: some take matrices alone.
    weight = torch.nn.Parameter(torch.ones(n // 1000, 1000))
    weight.grad = (torch.arange(n) % 17 * 0.1 - 0.75).reshape(n // 1000, 1000)
    adam = optimizer(name, [weight])
    for _ in range(3):
        adam.step()
    times = []
    # Those that take seconds a step take fewer.
    while len(times) < STEPS and sum(times) * n < 20e9:
        start = time.perf_counter()
        adam.step()
        times.append((time.perf_counter() - start) * 1e9 / n)
    print(f"{min(times):.3f} | {statistics.median(times):.3f} | {float(weight.detach().mean()):.6f}")


def main():
    n, threads = int(sys.argv[1]), int(sys.argv[2])
    if len(sys.argv) > 3:
        return run(n, threads, sys.argv[3])
    for name in CONTESTANTS:
        command = [sys.executable, __file__, str(n), str(threads), name]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=240)
            said = done.stdout.strip() or done.stderr.strip().splitlines()[-1][:200]
        except subprocess.TimeoutExpired:
            said = "no step in 240 seconds"
        print(f"| {name} | {threads} | {said} |", flush=True)


main()
