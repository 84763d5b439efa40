"""CSV files in and out: a file is a source of rows, and a plan can become the files that both import pages take.

What may not go in here: deciding, and requests.
"""

from __future__ import annotations

from di_salesforce.csvfiles._reading import CsvRows, read_csv

__all__ = ["CsvRows", "read_csv"]
