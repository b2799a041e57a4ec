"""Run functions on untrusted files in child processes that can only compute.

Gateway, worker and command line share this package; it needs only the standard library. `children`
and `child` are the parent's side, `zygote` forks the children, `confine` drops their privileges,
and `wire` defines their messages.
"""
