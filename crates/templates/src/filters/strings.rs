//! Text: case, padding, regular expressions, comments.

use super::Table;
use crate::args::{Args, Param, int_arg};
use crate::error::TemplateError;
use crate::eval::Eval;
use crate::ops::Result;
use crate::regex::{self, Flags};
use crate::text::to_str;
use crate::value::{View, list, none, view};
use minijinja::Value;

pub(super) const TABLE: Table = &[
    ("lower", |_, value, args| args.none("lower").map(|()| Value::from(to_str(&value).to_lowercase()))),
    ("upper", |_, value, args| args.none("upper").map(|()| Value::from(to_str(&value).to_uppercase()))),
    ("capitalize", |_, value, args| {
        args.none("capitalize").map(|()| Value::from(crate::methods::capitalize(&to_str(&value))))
    }),
    ("title", |_, value, args| args.none("title").map(|()| Value::from(title(&to_str(&value))))),
    ("trim", trim),
    ("replace", replace),
    ("split", split),
    ("indent", indent),
    ("center", |_, value, args| {
        let [width] = args.bind("center", ["width"])?;
        Ok(Value::from(crate::methods::justify(&to_str(&value), "center", width.int(80)?, " ")))
    }),
    ("wordcount", |_, value, _| {
        let words = regex::compile(r"\w+", Flags::default())?;
        Ok(Value::from(words.find_iter(&to_str(&value)).count()))
    }),
    ("wordwrap", wordwrap),
    ("truncate", truncate),
    ("format", |_, value, args| {
        let text = to_str(&value);
        if args.pos.is_empty() && !args.named.is_empty() {
            let map = args.named.into_iter().map(|(name, value)| (Value::from(&*name), value)).collect();
            return crate::format::percent(&text, &crate::value::dict(map)).map(Value::from);
        }
        crate::format::percent(&text, &crate::value::tuple(args.pos)).map(Value::from)
    }),
    ("regex_search", regex_search),
    ("regex_replace", regex_replace),
    ("regex_findall", regex_findall),
    ("regex_escape", regex_escape),
    ("comment", comment),
    ("quote", |_, value, _| {
        Ok(Value::from(quote(&if value.is_none() { String::new() } else { to_str(&value) })))
    }),
    ("striptags", striptags),
    ("pprint", |_, value, _| Ok(Value::from(crate::text::repr(&value)))),
];

fn title(text: &str) -> String {
    // words end at blanks, hyphens and opening brackets only, so that "it's" stays one
    let mut out = String::new();
    let mut start = true;
    for c in text.chars() {
        if start {
            out.extend(c.to_uppercase());
        } else {
            out.extend(c.to_lowercase());
        }
        start = c.is_whitespace() || "-({[<".contains(c);
    }
    out
}

fn trim(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [chars] = args.bind("trim", ["chars"])?;
    let text = to_str(&value);
    Ok(Value::from(match chars.given() {
        None => text.trim(),
        Some(chars) => {
            let chars: Vec<char> = to_str(chars).chars().collect();
            text.trim_matches(|c| chars.contains(&c))
        }
    }))
}

fn replace(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [old, new, count] = args.bind("replace", ["old", "new", "count"])?;
    let (old, new) = (to_str(&old.required("replace", "old")?), to_str(&new.required("replace", "new")?));
    let text = to_str(&value);
    if new.len() > old.len() {
        let found = if old.is_empty() { text.len() + 1 } else { text.matches(&old).count() };
        crate::ops::check_length(text.len().saturating_add(found.saturating_mul(new.len() - old.len())))?;
    }
    Ok(Value::from(match count.given() {
        Some(count) => match usize::try_from(int_arg(count)?) {
            Ok(count) => text.replacen(&old, &new, count),
            Err(_) => text.replace(&old, &new),
        },
        None => text.replace(&old, &new),
    }))
}

fn split(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [separator, max] = args.bind("split", ["sep", "maxsplit"])?;
    let max = usize::try_from(max.int(-1)?).unwrap_or(usize::MAX);
    let separator = separator.given().map(to_str);
    match view(&value) {
        View::Str(text) => crate::methods::split(text, separator.as_deref(), max, false),
        _ => Err(TemplateError::runtime(format!(
            "'{}' object has no attribute 'split'",
            crate::value::type_name(&value)
        ))),
    }
}

fn indent(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [width, first, blank] = args.bind("indent", ["width", "first", "blank"])?;
    let indentation = match width.given() {
        Some(width) if width.as_str().is_some() => to_str(width),
        other => " ".repeat(usize::try_from(other.map_or(Ok(4), int_arg)?.clamp(0, 1 << 16)).unwrap_or(0)),
    };
    let (first, blank) = (first.flag(false)?, blank.flag(false)?);
    let text = to_str(&value);
    let mut out = String::new();
    for (index, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if index > 0 {
            out.push('\n');
        }
        // a first line is indented only on request, blank ones neither
        if (index > 0 && (blank || !line.is_empty())) || (index == 0 && first) {
            out.push_str(&indentation);
        }
        out.push_str(line);
    }
    Ok(Value::from(out))
}

fn wordwrap(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [width, break_long, wrapstring, _] =
        args.bind("wordwrap", ["width", "break_long_words", "wrapstring", "break_on_hyphens"])?;
    let width = usize::try_from(width.int(79)?.max(1)).unwrap_or(79);
    let (break_long, wrapstring) = (break_long.flag(true)?, wrapstring.text("\n")?);
    let text = to_str(&value);
    let lines = text.lines().map(|line| {
        let mut rows: Vec<String> = Vec::new();
        let mut row = String::new();
        for word in line.split_whitespace() {
            let mut word: Vec<char> = word.chars().collect();
            let used = row.chars().count();
            if !row.is_empty() && used + 1 + word.len() > width {
                rows.push(std::mem::take(&mut row));
            }
            if !row.is_empty() {
                row.push(' ');
            }
            while break_long && row.is_empty() && word.len() > width {
                rows.push(word.drain(..width).collect());
            }
            row.extend(word);
        }
        rows.push(row);
        rows.join(&wrapstring)
    });
    Ok(Value::from(lines.collect::<Vec<_>>().join(&wrapstring)))
}

fn truncate(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [length, kill, end, leeway] = args.bind("truncate", ["length", "killwords", "end", "leeway"])?;
    let length = usize::try_from(length.int(255)?).unwrap_or(0);
    let (kill, end) = (kill.flag(false)?, end.text("...")?);
    let leeway = usize::try_from(leeway.int(5)?).unwrap_or(0);
    let text = to_str(&value);
    let marks = end.chars().count();
    if length < marks {
        return Err(TemplateError::runtime(format!("expected length >= {marks}, got {length}")));
    }
    if text.chars().count() <= length + leeway {
        return Ok(Value::from(text));
    }
    let cut: String = text.chars().take(length - marks).collect();
    let cut = if kill { &*cut } else { cut.rsplit_once(' ').map_or(&*cut, |(before, _)| before) };
    Ok(Value::from(format!("{cut}{end}")))
}

fn flags(ignorecase: &Option<Value>, multiline: &Option<Value>) -> Result<Flags> {
    Ok(Flags { ignorecase: ignorecase.flag(false)?, multiline: multiline.flag(false)? })
}

fn regex_search(_: &mut Eval<'_>, value: Value, mut args: Args) -> Result {
    let options = flags(&args.take("ignorecase"), &args.take("multiline"))?;
    let mut wanted = args.pos.into_iter();
    let pattern = wanted
        .next()
        .or_else(|| args.named.iter().find(|(name, _)| &**name == "regex").map(|(_, value)| value.clone()));
    let pattern = to_str(&pattern.required("regex_search", "regex")?);
    let compiled = regex::compile(&pattern, options)?;
    let text = to_str(&value);
    let Some(found) = compiled.captures(&text).map_err(regex::failed)? else { return Ok(none()) };
    let mut groups = Vec::new();
    for argument in wanted {
        let name = to_str(&argument);
        let group = if let Some(name) = name.strip_prefix("\\g<").and_then(|rest| rest.strip_suffix('>')) {
            match name.parse::<usize>() {
                Ok(number) => found.get(number),
                Err(_) => found.name(name),
            }
        } else if let Some(number) = name.strip_prefix('\\').and_then(|digits| digits.parse::<usize>().ok()) {
            if number >= found.len() {
                return Err(TemplateError::runtime(format!("no such group: {number}")));
            }
            found.get(number)
        } else {
            return Err(TemplateError::runtime("Unknown argument: use \\g<name> or \\1"));
        };
        groups.push(group.map_or_else(none, |group| Value::from(group.as_str())));
    }
    if groups.is_empty() {
        return Ok(found.get(0).map_or_else(none, |whole| Value::from(whole.as_str())));
    }
    Ok(list(groups))
}

fn regex_replace(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [pattern, replacement, ignorecase, multiline, count, mandatory] = args.bind(
        "regex_replace",
        ["pattern", "replacement", "ignorecase", "multiline", "count", "mandatory_count"],
    )?;
    let compiled = regex::compile(&pattern.text("")?, flags(&ignorecase, &multiline)?)?;
    let count = usize::try_from(count.int(0)?).unwrap_or(0);
    let (text, done) = regex::replace(&compiled, &to_str(&value), &replacement.text("")?, count)?;
    let mandatory = mandatory.int(0)?;
    if mandatory > 0 && i64::try_from(done).unwrap_or(0) != mandatory {
        return Err(TemplateError::runtime(format!(
            "'{}' should match {mandatory} times, but matches {done} times",
            pattern.text("")?
        )));
    }
    Ok(Value::from(text))
}

fn regex_findall(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [pattern, multiline, ignorecase] =
        args.bind("regex_findall", ["regex", "multiline", "ignorecase"])?;
    let pattern = to_str(&pattern.required("regex_findall", "regex")?);
    let compiled = regex::compile(&pattern, flags(&ignorecase, &multiline)?)?;
    let text = to_str(&value);
    let mut out = Vec::new();
    for found in regex::matches(&compiled, &text)? {
        let group = |at: usize| Value::from(found.get(at).map_or("", |group| group.as_str()));
        out.push(match found.len() {
            1 => group(0),
            2 => group(1),
            many => list((1..many).map(group).collect()),
        });
    }
    Ok(list(out))
}

fn regex_escape(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [kind] = args.bind("regex_escape", ["re_type"])?;
    let special = match &*kind.text("python")? {
        "python" => "()[]{}?*+-|^$\\.&~# \t\n\r\x0b\x0c",
        "posix_basic" => "\\.[*^$]",
        other => {
            return Err(TemplateError::runtime(format!("Invalid regex type ({other})")));
        }
    };
    let mut out = String::new();
    for c in to_str(&value).chars() {
        if special.contains(c) && !(special.starts_with('\\') && c == ']') {
            out.push('\\');
        }
        out.push(c);
    }
    Ok(Value::from(out))
}

fn comment(_: &mut Eval<'_>, value: Value, mut args: Args) -> Result {
    let style = match args.pos.first() {
        Some(style) => to_str(style),
        None => args.take("style").text("plain")?,
    };
    let (beginning, decoration, end) = match &*style {
        "plain" => ("", "# ", ""),
        "erlang" => ("", "% ", ""),
        "c" => ("", "// ", ""),
        "cblock" => ("/*", " * ", " */"),
        "xml" => ("<!--", " - ", "-->"),
        other => return Err(TemplateError::runtime(format!("Invalid style '{other}'."))),
    };
    let option = |args: &mut Args, name: &str, default: &str| args.take(name).text(default);
    let decoration = option(&mut args, "decoration", decoration)?;
    let newline = option(&mut args, "newline", "\n")?;
    let beginning = option(&mut args, "beginning", beginning)?;
    let end = option(&mut args, "end", end)?;
    let stripped = decoration.trim_end().to_owned();
    let prefix = option(&mut args, "prefix", &stripped)?;
    let postfix = option(&mut args, "postfix", &stripped)?;
    let prefix_count = usize::try_from(args.take("prefix_count").int(1)?.clamp(0, 1000)).unwrap_or(0);
    let postfix_count = usize::try_from(args.take("postfix_count").int(1)?.clamp(0, 1000)).unwrap_or(0);
    if let Some((name, _)) = args.named.first() {
        return Err(TemplateError::runtime(format!("comment got an unexpected keyword argument '{name}'")));
    }
    let mut lines: Vec<String> = Vec::new();
    if !beginning.is_empty() {
        lines.push(beginning);
    }
    if !prefix.is_empty() {
        lines.extend(std::iter::repeat_n(prefix, prefix_count));
    }
    for line in to_str(&value).split(&*newline) {
        lines.push(format!("{decoration}{line}").trim_end_matches(' ').to_owned());
    }
    if !postfix.is_empty() {
        lines.extend(std::iter::repeat_n(postfix, postfix_count));
    }
    if !end.is_empty() {
        lines.push(end);
    }
    Ok(Value::from(lines.join(&newline)))
}

/// Quoting for a POSIX shell.
pub(crate) fn quote(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if text.is_empty() {
        return "''".to_owned();
    }
    if text.chars().all(safe) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\"'\"'")) }
}

fn striptags(_: &mut Eval<'_>, value: Value, _: Args) -> Result {
    let tags = regex::compile(r"(?s)<!--.*?-->|<[^>]*>", Flags::default())?;
    let text = to_str(&value);
    let text = tags.replace_all(&text, "");
    Ok(Value::from(text.split_whitespace().collect::<Vec<_>>().join(" ")))
}
