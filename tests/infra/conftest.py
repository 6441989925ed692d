"""The compiler, for the tests that ask it."""

from collections.abc import Callable

import pytest

from tests.infra import compiler
from tests.infra.compiler import Prediction

Predict = Callable[..., Prediction]


@pytest.fixture(scope="session")
def predict(tmp_path_factory: pytest.TempPathFactory) -> Predict:
    """What a deployment with these variables would make; each set is computed once."""
    if compiler.COMPILER is None:
        pytest.skip("There is no Bicep compiler: set BICEP, or run `az bicep install`.")
    known: dict[tuple[tuple[str, str], ...], Prediction] = {}

    def ask(**environment: str) -> Prediction:
        key = tuple(sorted(environment.items()))
        if key not in known:
            known[key] = compiler.predict(tmp_path_factory.mktemp("predict"), **environment)
        return known[key]

    return ask
