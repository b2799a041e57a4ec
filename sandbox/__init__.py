"""Functions on untrusted files, run in a child process that can do nothing else.

It stands below all other packages and needs the standard library alone, so that gateway, worker and
command line share it: `children` is their side, `zygote` forks, `confine` takes from a child what
it does not need, `kinds` tells a file's kind by its first bytes.
"""
