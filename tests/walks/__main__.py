"""`python -m tests.walks [--walks N] [--seed S]`: random walks until one breaks a rule."""

import argparse
import logging
import sys
import time
from collections import Counter

from tests.kit.progress import Progress
from tests.walks.campaign import Tally, campaign, smallest
from tests.walks.features import ALL, ON


def main() -> int:
    """Prints the smallest walk that breaks a rule; 1 if there is one."""
    parser = argparse.ArgumentParser(prog="python -m tests.walks", description=__doc__)
    parser.add_argument("--walks", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0, help="the seed of the first walk")
    parser.add_argument(
        "--with", nargs="*", default=[], dest="more", choices=sorted(ALL), metavar="FEATURE"
    )
    parser.add_argument("--without", nargs="*", default=[], choices=sorted(ALL), metavar="FEATURE")
    parser.add_argument("--all", action="store_true", help="go on after a rule was broken")
    options = parser.parse_args()
    features = (ON | set(options.more)) - set(options.without)
    logging.disable()  # The app warns of what happens in nearly every walk.
    began, tally = time.process_time(), Tally()
    with Progress(options.walks, "walks") as progress:
        for walked in campaign(range(options.seed, options.seed + options.walks), features):
            tally.add(walked)
            progress.step()
            if tally.failed and not options.all:
                break
    seconds = time.process_time() - began
    rules = Counter(each.violation.rule for each in tally.failed if each.violation)
    for rule in rules:
        first = next(w for w in tally.failed if w.violation and w.violation.rule == rule)
        print(smallest(first).told(), end="\n\n")
    print(f"{tally.walks} walks in {seconds:.1f} s of CPU; answers: {dict(tally.statuses)}")
    print(f"met: {dict(tally.met)}")
    print(f"rules broken: {dict(rules)}" if rules else "no rule was broken")
    return 1 if rules else 0


if __name__ == "__main__":
    sys.exit(main())
