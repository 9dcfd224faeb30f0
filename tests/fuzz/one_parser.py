"""Lets one thread at a time parse Python.

Hypothesis parses the source of lambdas. Python 3.11 has one counter of the parser's depth for all threads, so two threads
that parse at once fail now and then: "AST constructor recursion depth mismatch".
"""

import ast
import threading

lock = threading.Lock()
parse = ast.parse


def parse_alone(*args, **kwargs):
    with lock:
        return parse(*args, **kwargs)


ast.parse = parse_alone
