"""`python -m di_salesforce demo`: the demonstration on simulators, without any account.

What may not go in here: logic of its own.
"""

from __future__ import annotations

import argparse
import sys


def main(arguments: list[str] | None = None) -> int:
    """Carry out one command; exit status 0: all is well, 1: something needs a person, 2: could not run."""
    parser = argparse.ArgumentParser(prog="python -m di_salesforce", description=sys.modules["di_salesforce"].__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("demo", help="synchronise two simulated services and show every step")
    parser.parse_args(arguments)

    from di_salesforce.testing import demo  # here: it starts servers, which no other command should pay for

    return demo.main()


if __name__ == "__main__":
    sys.exit(main())
