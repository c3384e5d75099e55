//! Comma separated values, as Python's module `csv` reads them.

/// How a table is written.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    pub delimiter: char,
    pub skip_initial_space: bool,
    /// Text after a closing quote is an error.
    pub strict: bool,
}

/// The rows of a text, without empty lines.
///
/// # Errors
/// A quote that is not closed, or (strictly) text after one that is.
pub fn rows(text: &str, dialect: Dialect) -> Result<Vec<Vec<String>>, String> {
    let mut rows = Vec::new();
    let mut row: Vec<String> = Vec::new();
    let mut field = String::new();
    // a field that was begun, be it empty
    let mut begun = false;
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if quoted {
            match c {
                '"' if chars.peek() == Some(&'"') => {
                    chars.next();
                    field.push('"');
                }
                '"' => {
                    quoted = false;
                    let after = chars.peek().copied();
                    if dialect.strict
                        && after.is_some_and(|c| c != dialect.delimiter && !matches!(c, '\n' | '\r'))
                    {
                        return Err(format!("'{}' expected after '\"'", dialect.delimiter));
                    }
                }
                c => field.push(c),
            }
            continue;
        }
        match c {
            '"' if !begun => {
                quoted = true;
                begun = true;
            }
            c if c == dialect.delimiter => {
                row.push(std::mem::take(&mut field));
                begun = false;
                if chars.peek().is_none() || matches!(chars.peek(), Some('\n' | '\r')) {
                    begun = true;
                }
            }
            '\r' | '\n' => {
                if c == '\r' && chars.peek() == Some(&'\n') {
                    chars.next();
                }
                if begun || !row.is_empty() {
                    row.push(std::mem::take(&mut field));
                    rows.push(std::mem::take(&mut row));
                }
                begun = false;
            }
            ' ' if dialect.skip_initial_space && !begun => {}
            c => {
                begun = true;
                field.push(c);
            }
        }
    }
    if quoted && dialect.strict {
        return Err("unexpected end of data".to_owned());
    }
    if begun || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    Ok(rows)
}
