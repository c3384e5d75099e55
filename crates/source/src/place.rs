//! Places inside a scalar: from a byte of the decoded value back to a byte of the file.

use crate::{Node, Sources, Span, Yaml};

impl Node {
    /// The source of the bytes `offset..offset + len` of this string's decoded value. Quotes, escapes,
    /// folded lines and the indentation of block scalars are taken into account; where nothing better can
    /// be said it is the whole scalar's span.
    pub fn span_within(&self, sources: &Sources, offset: usize, len: usize) -> Span {
        let Yaml::Str(value) = &self.value else { return self.span };
        if self.span.is_none() {
            return self.span;
        }
        let text = sources.text(self.span.file);
        let Some(source) = text.get(self.span.start as usize..) else { return self.span };
        let Some(start) = locate(source, value, offset) else { return self.span };
        let last = value.get(offset..offset + len).and_then(|s| s.char_indices().next_back());
        let end = last.and_then(|(i, _)| locate(source, value, offset + i)).unwrap_or(start);
        let width = last.and_then(|_| source[end..].chars().next()).map_or(0, char::len_utf8);
        let at = |i: usize| self.span.start + i as u32;
        Span::new(self.span.file, at(start), at(end + width).max(at(start)))
    }
}

#[derive(PartialEq, Clone, Copy)]
enum Style {
    Plain,
    Single,
    Double,
    Block,
}

/// The byte of `source` (which begins at the scalar) from which byte `offset` of `value` was decoded.
/// `None` when source and value do not fit together.
fn locate(source: &str, value: &str, offset: usize) -> Option<usize> {
    let offset = offset.min(value.len());
    let mut at = skip_properties(source);
    let style = match source[at..].chars().next() {
        Some('\'') => Style::Single,
        Some('"') => Style::Double,
        Some('|' | '>') => Style::Block,
        _ => Style::Plain,
    };
    match style {
        Style::Single | Style::Double => at += 1,
        Style::Block => at += source[at..].find('\n')?,
        Style::Plain => {}
    }
    let mut done = 0; // bytes of value that are accounted for
    loop {
        let rest = &value[done..];
        let here = &source[at..];
        if style == Style::Double && here.starts_with('\\') {
            let (width, decoded) = escape(here)?;
            if !decoded {
                at += width;
                continue;
            }
            if done >= offset {
                return Some(at);
            }
            done += rest.chars().next()?.len_utf8();
            at += width;
            continue;
        }
        let gap = here.len() - here.trim_start_matches([' ', '\t', '\r', '\n']).len();
        if gap > 0 {
            let white = decoded_white(style, &here[..gap], rest);
            // Indentation comes last in a source gap, so the two are aligned at their ends.
            if offset < done + white {
                return Some(at + gap.saturating_sub(done + white - offset));
            }
            done += white;
            at += gap;
            if done >= value.len() && offset >= value.len() {
                return Some(at);
            }
            if white == 0 && done >= value.len() {
                return Some(at);
            }
            continue;
        }
        if done >= offset {
            return Some(at);
        }
        let expected = rest.chars().next()?;
        let found = here.chars().next()?;
        if expected != found {
            return None;
        }
        done += expected.len_utf8();
        at += found.len_utf8();
        if style == Style::Single && found == '\'' {
            at += 1;
        }
    }
}

/// How many bytes of `rest` the source gap was decoded to.
fn decoded_white(style: Style, gap: &str, rest: &str) -> usize {
    let run = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    if style == Style::Block {
        return run;
    }
    match gap.matches('\n').count() {
        0 => gap.len().min(run),
        1 => run.min(1),
        n => run.min(n - 1),
    }
}

/// Length of the escape sequence at the start of `source`, and whether it stands for a character
/// (an escaped line break does not).
fn escape(source: &str) -> Option<(usize, bool)> {
    let c = source[1..].chars().next()?;
    Some(match c {
        'x' => (4, true),
        'u' => (6, true),
        'U' => (10, true),
        '\n' | '\r' => {
            let rest = source[1..].trim_start_matches([' ', '\t', '\r', '\n']);
            (source.len() - rest.len(), false)
        }
        c => (1 + c.len_utf8(), true),
    })
}

/// Tags and anchors before the scalar.
fn skip_properties(source: &str) -> usize {
    let mut at = 0;
    while source[at..].starts_with(['!', '&']) {
        let word = source[at..].find(char::is_whitespace).unwrap_or(source.len() - at);
        at += word;
        at += source[at..].len() - source[at..].trim_start().len();
    }
    at
}

#[cfg(test)]
mod tests {
    use crate::{Sources, parse_str};

    /// For each word of the decoded value: the source at its place must be the word.
    fn check(yaml: &str, words: &[&str]) {
        let sources = Sources::new();
        let doc = parse_str(&sources, "t.yml", yaml).unwrap().remove(0);
        let node = doc.get("k").unwrap();
        let value = node.as_str().unwrap();
        for word in words {
            let offset = value.find(word).unwrap_or_else(|| panic!("{word} not in {value:?}"));
            let span = node.span_within(&sources, offset, word.len());
            assert_eq!(sources.slice(span), *word, "in {yaml:?} decoded {value:?}");
        }
    }

    #[test]
    fn plain() {
        check("k: some {{ plain }} text\n", &["some", "{{", "plain", "text"]);
        check("k: some\n   folded {{ x }}\n\n   text\n", &["some", "folded", "{{ x }}", "text"]);
    }

    #[test]
    fn quoted() {
        check("k: \"a {{ b }} c\"\n", &["a", "{{ b }}", "c"]);
        check(
            "k: \"tab\\t{{ b }} \\u00e9 \\\n    joined ü end\"\n",
            &["tab", "{{ b }}", "joined", "ü", "end"],
        );
        check("k: 'it''s {{ x }}'\n", &["{{ x }}"]);
        check("k: \"folded\n   \\n  {{ x }}\n\n  end\"\n", &["folded", "{{ x }}", "end"]);
        check("k: !unsafe 'it''s {{ x }}'\n", &["{{ x }}"]);
    }

    #[test]
    fn blocks() {
        check(
            "k: |\n    one\n      {{ two }}\n\n    three {{ x }}\n",
            &["one", "{{ two }}", "three", "{{ x }}"],
        );
        check(
            "k: >-\n    one\n    {{ two }}\n\n      three\n    four\n",
            &["one", "{{ two }}", "three", "four"],
        );
        check("k: |2\n    one\n   two\n", &["one", "two"]);
        check("k: &a !unsafe |\n\n\n  one\n", &["one"]);
    }
}
