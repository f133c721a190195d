"""The two protocols, APIv3 and APIv2, as pure functions: clock and nonce are arguments."""
