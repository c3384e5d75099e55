"""A hundred directories, for pyinfra."""

from pyinfra.operations import files

for n in range(100):
    files.directory(path=f"/srv/bench/tree/{n}", mode="755", user="root", group="root")
