"""Builds the documentation site: the written pages of docs/, a page for each operation and event, two languages, every link checked."""
