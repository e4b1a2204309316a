"""HTTP without client libraries, for backends that are reached so."""
