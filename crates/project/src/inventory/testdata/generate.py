"""Writes expected.json: what ansible-core makes of these inventories and patterns.

Run with the directory of an ansible-core installation's programs as the only argument.
"""
import json
import os
import subprocess
import sys

BIN = sys.argv[1]
ENV = dict(os.environ, ANSIBLE_LOCALHOST_WARNING="0", ANSIBLE_NOCOLOR="1", ANSIBLE_INVENTORY_UNPARSED_WARNING="0")


def run(program, *args):
    done = subprocess.run([os.path.join(BIN, program), *args], capture_output=True, text=True, env=ENV)
    return done.stdout, done.stderr


def plain(value):
    """Without the wrappers of values that are not templated."""
    if isinstance(value, dict):
        if set(value) == {"__ansible_unsafe"}:
            return value["__ansible_unsafe"]
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


inventories = [
    ["kinds.ini"], ["groups.yml"], ["order.ini"], ["literals.ini"], ["literals2.ini"], ["tree"], ["layout.ini"],
    ["all_children.ini"], ["ungrouped.ini"], ["twice.yml"], ["reopened.yml"], ["strings.yml"], ["ports.yml"],
    ["script.sh"], ["script_host.sh"], ["priority.yml"], ["order.ini", "twice.yml", "extra1,extra2:2200,"],
    ["constructed_hosts.yml", "constructed.yml"], ["constructed_hosts.yml", "constructed_bare.yml"], ["generator.yml"],
    ["one,"], ["[::1]:22,::2,a.b:1,web[1:2],"], ["tree", "--playbook-dir", "treeplay"],
]
patterns = """all p q * a* all[0:2] all[-1] b1:a a,b,&c !a all:!a &b a:&b ~b[12] ~^b p[1:] p[0-1] nope nope:a a[9] b1[0] b? b[12]
b[!1] z1,localhost b1,a* a:&nope 127.0.0.1 B1 all:!nope a[x] a[1:0] a[-2:-1] q:!a2:&p a::b a,,b ungrouped !all p[3:2] p[2:0]
p[2:1] p[0:0] p[1:1] p[1:99] p[-1] p[-9] p[7:9] p*[0] ~p[0] !a[0]:p p:!a[1:] z1;z2 z1:z2,b a[] *[0] all,!all &a,b a,&b,!b1,z1
~a|b1 z1:22 ~.*[19]$ [ab]1 ?[!2] *1 *,!*1 localhost ::1 all:localhost""".split() + ["z1 z2", "z1, z2"]

out = {"inventories": [], "patterns": [], "limits": []}
for spec in inventories:
    args = []
    rest = list(spec)
    while rest:
        word = rest.pop(0)
        args += ["--playbook-dir", rest.pop(0)] if word == "--playbook-dir" else ["-i", word]
    listed = plain(json.loads(run("ansible-inventory", *args, "--list")[0]))
    hostvars = listed["_meta"]["hostvars"]
    groups = {name: {k: v for k, v in group.items()} for name, group in listed.items() if name != "_meta"}
    hosts, _ = run("ansible", *[a for a in args if a not in ("--playbook-dir", "treeplay")], "all", "--list-hosts")
    order = [line.strip() for line in hosts.splitlines()[1:]]
    out["inventories"].append({"args": spec, "hostvars": hostvars, "groups": groups, "hosts": order})
for pattern in patterns:
    stdout, stderr = run("ansible", "-i", "order.ini", pattern, "--list-hosts")
    hosts = [line.strip() for line in stdout.splitlines()[1:]]
    unmatched = "Could not match supplied host pattern" in stderr
    out["patterns"].append([pattern, hosts, unmatched])
for limit in ["a1,a2", "a2,a1", "!a", "a,nope", "@limit.txt", "@limit.txt,!b1", "b[0]"]:
    stdout, _ = run("ansible", "-i", "order.ini", "all", "-l", limit, "--list-hosts")
    out["limits"].append([limit, [line.strip() for line in stdout.splitlines()[1:]]])
with open("expected.json", "w", encoding="utf-8") as f:
    json.dump(out, f, ensure_ascii=False, indent=1)
    f.write("\n")
