"""Python's `redis` package on the keys of a Rust service, told by its standard input what to do.

It writes and reads by the rules of the Python cache package: texts, bytes and numbers go to the
client as they are, everything else through `json.dumps`; what is read goes through `json.loads`,
and stays a text where that fails. One JSON object a line comes in, one goes out.
"""

import json
import sys

import msgpack
import redis

socket_path = sys.argv[1]
texts = redis.Redis(unix_socket_path=socket_path, decode_responses=True)
raw = redis.Redis(unix_socket_path=socket_path)


def write(key, expression, ttl=None):
    value = eval(expression)
    if isinstance(value, bool) or not isinstance(value, (str, bytes, int, float)):
        if isinstance(value, bool):
            raise TypeError("the client refuses booleans")
        value = json.dumps(value)
    texts.set(key, value, ex=ttl)


def read(key):
    stored = texts.get(key)
    try:
        return repr(None if stored is None else json.loads(stored))
    except json.JSONDecodeError:
        return repr(stored)


COMMANDS = {
    "write": write,
    "read": read,
    "stored": lambda key: raw.get(key).hex(),
    "increment": lambda key, by: texts.incrby(key, by),
    "ttl": lambda key: texts.ttl(key),
    "pack": lambda key, expression: raw.set(key, msgpack.packb(eval(expression))) and None,
    "unpack": lambda key: repr(msgpack.unpackb(raw.get(key))),
}

for line in sys.stdin:
    command, *arguments = json.loads(line)
    try:
        answer = {"ok": COMMANDS[command](*arguments)}
    except Exception as error:
        answer = {"error": type(error).__name__}
    print(json.dumps(answer), flush=True)
