"""A pytest plugin, given with `-p`: httpx2 takes the place of httpx before anything imports it."""

import httpx2

httpx2.alias_httpx()
