"""Keys, signatures, ciphers and digests: pure functions on bytes."""
