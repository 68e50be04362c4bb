"""Who lets a student be trained on what they gave.

Training puts text into a model's weights, from where nothing can be deleted: it needs a yes of its
own, beside the right to be read. An operator's own entries may train unless their source was
refused; another tenant's only after its consent.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, get_args

from fusion_agents.errors import ConfigError
from fusion_agents.stores.training import Trust, Trustee, is_suspended

Consents = Mapping[tuple[Trustee, str], bool]
"""What was said, by kind and name: true for allowed, false for refused."""

OWN_TENANT = "default"
"""The operator's own entries."""

Objection = Literal["suspended", "source refused", "tenant refused", "tenant without consent"]


def objection(consents: Consents, trust: Trust, source: str, tenant: str) -> Objection | None:
    """Say why no student may learn from entries of a source and a tenant; none if one may.

    Allowing a source only takes a refusal back: it gives no consent of the tenant.

    >>> objection({}, {}, "local", "default"), objection({}, {}, "local", "acme")
    (None, 'tenant without consent')
    """
    if is_suspended(trust, source, tenant):
        return "suspended"
    if consents.get(("source", source)) is False:
        return "source refused"
    allowed = consents.get(("tenant", tenant))
    if allowed is False:
        return "tenant refused"
    return None if allowed or tenant == OWN_TENANT else "tenant without consent"


def may_train(consents: Consents, trust: Trust, source: str, tenant: str) -> bool:
    """Whether a student may learn from entries of a source and a tenant."""
    return objection(consents, trust, source, tenant) is None


def read_consents(connection: sqlite3.Connection) -> Consents:
    """What was said, in the order of kinds and names."""
    rows = connection.execute("SELECT kind, name, allowed FROM consents ORDER BY kind, name")
    return {(kind, name): bool(allowed) for kind, name, allowed in rows}


class Asker(NamedTuple):
    """Somebody who asked a query."""

    query_id: str
    source: str
    tenant: str


def read_askers(connection: sqlite3.Connection) -> Iterator[Asker]:
    """Who asked which query, each once; a query without entries was asked by nobody."""
    rows = connection.execute(
        """
        SELECT DISTINCT query_id, source, tenant
        FROM entries JOIN queries ON queries.id = entries.query
        ORDER BY query_id, source, tenant
        """
    )
    yield from map(Asker._make, rows)


def write_consent(connection: sqlite3.Connection, kind: Trustee, name: str, allowed: bool) -> None:
    """Set a consent or a refusal in place of an earlier one.

    Raises:
        ConfigError: If there is no such kind, or no name.
    """
    if kind not in get_args(Trustee):
        raise ConfigError(f"{kind!r} cannot consent: choose among {', '.join(get_args(Trustee))}")
    if not name.strip():
        raise ConfigError(f"say whose consent is meant: the name of the {kind} is empty")
    connection.execute("INSERT OR REPLACE INTO consents VALUES (?, ?, ?)", (kind, name, allowed))
