"""The async Python SDK for the WeChat Pay OpenAPI."""
