#!/bin/sh
echo '{"g": {"hosts": ["a","b"], "vars": {"x": 1}, "children": ["k"]}, "k": ["c"], "all": {"vars": {"z": 1}}, "_meta": {"hostvars": {"a": {"q1": 2}, "zz": {"n": 1}}}}'
