"""Reconciliation: the merchant's own ledger against WeChat Pay's bill, several millions of rows in bounded memory.

    report = await reconcile(ledger, wxpay.bills.trade("2026-11-24"))
    print(report.as_text())

The rows of both sides go into a temporary SQLite database, which sorts them on disk and puts the two sides of each number side by side. On
one million rows a side DuckDB grouped four times as fast, but took 331 MB of memory where SQLite took 76, so the standard library stays.
"""

from wechatpay_async.reconcile.entries import Kind, LedgerEntry
from wechatpay_async.reconcile.report import Difference, Report, Sums
from wechatpay_async.reconcile.run import reconcile
from wechatpay_async.reconcile.words import Language, Problem

__all__ = ["Difference", "Kind", "Language", "LedgerEntry", "Problem", "Report", "Sums", "reconcile"]
