"""CSV files in and out: a file is a source of rows, and a plan can become the files that both import pages take.

What may not go in here: deciding, and requests.
"""

from __future__ import annotations

from di_salesforce.csvfiles._reading import CsvRows, read_csv
from di_salesforce.csvfiles._writing import ImportFile, WrittenFiles, write_csv

__all__ = ["CsvRows", "ImportFile", "WrittenFiles", "read_csv", "write_csv"]
