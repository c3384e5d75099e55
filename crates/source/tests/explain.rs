//! Usual mistakes, and what is said about them.

use provision_source::{Sources, parse_str, render};

/// Title, place and help of the first error.
#[track_caller]
fn check(yaml: &str, title: &str, place: &str, help: &str) {
    let sources = Sources::new();
    let diagnostics = match parse_str(&sources, "t.yml", yaml) {
        Ok(docs) => panic!("no error for {yaml:?}: {docs:?}"),
        Err(d) => d,
    };
    let d = diagnostics.iter().next().expect("an error");
    let (line, col) = sources.line_col(d.span());
    let found = (d.title.as_str(), format!("{line}:{col}"), d.help.clone().unwrap_or_default());
    assert_eq!(
        found,
        (title, place.to_string(), help.to_string()),
        "\n{}",
        render(&diagnostics, &sources, false, None)
    );
}

#[test]
fn templates() {
    let title = "a value that starts with `{{` must be quoted";
    check("a: {{ x }}\n", title, "1:4", "quote it: \"{{ x }}\"");
    check("a: {{ x }}/bin\nb: 1\n", title, "1:4", "quote it: \"{{ x }}/bin\"");
    check("a:\n  - {{ x | default(\"y\") }}\n", title, "2:5", "quote it: '{{ x | default(\"y\") }}'");
}

#[test]
fn quotes() {
    check(
        "a: \"x\nb: 1\n",
        "a quoted string is not closed",
        "1:4",
        "close it; a `\"` inside double quotes is written `\\\"`",
    );
    check(
        "a: 1\nb: 'x\n",
        "a quoted string is not closed",
        "2:4",
        "close it; a `'` inside single quotes is written twice: `''`",
    );
    check("a: \"x\" y\nb: 1\n", "text after the end of a quoted string", "1:8", "quote all of it: '\"x\" y'");
    check("a: 'x' y\nb: 1\n", "text after the end of a quoted string", "1:8", "quote all of it: \"'x' y\"");
    check(
        "a: \"\\d+\"\n",
        "unknown escape in a double-quoted string",
        "1:5",
        "write `\\\\` for a backslash, or use single quotes, which have no escapes",
    );
}

#[test]
fn colons() {
    check(
        "a: b: c\n",
        "a plain value cannot contain a colon followed by a space",
        "1:5",
        "quote the value: \"b: c\"",
    );
    check(
        "- name: Install: it\n",
        "a plain value cannot contain a colon followed by a space",
        "1:16",
        "quote the value: \"Install: it\"",
    );
    check("a: 1\nb:2\nc: 3\n", "a space is missing after the colon", "2:2", "write `b: 2`");
    check("a: 1\nb:2\n", "a space is missing after the colon", "2:2", "write `b: 2`");
}

#[test]
fn tabs_and_indentation() {
    check("a:\n\tb: 1\n", "YAML must not be indented with tabs", "2:1", "indent with spaces");
    check("a:\n  b: 1\n\tc: 1\n", "YAML must not be indented with tabs", "3:1", "indent with spaces");
    check(
        "a:\n  b: 1\n c: 2\n",
        "wrong indentation",
        "3:2",
        "indent it like one of the lines above: by 0 or 2",
    );
    check(
        "a:\n  - x\n - y\n",
        "wrong indentation",
        "3:2",
        "indent it like one of the lines above: by 0 or 2",
    );
    check(
        "a: 1\n  b: 2\n",
        "a mapping cannot start here",
        "2:3",
        "indent it by 0 spaces, like the line above",
    );
    check("- a\nb: c\n", "a key in the middle of a list", "2:1", "check the indentation of this line");
    check(
        "a: c\n- b\n",
        "a list item in the middle of a mapping",
        "2:1",
        "check the indentation of this line",
    );
}

#[test]
fn reserved_characters_and_brackets() {
    check("a: @x y\n", "a plain value cannot start with `@`", "1:4", "quote it: \"@x y\"");
    check("a: %x\n", "a plain value cannot start with `%`", "1:4", "quote it: \"%x\"");
    check("a: `x`\n", "a plain value cannot start with a backtick", "1:4", "quote it: \"`x`\"");
    check(
        "a: *.example.com\n",
        "no anchor of this name",
        "1:4",
        "if it is meant as text, quote it: \"*.example.com\"",
    );
    check("a: [1, 2\nb: 3\n", "`[` is not closed", "1:4", "");
}

#[test]
fn rendered_like_rustc() {
    let sources = Sources::new();
    let diagnostics =
        parse_str(&sources, "site.yml", "- hosts: all\n  vars:\n    who: {{ me }}\n").unwrap_err();
    let text = render(&diagnostics, &sources, false, Some(100));
    let expected = r#"error[yaml]: a value that starts with `{{` must be quoted
 --> site.yml:3:10
  |
3 |     who: {{ me }}
  |          ^^^^^^^^ YAML reads `{` as the start of a mapping
  |
  = help: quote it: "{{ me }}"
"#;
    assert_eq!(text, expected);
    assert!(render(&diagnostics, &sources, true, None).contains("\u{1b}["));
}

/// Whatever the text: no panic, and places within it.
#[test]
fn never_panics_on_mutations() {
    let base = "---\n- hosts: 'all'\n  vars: {a: [1, \"b\"], ü: &x |\n     t\n  }\n  tasks:\n    - name: \"x\"\n\t  copy: src=a dest={{ b }}\n      when: *x\n    - !vault >-\n       y\n";
    let chars: Vec<char> = base.chars().collect();
    for i in 0..chars.len() {
        for insert in
            [None, Some('"'), Some('{'), Some(':'), Some('\t'), Some('\n'), Some('é'), Some('*'), Some('\r')]
        {
            let mut text: Vec<char> = chars.clone();
            match insert {
                None => drop(text.remove(i)),
                Some(c) => text.insert(i, c),
            }
            for text in [text.iter().collect::<String>(), text[..i].iter().collect()] {
                let sources = Sources::new();
                if let Err(d) = parse_str(&sources, "t.yml", text.as_str()) {
                    render(&d, &sources, false, Some(80));
                    assert!(d.iter().all(|d| !d.span().is_none() && d.span().end as usize <= text.len()));
                }
            }
        }
    }
}
