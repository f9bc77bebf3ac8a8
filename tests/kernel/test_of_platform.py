"""What a process has once for each platform."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext

import pytest
from tests.support.platform import Factory

from dodeca import app as composition
from dodeca.commons.accounts.public import Account
from dodeca.kernel.of_platform import OfPlatform
from dodeca.kernel.platform import Platform


def test_many_threads_that_ask_at_once_get_the_same(platform: Platform) -> None:
    many = 8
    asking = threading.Barrier(many)
    made: list[object] = []

    def make(_platform: Platform) -> object:
        made.append(object())
        return made[-1]

    def ask(_number: int) -> object:
        asking.wait()
        return things(platform)

    things = OfPlatform(make)
    with ThreadPoolExecutor(many) as threads:
        found = list(threads.map(ask, range(many)))

    assert found == made * many


def test_each_platform_has_its_own_and_takes_it_along(platform: Platform) -> None:
    things: OfPlatform[list[str]] = OfPlatform(lambda _platform: [])
    things(platform).append("first")
    with closing(composition.compose(platform.config)) as another:
        assert things(another) == []
    del another
    gc.collect()

    assert things(platform) == ["first"]
    assert len(things._made) == 1


def test_a_change_is_told_to_all_after_its_commit_and_one_that_failed_to_none(
    platform: Platform, make: Factory
) -> None:
    things: OfPlatform[list[str]] = OfPlatform(lambda _platform: [])
    account_id = make.account().id
    things(platform)

    def rename(name: str, *, fails: bool) -> None:
        with pytest.raises(LookupError) if fails else nullcontext():
            platform.db.write(lambda session: unit(session.get_one(Account, account_id), name, fails=fails))

    def unit(account: Account, name: str, *, fails: bool) -> None:
        account.name = name
        things.after_change_of(account, lambda one: one.append(name))
        assert name not in things(platform)
        if fails:
            raise LookupError

    rename("undone", fails=True)
    rename("done", fails=False)

    assert things(platform) == ["done"]
