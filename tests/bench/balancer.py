# Copyright (c) 2026, llm.host contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the balancer does for users: fairness against first come first served, throughput of several instances, reloads of models.

Tokens come at a set rate, so that what is measured is who waits for whom, and not the machine.
"""

from __future__ import annotations

import contextlib
import functools
import subprocess

from crowd import FIRST, INSTANCES, SLOTS, TOKENS, Instances, User, measure, name_of, quantile
from hosts import HERE, LAB, NETWORK, machine, provision, start, verdict

__all__ = ("balancer",)


def fairness(instances: Instances) -> None:
    instances.pace(token_ms=20)
    service = TOKENS * 0.02
    print(
        f"\nfairness: {SLOTS} slots, answers of {service:.1f} s to polite users, half to one and a half times as long to greedy ones; 20 s each"
    )
    greedy = functools.partial(User, parallel=50, tokens=(TOKENS // 2, TOKENS * 3 // 2))
    crowds = {
        "1 greedy (50 at once), 1 polite (1 at once)": [greedy("greedy"), User("polite")],
        "3 greedy (50 at once), 10 polite (1 at once, pauses of 4 s)": [
            *(greedy(f"greedy-{number}") for number in range(3)),
            *(User(f"polite-{number}", pause=4) for number in range(10)),
        ],
    }
    for crowd, users in crowds.items():
        fifo, fair = (measure(instances, host, users, seconds=20) for host in ("fifo", "fair"))
        print(f"  {crowd}")
        for name, seen in {"first come": fifo, "fair": fair}.items():
            waits = seen.waits("polite") or [float("inf")]
            shown = f"p50 {quantile(waits, 50):.2f} s, p95 {quantile(waits, 95):.2f} s of {len(waits)} requests"
            print(f"    {name:<12} polite: {shown}; {seen.tokens_per_second:.1f} tokens/s for all")
        waits = quantile(fair.waits("polite"), 95) / service
        verdict(waits <= 2, f"p95 of polite users {waits:.2f} of the service time, at most 2")
        share = fair.tokens_per_second / fifo.tokens_per_second
        verdict(share >= 0.97, f"throughput {share:.3f} of first come first served, at least 0.97")


def balance(instances: Instances) -> None:
    instances.pace(token_ms=100)
    print(
        "\nbalance: instances of 4 slots, answers of 1 s (20 % more or less), twice as many requests at once as there are slots, 10 s each"
    )
    rates: dict[int, float] = {}
    for count in (8, 4, 2, 1):
        for name in range(count, INSTANCES):
            drain(f"all-of-them.{name}")
        users = [User(f"user-{number}", parallel=SLOTS, tokens=(8, 12)) for number in range(2 * count)]
        rates[count] = measure(instances, "many", users, seconds=10).tokens_per_second
    for count in sorted(rates):
        times = rates[count] / rates[1]
        print(
            f"  {count} instances: {rates[count]:>6.1f} tokens/s = {times:.2f} times one; {rates[count] / count / SLOTS / 10:.3f} of what their slots can do"
        )
        if count > 1:
            verdict(times >= 0.95 * count, f"at least {0.95 * count:.2f}")


def drain(server: str) -> None:
    """Let it get nothing new, in whatever backends it is."""
    ask = "socat -t5 stdio UNIX-CONNECT:/run/haproxy/admin.sock"
    backends = f"$(echo show servers state | {ask} | awk '$4 == \"{server}\" {{ print $2 }}')"
    command = f"for backend in {backends}; do echo set server $backend/{server} state drain | {ask}; done"
    subprocess.run(["docker", "exec", name_of("many"), "sh", "-c", command], check=True, capture_output=True)


def affinity(instances: Instances) -> None:
    instances.pace(token_ms=20, load_ms=500)
    print(
        "\nmodel affinity: two models, two users of each, two instances with room for one; a load takes 0.5 s, an answer and a pause 0.4 s; 25 s each"
    )
    users = [User(f"{model}-{number}", pause=0.4, model=model) for model in ("tiny", "other") for number in range(2)]
    for name, host in {"without": "scattered", "with": "affine"}.items():
        seen = measure(instances, host, users, seconds=25)
        requests = len(seen.replies)
        waits = seen.waits("")
        print(
            f"  {name:<8} {1000 * seen.loads / requests:>6.0f} loads in 1,000 requests ({seen.loads} in {requests});"
            f" p50 {quantile(waits, 50):.2f} s, {seen.tokens_per_second:.1f} tokens/s"
        )


def balancer() -> None:
    """Print the figures; targets and no verdicts, since the machine decides about them, too."""
    with contextlib.ExitStack() as stack:
        instances = Instances(stack)
        for host in ("fair", "fifo", "many", "affine", "scattered"):
            start(stack, str(LAB), "run", name_of(host), "debian13", "--network", NETWORK, "-v", f"{HERE}:/bench:ro")
        provision(
            "balancer",
            bench_address=instances.address,
            bench_slots=SLOTS,
            bench_instances=[{"name": str(number), "port": FIRST + number} for number in range(INSTANCES)],
        )
        for experiment in (fairness, balance, affinity):
            experiment(instances)
            machine("now")


if __name__ == "__main__":
    balancer()
