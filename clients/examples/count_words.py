"""Keeps a table of how often each text was appended. It can be ended at any moment, also by kill
-9: started again, it goes on without losing or repeating a message.

    PYTHONPATH=clients python3 clients/examples/count_words.py
"""

import os
import sqlite3
import sys

from acklog import Client, Gap

database = sqlite3.connect(os.environ.get("DATABASE", "words.db"))
with database:
    database.execute("CREATE TABLE IF NOT EXISTS words (word TEXT PRIMARY KEY, count INTEGER)")
    database.execute("CREATE TABLE IF NOT EXISTS place (reader TEXT PRIMARY KEY, cursor TEXT)")
stored = database.execute("SELECT cursor FROM place WHERE reader = 'words'").fetchone()
cursor = stored[0] if stored else None

client = Client(os.environ.get("ACKLOG_URL", "localhost:8001,localhost:8002,localhost:8000"))
for item in client.follow(cursor=cursor, read_concern="majority"):
    if isinstance(item, Gap):
        sys.exit(f"messages {item.start} to {item.end - 1} are gone: count again from a backup")
    # The effect and the cursor are one transaction.
    with database:
        database.execute(
            "INSERT INTO words VALUES (?, 1)"
            " ON CONFLICT (word) DO UPDATE SET count = count + 1",
            (item.text,),
        )
        database.execute("REPLACE INTO place VALUES ('words', ?)", (item.cursor,))
    print(item.id, item.text, flush=True)
