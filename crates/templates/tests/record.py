"""Records what ansible-core makes of templates, for corpus.rs.

Usage: record.py corpus.json LINES.json, with the Python of a virtual environment that has ansible-core (and for the
filters of collections the package `ansible`, jmespath and netaddr).

LINES.json is a list of texts, or of {"kind": KIND, "text": TEXT} with a kind of text, when, expr or file. They are
added to the cases of the corpus, or replace those of the same text. Files can include those in "files".
"""
import json
import os
import sys
import tempfile
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible.plugins.loader import init_plugin_loader

init_plugin_loader([])


def trust(v):
    if isinstance(v, str):
        return trust_as_template(v)
    if isinstance(v, list):
        return [trust(x) for x in v]
    if isinstance(v, dict):
        return {k: trust(x) for k, x in v.items()}
    return v


def plain(v):
    if isinstance(v, dict):
        return {str(k): plain(x) for k, x in v.items()}
    if isinstance(v, (list, tuple, set)):
        return [plain(x) for x in v]
    if isinstance(v, bool) or v is None:
        return v
    for kind in (int, float):
        if isinstance(v, kind):
            return kind(v)
    if isinstance(v, bytes):
        return v.decode('utf-8', 'surrogateescape')
    return str(v)


def chain(e):
    out = []
    while e is not None:
        out.append(e)
        e = e.__cause__
    return out


def run(kind, text, vars, files):
    t = Templar(loader=DataLoader(), variables=trust(vars))
    try:
        src = trust_as_template(text)
        if kind == 'file':
            with tempfile.TemporaryDirectory() as place:
                for name, body in dict(files, main=text).items():
                    with open(os.path.join(place, name), 'w', newline='') as out:
                        out.write(body)
                v = t.template(trust_as_template("{{ lookup('template', '%s/main') }}" % place))
        elif kind == 'when':
            v = t.evaluate_conditional(src)
        elif kind == 'expr':
            v = t.evaluate_expression(src)
        else:
            v = t.template(src)
        if 'Omit' in type(v).__name__:
            return {'error': 'omit', 'message': ''}
        return {'value': plain(v)}
    except Exception as e:
        names = [type(x).__name__ for x in chain(e)]
        msg = ' '.join(str(x) for x in chain(e))
        if 'Omit scalar' in msg:
            return {'error': 'omit', 'message': ''}
        undefined, syntax = (any(word in name for name in names) for word in ('Undefined', 'Syntax'))
        kind = 'undefined' if undefined else 'syntax' if syntax else 'error'
        return {'error': kind, 'message': msg}


if __name__ == '__main__':
    path = sys.argv[1]
    corpus = json.load(open(path))
    known = {(c['kind'], c['text']): c for c in corpus['cases']}
    for line in json.load(open(sys.argv[2])):
        if isinstance(line, str):
            line = {'kind': 'text', 'text': line}
        kind, text = line['kind'], line['text']
        case = dict(kind=kind, text=text, **run(kind, text, corpus['vars'], corpus.get('files', {})))
        old = known.get((kind, text))
        if old:
            old.clear()
            old.update(case)
        else:
            corpus['cases'].append(case)
        print(json.dumps(case, ensure_ascii=False)[:500])
    with open(path, 'w') as out:
        json.dump(corpus, out, indent=0, ensure_ascii=False)
        out.write('\n')
