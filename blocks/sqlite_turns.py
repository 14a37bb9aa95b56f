"""Prefect's SQLite, with writers that wait for their turn. Knows no server.

Prefect begins most transactions DEFERRED. One that reads and then writes fails at once, whatever its time-out, when
another connection wrote in between ("database is locked"). Where automations weigh an event, Prefect tries it four
times and puts it away (`dlq` in its home): a crash that is lost so is never followed by a resumption. Begun IMMEDIATE,
a transaction has the database before it reads, and waits up to a minute for it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.dependencies import set_database_config
from prefect.server.utilities.database import get_dialect
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction


class SqliteInTurns(AioSqliteConfiguration):
    """SQLite as Prefect has it; every transaction begins IMMEDIATE. Reads outside a transaction wait for nobody."""

    @asynccontextmanager
    async def begin_transaction(
        self, session: AsyncSession, with_for_update: bool = True
    ) -> AsyncGenerator[AsyncSessionTransaction, None]:
        """A transaction that is committed at its end, whether or not its caller means to write."""
        async with super().begin_transaction(session, with_for_update=True) as transaction:
            yield transaction


def write_in_turns() -> None:
    """Have this process's server open its database so, if it is SQLite. To be called before the app is made."""
    url = PREFECT_API_DATABASE_CONNECTION_URL.value()
    if get_dialect(url).name == "sqlite":
        set_database_config(SqliteInTurns(connection_url=url))
