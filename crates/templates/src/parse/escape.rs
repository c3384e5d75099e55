//! The escapes of Python's string literals.

/// The text with its escapes replaced; unknown ones stay as they are.
pub(super) fn unescape(raw: &str) -> Result<String, String> {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    // the first half of a surrogate pair
    let mut high: Option<u32> = None;
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let Some(escape) = chars.next() else {
            out.push('\\');
            break;
        };
        match escape {
            '\n' => {}
            '\\' | '\'' | '"' => out.push(escape),
            'a' => out.push('\u{7}'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'v' => out.push('\u{b}'),
            '0'..='7' => {
                let mut code = escape.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(digit) = chars.clone().next().and_then(|c| c.to_digit(8)) else { break };
                    code = code * 8 + digit;
                    chars.next();
                }
                out.extend(char::from_u32(code));
            }
            'x' | 'u' | 'U' => {
                let length = match escape {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let code = digits(&mut chars, length)
                    .ok_or_else(|| format!("truncated \\{escape} escape in a string literal"))?;
                match (code, high.take()) {
                    (0xdc00..=0xdfff, Some(first)) => {
                        out.extend(char::from_u32(0x10000 + ((first - 0xd800) << 10) + (code - 0xdc00)));
                    }
                    (0xd800..=0xdbff, None) => high = Some(code),
                    (code, _) => {
                        out.push(char::from_u32(code).ok_or_else(|| {
                            format!("\\{escape}{code:x} in a string literal is no character")
                        })?)
                    }
                }
            }
            'N' => return Err("characters by name (\\N{…}) are not supported in string literals".to_owned()),
            other => {
                out.push('\\');
                out.push(other);
            }
        }
    }
    match high {
        Some(code) => Err(format!("\\u{code:x} in a string literal is half a character")),
        None => Ok(out),
    }
}

fn digits(chars: &mut std::str::Chars<'_>, length: usize) -> Option<u32> {
    let mut code: u32 = 0;
    for _ in 0..length {
        code = code.checked_mul(16)?.checked_add(chars.next()?.to_digit(16)?)?;
    }
    Some(code)
}
