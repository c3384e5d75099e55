"""Writes scalars.json: what PyYAML makes of plain scalars. Run with any Python that has PyYAML."""
import datetime
import json
import yaml

words = ["yes", "no", "on", "off", "true", "false", "y", "n", "null", "nil", "none", "t", "f"]
cases = [form for w in words for form in (w, w.capitalize(), w.upper(), w[0] + w[1:].upper())]
cases += """~ . .. - + -- 0 00 07 08 09 0644 0o644 0O17 0755 01_2 0_ 0_7 0_8 -0 +0 -07 +017 1 12 -12 +12 1_000 1__0 1_ _1 -_1
0b0 0b101 0b1_0 0b2 -0b11 +0b1 0B1 0x1F 0xff_ff 0xg -0x10 0X1F 0x 0b 9223372036854775807 -9223372036854775808
1:30 1:5 1:60 1:59:59 12:30:45 0:30 00:30 22:22 -1:30 +1:30 1:300 190:20:30 1:2:3:4 10:00 1_0:30 1: :1 08:30 8:30
1.0 1. 01.5 08.5 1.5 -1.5 +1.5 1_0.5_0 1.e+3 1.5e3 1.5e+3 1.5E-3 1.5e+ 1e3 1e+3 -1.5e+10 1._ 1.__5 .5 -.5 +.5 .5e+3 .5e3 ._5 .5_
1:30.5 1:30. 190:20:30.15 0:30.5 -1:30.5 1:60.5 .inf .Inf .INF -.inf +.inf .iNF .nan .NaN .NAN .Nan -.nan inf nan
1.2.3 1.2.3.4 10.0.0.1 1-2 1+2 1,000 0.1.2 v1.0 1a a1 0x1.8 0.0 -0.0 1e400 1.0e+400 0e0 0.0e0
2001-01-01 2001-1-1 2001-12-14t21:59:43.10-05:00 2024-13-45x 12e03 -2E+05 685.230_15e+03 685_230.15 0b1010_0111 02472256
127.0.0.1:80 00:16:3e:aa:bb:cc 11:22:33:44:55:06 1.10 3.11 0.10 1_2:3_0 <<x =x Yes! no. 0xdeadbeef 0777777 0888 0-1 ١٢""".split()

out = []
for text in dict.fromkeys(cases):
    try:
        value = yaml.load("- " + text + "\n", Loader=yaml.CSafeLoader)[0]
    except Exception:
        continue
    if isinstance(value, (datetime.date, datetime.datetime)):
        kind, value = "str", text
    elif isinstance(value, (dict, list)):
        continue
    elif isinstance(value, float):
        kind, value = "float", repr(value)
    else:
        kind = type(value).__name__
    out.append([text, kind, value])

with open("scalars.json", "w", encoding="utf-8") as f:
    f.write("[\n" + ",\n".join(json.dumps(x, ensure_ascii=False) for x in out) + "\n]\n")
print(len(out))
