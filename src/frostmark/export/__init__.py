"""A network that won, as files that run elsewhere: preprocessing, cut network, pool and read-out in one."""
