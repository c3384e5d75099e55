//! JSON, base64, hashes, URLs.

use super::Table;
use crate::args::{Args, Param};
use crate::error::TemplateError;
use crate::eval::Eval;
use crate::ops::{self, Result, as_dict};
use crate::text::{float, to_str};
use crate::value::{Dict, View, dict, items, pairs, type_name, view};
use base64::Engine as _;
use minijinja::Value;
use sha2::Digest as _;
use std::fmt::Write as _;

pub(super) const TABLE: Table = &[
    ("to_json", to_json),
    ("to_nice_json", to_nice_json),
    ("tojson", tojson),
    ("from_json", from_json),
    ("b64encode", |_, value, args| {
        let [encoding, urlsafe] = args.bind("b64encode", ["encoding", "urlsafe"])?;
        let bytes = encode_text(&value, &encoding.text("utf-8")?)?;
        let engine = if urlsafe.flag(false)? {
            base64::engine::general_purpose::URL_SAFE
        } else {
            base64::engine::general_purpose::STANDARD
        };
        Ok(Value::from(engine.encode(bytes)))
    }),
    ("b64decode", b64decode),
    ("urlencode", urlencode),
    ("urldecode", |_, value, _| Ok(Value::from(percent_decode(&to_str(&value).replace('+', " "))))),
    ("urlsplit", urlsplit),
    ("to_uuid", to_uuid),
];

/// How JSON is laid out.
struct Layout {
    indent: Option<usize>,
    sort_keys: bool,
    ascii: bool,
    item: String,
    key: String,
}

fn layout(mut args: Args, indent: Option<usize>, sort_keys: bool) -> Result<Layout> {
    let indent = match args.take("indent") {
        Some(value) if value.is_none() => None,
        Some(value) => Some(usize::try_from(crate::args::int_arg(&value)?.clamp(0, 100)).unwrap_or(0)),
        None => match args.pos.first() {
            Some(value) => Some(usize::try_from(crate::args::int_arg(value)?.clamp(0, 100)).unwrap_or(0)),
            None => indent,
        },
    };
    let sort_keys = args.take("sort_keys").flag(sort_keys)?;
    let ascii = args.take("ensure_ascii").flag(true)?;
    let (mut item, mut key) = (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned());
    if let Some(separators) = args.take("separators")
        && let [first, second] = &ops::iterate(&separators)?[..]
    {
        (item, key) = (to_str(first), to_str(second));
    }
    for known in ["vault_to_text", "preprocess_unsafe", "allow_nan", "skipkeys"] {
        args.take(known);
    }
    match args.named.first() {
        Some((name, _)) => {
            Err(TemplateError::runtime(format!("to_json got an unexpected keyword argument '{name}'")))
        }
        None => Ok(Layout { indent, sort_keys, ascii, item, key }),
    }
}

fn to_json(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    json(&value, &layout(args, None, false)?).map(Value::from)
}

fn to_nice_json(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    json(&value, &layout(args, Some(4), true)?).map(Value::from)
}

/// Jinja's own: sorted, and safe within HTML.
fn tojson(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let text = json(&value, &layout(args, None, true)?)?;
    let text =
        text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026").replace('\'', "\\u0027");
    Ok(Value::from(text))
}

fn json(value: &Value, layout: &Layout) -> Result<String> {
    let mut out = String::new();
    write_json(&mut out, value, layout, 0)?;
    Ok(out)
}

fn write_json(out: &mut String, value: &Value, layout: &Layout, depth: usize) -> Result<()> {
    let newline = |out: &mut String, depth: usize| {
        if let Some(indent) = layout.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent * depth));
        }
    };
    match view(value) {
        View::None => out.push_str("null"),
        View::Bool(flag) => out.push_str(if flag { "true" } else { "false" }),
        View::Int(number) => {
            let _ = write!(out, "{number}");
        }
        View::Float(number) if number.is_nan() => out.push_str("NaN"),
        View::Float(number) if number.is_infinite() => {
            out.push_str(if number > 0.0 { "Infinity" } else { "-Infinity" });
        }
        View::Float(number) => out.push_str(&float(number)),
        View::Str(text) => write_json_text(out, text, layout.ascii),
        View::Bytes(bytes) => write_json_text(out, &String::from_utf8_lossy(bytes), layout.ascii),
        View::Seq(_) | View::Iter => {
            let all = items(value).unwrap_or_default();
            out.push('[');
            for (index, item) in all.iter().enumerate() {
                if index > 0 {
                    out.push_str(&layout.item);
                }
                newline(out, depth + 1);
                write_json(out, item, layout, depth + 1)?;
            }
            if !all.is_empty() {
                newline(out, depth);
            }
            out.push(']');
        }
        View::Map(map) => {
            let mut entries: Vec<(String, Value)> =
                pairs(map).into_iter().map(|(key, value)| (json_key(&key), value)).collect();
            if layout.sort_keys {
                entries.sort_by(|a, b| a.0.cmp(&b.0));
            }
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push_str(&layout.item);
                }
                newline(out, depth + 1);
                write_json_text(out, key, layout.ascii);
                out.push_str(&layout.key);
                write_json(out, value, layout, depth + 1)?;
            }
            if !entries.is_empty() {
                newline(out, depth);
            }
            out.push('}');
        }
        View::Marker(marker) => return Err(marker.error()),
        View::Absent => {
            return Err(TemplateError::undefined("", "an undefined value cannot be turned into JSON"));
        }
        View::Other => match crate::time::to_str(value) {
            Some(text) => write_json_text(out, &text, layout.ascii),
            None => {
                return Err(TemplateError::runtime(format!(
                    "Object of type {} is not JSON serializable",
                    type_name(value)
                )));
            }
        },
    }
    Ok(())
}

fn json_key(key: &Value) -> String {
    match view(key) {
        View::Bool(flag) => flag.to_string(),
        View::None => "null".to_owned(),
        _ => to_str(key),
    }
}

fn write_json_text(out: &mut String, text: &str, ascii: bool) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || (ascii && !(' '..='~').contains(&c)) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn from_json(_: &mut Eval<'_>, value: Value, _: Args) -> Result {
    let Some(text) = value.as_str() else {
        return Err(TemplateError::runtime(format!(
            "the JSON object must be str, bytes or bytearray, not {}",
            type_name(&value)
        )));
    };
    serde_json::from_str(text)
        .map(crate::value::from_json)
        .map_err(|error| TemplateError::runtime(format!("the text is not valid JSON: {error}")))
}

/// A text in another encoding than UTF-8; only those that are plain to do.
fn encode_text(value: &Value, encoding: &str) -> Result<Vec<u8>> {
    if let View::Bytes(bytes) = view(value) {
        return Ok(bytes.to_vec());
    }
    let text = to_str(value);
    match &*encoding.to_lowercase().replace('_', "-") {
        "utf-8" | "utf8" | "ascii" => Ok(text.into_bytes()),
        "utf-16-le" | "utf-16le" => Ok(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        "utf-16-be" | "utf-16be" => Ok(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        "latin-1" | "latin1" | "iso-8859-1" => text
            .chars()
            .map(|c| u8::try_from(u32::from(c)))
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| TemplateError::runtime(format!("the text cannot be encoded as {encoding}"))),
        _ => Err(TemplateError::runtime(format!("the encoding '{encoding}' is not supported"))),
    }
}

fn b64decode(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [encoding, urlsafe] = args.bind("b64decode", ["encoding", "urlsafe"])?;
    let config = base64::engine::GeneralPurposeConfig::new()
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true);
    let alphabet =
        if urlsafe.flag(false)? { &base64::alphabet::URL_SAFE } else { &base64::alphabet::STANDARD };
    let text: String = to_str(&value).chars().filter(|c| !c.is_whitespace()).collect();
    let bytes = base64::engine::GeneralPurpose::new(alphabet, config)
        .decode(text)
        .map_err(|error| TemplateError::runtime(format!("the text is not valid base64: {error}")))?;
    let encoding = encoding.text("utf-8")?;
    let wide = |bytes: &[u8], join: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| join([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    match &*encoding.to_lowercase().replace('_', "-") {
        "utf-8" | "utf8" | "ascii" => String::from_utf8(bytes)
            .map(Value::from)
            .map_err(|error| TemplateError::runtime(error.to_string())),
        "utf-16-le" | "utf-16le" => Ok(Value::from(wide(&bytes, u16::from_le_bytes))),
        "utf-16-be" | "utf-16be" => Ok(Value::from(wide(&bytes, u16::from_be_bytes))),
        "latin-1" | "latin1" | "iso-8859-1" => {
            Ok(Value::from(bytes.iter().map(|b| char::from(*b)).collect::<String>()))
        }
        _ => Err(TemplateError::runtime(format!("the encoding '{encoding}' is not supported"))),
    }
}

/// Everything but letters, digits, `_.-~` and `/` as `%XX`.
fn percent_encode(text: &str, safe: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "_.-~".contains(c) || (byte < 0x80 && safe.contains(c)) {
            out.push(c);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let decoded = (*first == b'%')
            .then(|| more.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match decoded {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn urlencode(_: &mut Eval<'_>, value: Value, _: Args) -> Result {
    let query = |text: &str| percent_encode(text, "").replace("%20", "+");
    let fields = match view(&value) {
        View::Map(map) => pairs(map),
        View::Seq(_) => items(&value)
            .unwrap_or_default()
            .iter()
            .map(|pair| match &ops::iterate(pair)?[..] {
                [key, value] => Ok((key.clone(), value.clone())),
                _ => Err(TemplateError::runtime("urlencode: expected pairs")),
            })
            .collect::<Result<_>>()?,
        _ => return Ok(Value::from(percent_encode(&to_str(&value), "/"))),
    };
    let parts =
        fields.iter().map(|(key, value)| format!("{}={}", query(&to_str(key)), query(&to_str(value))));
    Ok(Value::from(parts.collect::<Vec<_>>().join("&")))
}

fn urlsplit(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [component] = args.bind("urlsplit", ["component"])?;
    let text = to_str(&value);
    let (rest, fragment) = text.split_once('#').unwrap_or((&text, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let scheme_end = rest.find(':').filter(|at| {
        let scheme = &rest[..*at];
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    });
    let (scheme, rest) = match scheme_end {
        Some(at) => (rest[..at].to_lowercase(), &rest[at + 1..]),
        None => (String::new(), rest),
    };
    let (netloc, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let (login, address) =
        netloc.rsplit_once('@').map_or((None, netloc), |(login, host)| (Some(login), host));
    let (username, password) = match login {
        Some(login) => match login.split_once(':') {
            Some((name, password)) => (Some(name), Some(password)),
            None => (Some(login), None),
        },
        None => (None, None),
    };
    let (hostname, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, after)) => (host, after.strip_prefix(':')),
        None => address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port))),
    };
    let optional = |part: Option<&str>| part.map_or_else(crate::value::none, Value::from);
    let port = match port.filter(|port| !port.is_empty()) {
        Some(port) => Value::from(port.parse::<u16>().map_err(|_| {
            TemplateError::runtime(format!("Port could not be cast to integer value as '{port}'"))
        })?),
        None => crate::value::none(),
    };
    let host = if hostname.is_empty() { crate::value::none() } else { Value::from(hostname.to_lowercase()) };
    let parts: Dict = [
        ("fragment", Value::from(fragment)),
        ("hostname", host),
        ("netloc", Value::from(netloc)),
        ("password", optional(password)),
        ("path", Value::from(path)),
        ("port", port),
        ("query", Value::from(query)),
        ("scheme", Value::from(scheme)),
        ("username", optional(username)),
    ]
    .into_iter()
    .map(|(key, value)| (Value::from(key), value))
    .collect();
    match component.given() {
        None => Ok(dict(parts)),
        Some(name) => as_dict(&dict(parts))?.get(name).cloned().ok_or_else(|| {
            TemplateError::runtime(format!("urlsplit: unknown URL component: {}", to_str(name)))
        }),
    }
}

/// Ansible's own namespace for name-based UUIDs.
const NAMESPACE: &str = "361e6d51-faec-444a-9079-341386da8e2e";

fn to_uuid(_: &mut Eval<'_>, value: Value, args: Args) -> Result {
    let [namespace] = args.bind("to_uuid", ["namespace"])?;
    let namespace = namespace.text(NAMESPACE)?;
    let bytes = hex::decode(namespace.replace('-', ""))
        .ok()
        .filter(|bytes| bytes.len() == 16)
        .ok_or_else(|| TemplateError::runtime(format!("Invalid value '{namespace}' for 'namespace'")))?;
    let mut hasher = sha1::Sha1::new();
    hasher.update(&bytes);
    hasher.update(to_str(&value).as_bytes());
    let mut id: Vec<u8> = hasher.finalize()[..16].to_vec();
    id[6] = id[6] & 0x0f | 0x50;
    id[8] = id[8] & 0x3f | 0x80;
    let text = hex::encode(id);
    Ok(Value::from(format!(
        "{}-{}-{}-{}-{}",
        &text[..8],
        &text[8..12],
        &text[12..16],
        &text[16..20],
        &text[20..]
    )))
}
