"""What is not known of Salesforce, or differs between orgs, as named switches.

What may not go in here: behaviour (the other rooms of the simulator read these values), and facts.  The evidence tags:
[seen] in recordings or working programs, [documented] by the vendor, [inferred] deduced, [unknown] nowhere to be found.
"""

from __future__ import annotations

from typing import Literal

import attrs

__all__ = ["SalesforceSwitches"]


@attrs.frozen(kw_only=True)
class SalesforceSwitches:
    """How the simulated org answers where nobody outside knows, or where orgs differ; set them on `fake.switches`."""

    # values ---------------------------------------------------------------------------------------------------------
    lower_case_emails: bool = False
    """E-mail addresses are stored in lower case. [unknown]"""
    lenient_json: bool = False
    """Numbers and checkboxes may also come as text ("12.5", "true"). [unknown]"""

    # collections ----------------------------------------------------------------------------------------------------
    parse_errors_refuse_request: bool = True
    """A wrong JSON type or an unknown field in one collection row refuses the call; else only the row. [unknown]"""
    all_or_none_status: int = 200
    """HTTP status of a rolled-back all-or-none call: 200 [documented], 400 in one project's tests. [unknown]"""

    # queries --------------------------------------------------------------------------------------------------------
    cursor_reads_live: bool = False
    """Later pages show rows as they are then; otherwise as they were when the query ran. [unknown]"""
    unordered: int | None = None
    """Order of a query without ORDER BY: None, that of creation; a number, a shuffle from that seed. [unknown]"""
    page_shrink: int | None = None
    """Pages hold fewer rows than they may, at random from that seed; that they may is [seen], when [unknown]"""

    # the org --------------------------------------------------------------------------------------------------------
    soap_login: bool = True
    """The SOAP log-in is enabled; it is off in new orgs. [inferred]"""
    rotate_refresh_tokens: bool = False
    """Each use of a refresh token gives a new one, and ends the old one; an org may be set so. [inferred]"""
    coverage_lag: float = 0.0
    """Seconds by which `latestDateCovered` stays behind the clock; that it does is [documented], how far [unknown]"""
    change_events: Literal["full", "gaps", "overflow"] = "full"
    """Change events tell all, or only that there was a change, or that there were too many: all three [documented]"""
    limits_on_204: bool = True
    """Answers without a body carry `Sforce-Limit-Info` too; recorded ones lack it, perhaps cut off. [unknown]"""
    max_body: int = 50_000_000
    """Bytes of a request body, bulk uploads aside; above it the answer is 413. [unknown]"""

    # bulk -----------------------------------------------------------------------------------------------------------
    bulk_looks: int = 1
    """How many looks at a job find it waiting before anything is done. [unknown]"""
    bulk_batch: int = 10_000
    """Rows that one further look carries out; the vendor's internal batches hold 10,000. [documented]"""
    bulk_shuffle: int | None = 1
    """Order of a job's result rows: None, the upload's; a number, a shuffle from that seed: any order [documented]"""
    bulk_repeats_header: bool = True
    """Every page of a bulk query begins with the header; otherwise the first alone. [unknown]"""
    bulk_line_feeds: bool = False
    """Line breaks in the cells of a bulk query's file are LF alone; otherwise as they were saved. [unknown]"""
    bulk_page_rows: int = 100_000
    """The most rows of such a page; the vendor's own measure is not published. [unknown]"""
    bulk_max_upload: int = 150_000_000
    """Bytes of a job's upload; base64 makes 150 MB of the 100 MB or so that are [documented]"""
    bulk_query_jobs: int = 10_000
    """Bulk queries of a day. [documented]"""
