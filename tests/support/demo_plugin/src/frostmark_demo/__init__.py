"""A backbone, a data set, a metric family and a reducer; their words are the YAMLs in ``conf/``."""
