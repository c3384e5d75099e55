"""Times the templates of this directory with Jinja2 and with ansible-core; prints JSON: name to [median in
microseconds, samples]. Given: this directory, seconds per measurement."""
import json
import os
import sys
import time

import jinja2
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template

init_plugin_loader([])
place, seconds = sys.argv[1], float(sys.argv[2])
task = json.load(open(os.path.join(place, 'task.json')))
source = open(os.path.join(place, 'vhost.conf.j2')).read()


def trusted(value):
    if isinstance(value, str):
        return trust_as_template(value)
    if isinstance(value, list):
        return [trusted(item) for item in value]
    if isinstance(value, dict):
        return {key: trusted(item) for key, item in value.items()}
    return value


def measure(run):
    run()
    samples = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(samples) < 10:
        begin = time.perf_counter()
        run()
        samples.append(time.perf_counter() - begin)
    samples.sort()
    return [samples[len(samples) // 2] * 1e6, len(samples)]


def from_ansible(name):
    """A filter or test of ansible-core, for plain Jinja2, which has no such ones."""
    from ansible.plugins.filter.core import FilterModule as Filters
    from ansible.plugins.test.core import TestModule as Tests
    known = dict(Filters().filters(), **Tests().tests())
    return known[name]


env = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True)
for name in ('regex_replace', 'combine'):
    env.filters[name] = from_ansible(name)
env.tests['version'] = from_ansible('version')
template = env.from_string(source)
expressions = [env.from_string(text) for text in task['expressions']]
variables = task['vars']
trusted_vars = trusted(variables)
trusted_texts = [trust_as_template(text) for text in task['expressions']]
loader = DataLoader()


def ansible_file():
    templar = Templar(loader=loader, variables=trusted_vars)
    return templar.template(trust_as_template("{{ lookup('template', '%s/vhost.conf.j2') }}" % place))


def ansible_expressions():
    templar = Templar(loader=loader, variables=trusted_vars)
    return [templar.template(text) for text in trusted_texts]


out = {
    'vhost, Jinja2, compiled before': measure(lambda: template.render(variables)),
    'vhost, Jinja2, from its text': measure(lambda: env.from_string(source).render(variables)),
    'vhost, ansible-core': measure(ansible_file),
    'arguments, Jinja2, compiled before': measure(lambda: [t.render(variables) for t in expressions]),
    'arguments, Jinja2, from their texts':
        measure(lambda: [env.from_string(text).render(variables) for text in task['expressions']]),
    'arguments, ansible-core': measure(ansible_expressions),
}
checks = {'vhost': template.render(variables), 'ansible': ansible_file(), 'arguments': ansible_expressions()}
json.dump({'times': out, 'checks': checks}, sys.stdout, default=str)
