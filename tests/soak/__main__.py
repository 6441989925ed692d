"""`python -m tests.soak [--no-dedup]`: three processes, a lot of trouble, one cart for each key.

Every other key is one of an order, and what is in its cart is bought once. SOAK_KEYS says how many
keys (default 500), SOAK_SEED repeats a soak's dice.
"""

import argparse
import asyncio
import os
import random
import sys
from pathlib import Path

from partner_center_emulator.services.azurite import Azurite

from tests.soak.report import table
from tests.soak.soak import Plan, soak


def main() -> int:
    """Prints the table; 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
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
    parser.add_argument("--logs", type=Path, help="a directory to keep the processes' logs in")
    options = parser.parse_args()
    seed = int(os.environ.get("SOAK_SEED") or random.randrange(10**6))
    repeats = options.repeat_checkout
    plan = Plan(
        keys=int(os.environ.get("SOAK_KEYS") or 500),
        seed=seed,
        deduplicate=not options.no_dedup,
        repeat_checkout=random.Random(seed).random() < 0.5 if repeats is None else repeats,
    )
    print(f"{plan.keys} keys, seed {plan.seed} ...", file=sys.stderr)
    with Azurite() as azurite:
        result = asyncio.run(soak(plan, azurite))
    print(table(result))
    if options.logs:
        options.logs.mkdir(parents=True, exist_ok=True)
        for number, log in enumerate(result.logs):
            (options.logs / f"{number:03}.log").write_text(log, "utf-8")
    return 1 if result.failures else 0


if __name__ == "__main__":
    sys.exit(main())
