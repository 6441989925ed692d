"""`python -m tests.soak`: three processes, much trouble, one purchase for each order."""

import argparse
import asyncio
import random
import sys
from pathlib import Path

from partner_center_emulator.services.azurite import Azurite

from tests.soak.report import table
from tests.soak.results import write
from tests.soak.soak import Plan, soak
from tests.soak.trouble import KINDS
from tests.soak.webhooks import Plan as PlanOfWebhooks
from tests.soak.webhooks import soak as soak_webhooks


def main() -> int:
    """Prints the table; 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument(
        "--orders", type=int, default=200, help="how many carts and orders; every other one buys"
    )
    parser.add_argument("--seed", type=int, help="repeats the dice of the soak that printed it")
    parser.add_argument(
        "--no-dedup",
        action="store_true",
        help="a Partner Center that makes a cart for each request, repeated or not",
    )
    parser.add_argument(
        "--repeat-checkout",
        action=argparse.BooleanOptionalAction,
        help="whether Partner Center answers the checkout of an ordered cart again; else the dice",
    )
    parser.add_argument(
        "--asynchronous",
        action="store_true",
        help="most orders are accepted, and worked off from a queue whose bells are haunted",
    )
    parser.add_argument(
        "--webhooks",
        action="store_true",
        help="shops deliver so many orders; of the other options only --seed and --logs count",
    )
    parser.add_argument(
        "--without", nargs="+", choices=KINDS, default=[], help="kinds of trouble to leave out"
    )
    parser.add_argument(
        "--logs", type=Path, help="a directory for the processes' logs and all failures"
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("build"),
        help="a directory for the figures as JSON and as a picture",
    )
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    if options.webhooks:
        return _webhooks(options.orders, seed, options.logs)
    repeats = options.repeat_checkout
    plan = Plan(
        keys=options.orders,
        seed=seed,
        deduplicate=not options.no_dedup,
        repeat_checkout=random.Random(seed).random() < 0.5 if repeats is None else repeats,
        without=frozenset(options.without),
        asynchronous=options.asynchronous,
    )
    print(f"{plan.keys} carts and orders, seed {plan.seed} ...", file=sys.stderr)
    with Azurite() as azurite:
        result = asyncio.run(soak(plan, azurite))
    print(table(result))
    write(result, options.results)
    _leave(options.logs, result.logs, result.failures)
    return 1 if result.failures else 0


def _webhooks(orders: int, seed: int, logs: Path | None) -> int:
    print(f"{orders} orders of shops, seed {seed} ...", file=sys.stderr)
    with Azurite() as azurite:
        result = asyncio.run(soak_webhooks(PlanOfWebhooks(orders, seed), azurite))
    print(result.table())
    _leave(logs, result.logs, result.failures)
    return 1 if result.failures else 0


def _leave(directory: Path | None, logs: list[str], failures: list[str]) -> None:
    """Leaves the processes' logs, and a list of all failures."""
    if directory is None:
        return
    directory.mkdir(parents=True, exist_ok=True)
    for number, log in enumerate(logs):
        (directory / f"{number:03}.log").write_text(log, "utf-8")
    (directory / "failures").write_text("\n".join(failures), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
