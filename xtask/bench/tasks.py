"""The twenty operations of tasks.yaml, for pyinfra."""

from io import StringIO

from pyinfra import host
from pyinfra.facts.server import Hostname
from pyinfra.operations import apt, files, iptables, server, systemd
from pyinfra.operations.util import any_changed

DOMAIN, PORT, WORKERS = "bench.example.test", 8081, 2
NAME = host.get_fact(Hostname).split(".")[0]
ROOT = {"user": "root", "group": "root"}


def template(name, dest):
    return files.template(
        src=f"templates/{name}.j2",
        dest=dest,
        mode="644",
        **ROOT,
        jinja_env_kwargs={"trim_blocks": True},
        ansible_facts={"hostname": NAME},
        bench_domain=DOMAIN,
        bench_port=PORT,
        bench_workers=WORKERS,
    )


apt.packages(packages=["nginx", "openssl", "iptables-persistent"])
for port in (22, 80, 443):
    iptables.rule(chain="INPUT", jump="ACCEPT", protocol="tcp", destination_port=port)
iptables.rule(chain="INPUT", jump="ACCEPT", protocol="tcp", destination_port=443, version=6)
files.directory(path="/etc/ssl/private", mode="700", **ROOT)
files.directory(path="/etc/nginx/snippets", mode="755", **ROOT)
files.directory(path="/srv/bench/www", mode="755", **ROOT)
files.directory(path="/var/log/bench", mode="750", **ROOT)
nginx = [
    files.put(src=f"files/{name}.conf", dest=f"/etc/nginx/snippets/bench-{name}.conf", mode="644", **ROOT)
    for name in ("tls", "gzip")
]
files.put(src=StringIO(f"hello from {NAME}\n"), dest="/srv/bench/www/index.html", mode="644", **ROOT)
nginx.append(template("headers.conf", "/etc/nginx/snippets/bench-headers.conf"))
nginx.append(template("upstream.conf", "/etc/nginx/conf.d/bench-upstream.conf"))
nginx.append(template("site.conf", "/etc/nginx/sites-available/bench.conf"))
nginx.append(
    files.link(path="/etc/nginx/sites-enabled/bench.conf", target="/etc/nginx/sites-available/bench.conf")
)
nginx.append(files.link(path="/etc/nginx/sites-enabled/default", present=False))
# pyinfra counts every command as a change; these two only look.
server.shell(name="LOOK nginx -t", commands=["nginx -t -q"])
systemd.service(service="nginx", running=True, enabled=True)
systemd.service(service="nginx", reloaded=True, _if=any_changed(*nginx))
server.shell(name="LOOK probe", commands=[f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{PORT}'"])
