"""`python -m bench`: measures the speed of the function and prints one Markdown table.

Each figure is compared with a yardstick, measured in the same run and in turns with it, because
absolute figures say more about the machine than about the code. Unless the row says otherwise, the
yardstick is a direct client: the same POST, made with the same HTTP client and one access token.
Each subject has a process of its own, which also generates its load (see load.py). This process is
the local cloud. "CPU ms" is therefore right even where the cloud is the bottleneck, and
"requests/s" is not: a row is marked with * where it reaches more than 70 % of what the cloud can
answer on one core.

    CPU ms          processor time of the measured process, all threads, per request
    requests/s      answers per second, while this many requests are always in progress
    added ms        how much longer the function takes than the direct client, at the percentile;
                    the requests of both take turns
    import          `import function_app` in a new interpreter
    first request   in a new process: late imports, fetching the tokens, TLS handshake
    50 lines        each request has a new Idempotency-Key and 50 lines, which name 10 SKUs; the
                    yardstick is the same cart with whole ids. Both take turns, and the ratio is the
                    median of those of single turns
    webhooks        each is another order of 20 KB, and is stored in Azurite
    with keys       each request has a new Idempotency-Key, and its record is stored in Azurite
    processes       so many hosts of this app share 100 requests for each of them; the yardstick is
                    as many times what one does
    accepted        nobody waits for the cart: it is left in Azurite's queue and its blobs
    served          function and yardstick are behind HTTP, in the local Functions host with the
                    limits of host.json; the yardstick is `bench/bare`

No figure makes the command fail. `--seconds` sets how long a round takes. The figures are left in
build/bench.json too, and pictures beside it: build/bench-cpu.svg, bench-latencies.svg and
bench-processes.svg; `--json FILE` names another file.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from partner_center_emulator.cloud import LocalCloud
from partner_center_emulator.services.azurite import HOST, QUEUE_HOST, Azurite
from partner_center_emulator.watch.disturbances import Disturbance

from bench.load import ROOT, Figures, Round
from bench.measured import Served, Subject, import_seconds, machine
from bench.picture import draw
from bench.report import Row, markdown
from bench.worker import has_runtime
from bench.working_off import work_off
from cart_core.operations.pacing import EVERYBODY, PREFIX
from cart_core.settings import Settings
from local.environment import app_environment
from local.storefronts import SAMPLE, storefront_environment
from tests.kit.progress import Progress

UPSTREAM_SECONDS = (0.0, 0.15)
LANES = (1, 50, 200)
ROUNDS = 3
"""How often a subject and its yardstick take turns. The table shows the median."""

SERVED_ROUNDS = 5
ACCEPTED_LANES = 50
ACCEPTED_SECONDS = 3.0
"""A round of what is accepted lasts at least so long: a p99 needs many requests."""
GATE = f"/{PREFIX}{EVERYBODY}"
AT_ONCE_IN_A_PROCESS = 8
"""How many messages a process works on at once: batchSize and newBatchThreshold of host.json."""
ITEM_ROUNDS = 9
DEFAULT_PLACES = Settings.model_fields["max_concurrent_calls"].default
PLACES = sorted({64, 100, 200, DEFAULT_PLACES})
PROCESSES = (1, 2, 3)
LANES_OF_A_PROCESS = 100
"""As many as the host runs at a time."""
PATIENT_SECONDS = 3.0
"""How long Partner Center takes then, so that nobody's processor time limits the answers."""

IMPORTS, STARTS = 7, 3
COMPARED_SECONDS = 4
"""The comparison of latencies takes as long as this many rounds: a p99 needs many requests."""


class Bench:
    """The measurements against one local cloud; a round takes `seconds`."""

    def __init__(
        self,
        cloud: LocalCloud,
        environment: Mapping[str, str],
        seconds: float,
        progress: Progress,
    ) -> None:
        self._cloud = cloud
        self._environment = environment
        self._seconds = seconds
        self.rows: list[Row] = []
        self.milliseconds: dict[str, list[float]] = {}
        self.failed = 0
        self._progress = progress

    def imports(self) -> None:
        """Measures the import of the app, a part of every cold start."""
        taken: dict[Path, list[float]] = {ROOT: [], ROOT / "bench" / "empty": []}
        for _ in range(IMPORTS + 1):
            for app_dir, times in taken.items():
                times.append(import_seconds(app_dir, self._environment))
        ours, empty = (1000 * statistics.median(times[1:]) for times in taken.values())
        name = "import, ms (yardstick: an app with one empty function)"
        self.rows.append(Row(name, ours, empty, ratio_at_most=1.8))

    def first_requests(self) -> None:
        """Measures the first request of a process, and counts the calls that a warm one makes."""
        first = []
        for _ in range(STARTS):
            with Subject("function", self._environment) as function:
                first.append(1000 * function.first)
                warm, calls = self._calls(function, "function")
        usual = 1000 * statistics.median(warm.latencies["function"])
        name = "first request, ms (yardstick: a warm one)"
        self.rows.append(Row(name, statistics.median(first), usual))
        name = "outside calls per warm request"
        self.rows.append(Row(name, sum(calls.values()), digits=2, exactly=1))

    def load(self) -> None:
        """Measures throughput, processor time and added latency under load."""
        with (
            Subject("direct", self._environment) as direct,
            Subject("function", self._environment) as function,
            Subject("tutorial", self._environment) as tutorial,
        ):
            for delay in UPSTREAM_SECONDS:
                self._delay(delay)
                self._added(function, "function", delay)
                rates: list[tuple[float, float]] = []
                for lanes in LANES:
                    rates.append(self._loaded(direct, function, tutorial, delay, lanes))
                (ours, theirs), (ours_at_most, theirs_at_most) = rates[-2:]
                name = f"requests/s at {LANES[-1]} over those at {LANES[-2]}, {_upstream(delay)}"
                steady, usual = ours_at_most / ours, theirs_at_most / theirs
                self.rows.append(Row(name, steady, usual, digits=2, at_least=0.9))

    def items(self) -> None:
        """Measures what it costs to find the items of a cart, once the catalogue was read."""
        self._delay(UPSTREAM_SECONDS[0])
        with Subject("items", self._environment) as process:
            turns = []
            for number in range(ITEM_ROUNDS):
                names = ("ids", "skus")
                order = names if number % 2 else reversed(names)
                turn = {
                    name: self._measure(process, Round([name], 4, self._seconds)) for name in order
                }
                turns.append((_median_cpu([turn["skus"]]), _median_cpu([turn["ids"]])))
        ours, theirs = zip(*turns, strict=True)
        self.rows.append(
            Row(
                "CPU ms, 50 lines that name 10 SKUs (yardstick: whole ids)",
                statistics.median(ours),
                statistics.median(theirs),
                digits=2,
                ratio_at_most=1.3,
                median_ratio=statistics.median(sku / whole for sku, whole in turns),
            )
        )

    def keys(self, azurite: Azurite) -> None:
        """Measures the same where every request has a key and a record."""
        with Subject("function", self._environment) as function:
            _, calls = self._calls(function, "keyed")
        name = "storage calls per request with a new key"
        self.rows.append(Row(name, calls.get("storage", 0.0), digits=2, exactly=2))
        self._straight_to(azurite)
        with (
            Subject("direct", self._environment) as direct,
            Subject("function", self._environment) as function,
        ):
            for delay in UPSTREAM_SECONDS:
                self._delay(delay)
                self._added(function, "keyed", delay)
                self._loaded(direct, function, None, delay, 50, keyed=True)

    def webhooks(self, azurite: Azurite) -> None:
        """Measures how soon a webhook is acknowledged, and what a forged one costs."""
        self._delay(UPSTREAM_SECONDS[0])
        environment = {**self._environment, **storefront_environment(self._cloud, SAMPLE)}
        with Subject("webhook", environment) as webhook:
            _, calls = self._calls(webhook, "webhook")
            first = 1000 * webhook.first
        self._cloud.proxy.add_route(HOST, azurite.port)
        with Subject("webhook", environment) as webhook:
            many = Round(["webhook"], LANES[1], COMPARED_SECONDS * self._seconds)
            taken = self._measure(webhook, many).latencies["webhook"]
            forged = self._measure(webhook, Round(["forged"], 1, self._seconds))
        self.rows += [
            Row("first webhook, ms", first, digits=0, at_most=2000),
            Row("storage calls per webhook", calls.get("storage", 0.0), digits=2, at_most=4),
            *(
                Row(
                    f"ms p{percent} until a webhook is acknowledged, {LANES[1]} at once",
                    1000 * _percentile(taken, percent),
                    digits=0,
                    at_most=500 if percent == 99 else None,
                )
                for percent in (50, 99)
            ),
            Row("CPU ms, a forged webhook", _median_cpu([forged]), digits=2, at_most=1),
        ]

    def accepting(self, azurite: Azurite) -> None:
        """Measures how long it takes to be told that a cart will be made later.

        The yardstick is a function that only puts one message into the queue, with the SDK.
        """
        with Subject("function", self._environment) as function:
            _, calls = self._calls(function, "accepted")
        name = "storage calls per accepted request"
        self.rows.append(Row(name, calls.get("storage", 0.0), digits=2, at_most=3))
        self._straight_to(azurite)
        seconds = max(ACCEPTED_SECONDS, self._seconds)
        rounds = self._rounds_of_served(
            {"accepting": {}}, 0.0, seconds, ROUNDS, bare="one message", lanes=ACCEPTED_LANES
        )
        ours, theirs = rounds["accepting"], rounds["one message"]
        where = f"accepted, {ACCEPTED_LANES} at once, served (yardstick: one message put)"
        for percent, most in ((50, None), (99, 5)):
            mine, other = (
                statistics.median(1000 * _percentile(_latencies(each), percent) for each in rounds)
                for rounds in (ours, theirs)
            )
            self.rows.append(Row(f"ms p{percent}, {where}", mine, other, ratio_at_most=most))
        self.rows.append(Row(f"CPU ms, {where}", _median_cpu(ours), _median_cpu(theirs), digits=2))
        slowest = self.rows[-2].function
        self.rows.append(Row("ms p99, accepted, in full", slowest, digits=0, at_most=300))

    def working_off(self, azurite: Azurite) -> None:
        """Measures how fast what was accepted is worked off, and what more processes are worth."""
        self._straight_to(azurite)
        delay = UPSTREAM_SECONDS[-1]
        self._delay(delay)
        one, three = (
            work_off(self._cloud, self._environment, count, self._progress) for count in (1, 3)
        )
        name = f"operations/s worked off, {{}}, {_upstream(delay)} (yardstick: {{}})"
        most = AT_ONCE_IN_A_PROCESS / delay
        self.rows += [
            Row(
                name.format("1 process", f"{AT_ONCE_IN_A_PROCESS} at once, for nothing else"),
                *(one.per_second, most),
            ),
            Row(name.format("3 processes", "1 process"), three.per_second, one.per_second),
            Row(
                "CPU ms of an operation worked off, 3 processes (yardstick: 1 process)",
                *(1000 * three.cpu, 1000 * one.cpu),
            ),
        ]

    def _straight_to(self, azurite: Azurite) -> None:
        """Leads the proxy straight to Azurite, so that the relay that counts is not measured."""
        self._cloud.proxy.add_route(HOST, azurite.port)
        self._cloud.proxy.add_route(QUEUE_HOST, azurite.queue_port)

    def served(self) -> None:
        """Measures this app behind HTTP beside a bare one, under more load than it may take."""
        lanes, delay = LANES[-1], UPSTREAM_SECONDS[-1]
        rounds = self._rounds_of_served({"function": {}}, delay, self._seconds, SERVED_ROUNDS)
        ours, theirs = rounds["function"], rounds["bare"]
        where = f"{lanes} at once, served, {_upstream(delay)} (yardstick: a bare aiohttp function)"
        self.rows += [
            Row(
                f"CPU ms, {where}",
                _median_cpu(ours),
                _median_cpu(theirs),
                digits=2,
                ratio_at_most=1.5,
            ),
            Row(
                f"requests/s, {where}",
                _median_rate(ours),
                _median_rate(theirs),
                digits=0,
                ratio_at_least=0.9,
            ),
        ]

    def places(self) -> None:
        """Measures what each number of places lets through, where Partner Center takes a second.

        Nobody's processor time limits that, so that the machine does not matter.
        """
        settings = {str(count): {"CART_MAX_CONCURRENT_CALLS": str(count)} for count in PLACES}
        rounds = self._rounds_of_served(settings, 1.0, max(4.0, self._seconds), 1)
        theirs = _median_rate(rounds.pop("bare"))
        for count, (ours,) in rounds.items():
            name = f"requests/s, {count} places, {LANES[-1]} at once, served, {_upstream(1.0)}"
            at_least = 0.9 if int(count) == DEFAULT_PLACES else None
            self.rows.append(Row(name, _rate(ours), theirs, digits=0, ratio_at_least=at_least))

    def processes(self) -> None:
        """Measures how answers per second grow with the processes of this app."""
        self._delay(PATIENT_SECONDS)
        alone = 0.0
        for count in PROCESSES:
            with ExitStack() as running:
                apps = [
                    running.enter_context(Served(ROOT, self._environment)) for _ in range(count)
                ]
                urls = {str(number): app.url for number, app in enumerate(apps)}
                caller = running.enter_context(
                    Subject("caller", {**self._environment, "SERVED": json.dumps(urls)})
                )
                seconds = max(3 * PATIENT_SECONDS, self._seconds)
                lanes = LANES_OF_A_PROCESS * count
                order = Round(list(urls), lanes, seconds, spread=PATIENT_SECONDS, split=True)
                rate = _rate(self._measure(caller, order))
            alone = alone or rate
            where = f"served, {_upstream(PATIENT_SECONDS)}"
            name = f"requests/s, {count} process{'es' * (count > 1)}, {where}"
            grown = Row(name, rate, count * alone, digits=0, ratio_at_least=0.9)
            self.rows.append(grown if count > 1 else Row(name, rate, digits=0))

    def _rounds_of_served(
        self,
        settings: Mapping[str, Mapping[str, str]],
        delay: float,
        seconds: float,
        times: int,
        bare: str = "bare",
        lanes: int = LANES[-1],
    ) -> dict[str, list[Figures]]:
        """Rounds in turns of a bare function and of this app with each of these settings."""
        self._delay(delay)
        folder = ROOT / "bench" / bare.replace(" ", "_")
        with ExitStack() as processes:
            apps = {
                bare: processes.enter_context(Served(folder, self._environment)),
                **{
                    name: processes.enter_context(Served(ROOT, {**self._environment, **setting}))
                    for name, setting in settings.items()
                },
            }
            urls = json.dumps({name: app.url for name, app in apps.items()})
            caller = processes.enter_context(
                Subject("caller", {**self._environment, "SERVED": urls})
            )
            rounds: dict[str, list[Figures]] = {name: [] for name in apps}
            for name, app in [*apps.items()] * times:
                before = app.cpu()
                figures = self._measure(caller, Round([name], lanes, seconds))
                # The wave before the round counts for as much, so that it is shared out.
                counted = _count(figures)
                figures.cpu = (app.cpu() - before) * counted / (counted + lanes)
                rounds[name].append(figures)
        return rounds

    def _calls(self, function: Subject, subject: str) -> tuple[Figures, dict[str, float]]:
        """One round with one lane, and how often each service was called for one request.

        What is read of the shared gate does not count: it is read once a second at most.
        """
        before = self._counts()
        figures = self._measure(function, Round([subject], 1, self._seconds))
        made = _count(figures) + 1  # the wave before the round
        calls = self._counts() - before
        return figures, {service: times / made for service, times in calls.items()}

    def _counts(self) -> "Counter[str]":
        journal = self._cloud.journal
        return Counter(journal.counts) - Counter(storage=len(journal.requests("storage", GATE)))

    def _added(self, function: Subject, subject: str, delay: float) -> None:
        """Measures added latency with few lanes, so that requests do not wait for each other."""
        seconds = COMPARED_SECONDS * self._seconds
        lanes = 8 if delay else 1
        order = Round(["direct", subject], lanes, seconds, spread=2 * delay)
        figures = self._measure(function, order)
        direct, ours = (figures.latencies[name] for name in ("direct", subject))
        if not delay:
            for kind, seconds_taken in ((_KINDS[subject], ours), ("direct client", direct)):
                self.milliseconds[kind] = [round(1000 * taken, 2) for taken in seconds_taken]
        for percent in (50, 99):
            more = 1000 * (_percentile(ours, percent) - _percentile(direct, percent))
            keys = " with keys" if subject == "keyed" else ""
            name = f"added ms p{percent}{keys}, {_upstream(delay)} (yardstick: direct, in full)"
            self.rows.append(Row(name, more, 1000 * _percentile(direct, percent)))

    def _loaded(
        self,
        direct: Subject,
        function: Subject,
        tutorial: Subject | None,
        delay: float,
        lanes: int,
        *,
        keyed: bool = False,
    ) -> tuple[float, float]:
        """Measures rounds in turns. Returns the function's and the direct client's requests/s."""
        subject = "keyed" if keyed else "function"
        cloud = time.process_time()
        theirs, ours = [], []
        for _ in range(ROUNDS):
            theirs.append(self._measure(direct, Round(["direct"], lanes, self._seconds)))
            ours.append(self._measure(function, Round([subject], lanes, self._seconds)))
        cloud = (time.process_time() - cloud) / sum(map(_count, theirs + ours))
        ceiling = 1 / cloud  # requests/s that one core can answer
        slow = []
        if tutorial:
            slow.append(self._measure(tutorial, Round(["tutorial"], lanes, self._seconds)))
        where = f"{lanes} at once{' with keys' if keyed else ''}, {_upstream(delay)}"
        self.rows += [
            Row(
                f"CPU ms, {where}",
                _median_cpu(ours),
                _median_cpu(theirs),
                _median_cpu(slow) if slow else None,
                digits=2,
                ratio_at_most=6 if keyed else 2 if lanes == 50 else None,
            ),
            Row(
                f"requests/s, {where}",
                _median_rate(ours),
                _median_rate(theirs),
                _median_rate(slow) if slow else None,
                digits=0,
                cloud_bound=max(map(_rate, theirs + ours)) > 0.7 * ceiling,
            ),
        ]
        return _median_rate(ours), _median_rate(theirs)

    def _measure(self, subject: Subject, order: Round) -> Figures:
        figures = subject.measure(order)
        self._progress.step()
        self.failed += figures.failed
        self._cloud.partner_center.clear()
        return figures

    def _delay(self, seconds: float) -> None:
        self._cloud.disturbances.clear()
        self._cloud.disturbances.inject(Disturbance("partner_center", times=None, delay=seconds))


_KINDS = {"function": "this function", "keyed": "this function, with a key"}


def rounds_in_all() -> int:
    """How many rounds a run has."""
    load = len(UPSTREAM_SECONDS) * (1 + len(LANES) * (2 * ROUNDS + 1))
    keys = 1 + len(UPSTREAM_SECONDS) * (1 + 2 * ROUNDS)
    served = 2 * SERVED_ROUNDS + 1 + len(PLACES) + len(PROCESSES)
    webhooks = 3
    return STARTS + load + 2 * ITEM_ROUNDS + served + keys + webhooks


def _upstream(delay: float) -> str:
    return f"upstream {1000 * delay:.0f} ms"


def _percentile(values: Sequence[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def _latencies(figures: Figures) -> list[float]:
    return [each for latencies in figures.latencies.values() for each in latencies]


def _count(figures: Figures) -> int:
    return sum(map(len, figures.latencies.values()))


def _median_cpu(rounds: Sequence[Figures]) -> float:
    return 1000 * statistics.median(figures.cpu / _count(figures) for figures in rounds)


def _median_rate(rounds: Sequence[Figures]) -> float:
    return statistics.median(map(_rate, rounds))


def _rate(figures: Figures) -> float:
    return _count(figures) / figures.seconds


def _trusting_both(cloud: LocalCloud, azurite: Azurite, directory: Path) -> dict[str, str]:
    """The environment of a process that trusts Azurite's own certificate as well."""
    both = directory / "both.pem"
    both.write_bytes(cloud.certificate.ca_file.read_bytes() + azurite.ca_file.read_bytes())
    return app_environment(cloud, SSL_CERT_FILE=str(both), REQUESTS_CA_BUNDLE=str(both))


def main() -> int:
    """Measures everything and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="how long one round takes (default 1)"
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        default=Path("build/bench.json"),
        help="leave the figures there, and pictures beside them (default build/bench.json)",
    )
    options = parser.parse_args()
    seconds = options.seconds
    through = "azure-functions-runtime" if has_runtime() else "a direct call of the handler"
    rows: list[Row] = []
    where = machine()
    with Progress(rounds_in_all(), "rounds") as progress:
        with LocalCloud.in_thread() as cloud:
            bench = Bench(cloud, app_environment(cloud), seconds, progress)
            bench.imports()
            bench.first_requests()
            bench.load()
            bench.items()
            bench.served()
            bench.places()
            bench.processes()
            milliseconds = bench.milliseconds
            rows += bench.rows
            failed = bench.failed
        # Each has a storage of its own: what was accepted in one is not worked off in another.
        for measure in (Bench.keys, Bench.webhooks, Bench.accepting, Bench.working_off):
            with (
                tempfile.TemporaryDirectory() as directory,
                Azurite() as azurite,
                LocalCloud.in_thread(azurite=azurite) as cloud,
            ):
                environment = _trusting_both(cloud, azurite, Path(directory))
                bench = Bench(cloud, environment, seconds, progress)
                measure(bench, azurite)
                rows += bench.rows
                new = bench.milliseconds.keys() - milliseconds.keys()
                milliseconds |= {name: bench.milliseconds[name] for name in new}
                failed += bench.failed
    print(f"{where}; the function is called through {through}.\n")
    print(markdown(rows))
    print("\n* The local cloud itself can hardly answer more on one core.")
    print("With keys, Azurite needs processor time as well.")
    print(f"Requests that were not answered as they have to be: {failed}.")
    figures: dict[str, Any] = {"machine": where, "through": through, "failed": failed}
    figures["rows"] = [row.as_json() for row in rows]
    figures["milliseconds"] = milliseconds
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    draw(figures, options.json.with_suffix(""))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RuntimeError as error:  # Azurite cannot be installed, or a subject failed
        sys.exit(f"bench: {error}")
