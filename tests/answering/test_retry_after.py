"""When a provider wants to be asked again."""

from datetime import UTC, datetime

import pytest

from fusion_agents.answering.retry_after import retry_after

NOW = datetime(2026, 10, 21, 7, 28, 0, tzinfo=UTC)
DATE = "Wed, 21 Oct 2026 07:28:05 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "60"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "60"}, 60.0),
        ({"retry-after": DATE}, 5.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:05"}, 5.0),
        ({"retry-after": "Wed, 21 Oct 2026 09:28:05 +0200"}, 5.0),
        ({"retry-after": "Wed, 21 Oct 2020 07:28:05 GMT"}, 0.0),
        ({"retry-after": DATE, "date": "Wed, 21 Oct 2026 07:28:03 GMT"}, 2.0),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e999"}, None),
    ],
)
def test_all_forms_of_the_header_are_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds
