#!/usr/bin/env python3
"""Follows fuel.changes for ever: woken by NOTIFY fuel_changed, and by a timer whatever happens.

    psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f follower.sql      once
    pip install 'psycopg[binary]>=3.2'
    DATABASE_URL=postgres://follower@warehouse/fleet ./follow.py [--once]

What is done with a change stands in follower.sql, in the function follower.follow(), which also keeps the place. So this
may be stopped or killed at any moment, and started as often as one likes.
"""

import os
import sys
import time

import psycopg

BATCH = 1000
# A notification is sent when a change is committed, but a change may have to wait for another transaction that drew an
# earlier number, and nobody tells when that one gives up. So it looks by itself, too.
LOOK_EVERY = 15.0
AGAIN_AFTER = 5.0


def follow(connection):
    """Works off what there is; each call of follow() is a transaction of its own."""
    while connection.execute("SELECT follower.follow(%s)", (BATCH,)).fetchone()[0] == BATCH:
        pass


def main():
    url = os.environ["DATABASE_URL"]
    while True:
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                # Before the first look: what is committed behind it is heard.
                connection.execute("LISTEN fuel_changed")
                while True:
                    follow(connection)
                    if "--once" in sys.argv[1:]:
                        return
                    for _ in connection.notifies(timeout=LOOK_EVERY, stop_after=1):
                        pass
        except psycopg.OperationalError as error:
            if "--once" in sys.argv[1:]:
                raise
            print(f"the database is out of reach ({error}); again in {AGAIN_AFTER:.0f} s", file=sys.stderr, flush=True)
            time.sleep(AGAIN_AFTER)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
