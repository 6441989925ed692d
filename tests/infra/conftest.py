"""The compiler, for the tests that ask it."""

from collections.abc import Callable, Iterator

import pytest

from tests.infra.compiler import COMPILER, Compiler, Prediction

Predict = Callable[..., Prediction]


@pytest.fixture(scope="session")
def bicep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compiler]:
    """One process of the compiler for all tests."""
    if COMPILER is None:
        pytest.skip("There is no Bicep compiler: set BICEP, or run `az bicep install`.")
    compiler = Compiler(tmp_path_factory.mktemp("bicep"))
    yield compiler
    compiler.close()


@pytest.fixture(scope="session")
def predict(bicep: Compiler) -> Predict:
    """What a deployment with these variables would make; each set is computed once."""
    known: dict[tuple[tuple[str, str], ...], Prediction] = {}

    def ask(**environment: str) -> Prediction:
        key = tuple(sorted(environment.items()))
        if key not in known:
            known[key] = bicep.predict(**environment)
        return known[key]

    return ask
