"""One module a service: the `TypedDict`s of its bodies, queries and answers."""
