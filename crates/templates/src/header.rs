//! The `#jinja2:` line at the top of a template file.

use crate::error::{ErrorKind, TemplateError};
use crate::ops::Result;
use crate::templater::FileOptions;

const HEADER: &str = "#jinja2:";

/// The template without its header, and the options with the header's overrides.
pub(crate) fn split<'a>(source: &'a str, options: &FileOptions) -> Result<(&'a str, FileOptions)> {
    let mut options = options.clone();
    let Some(rest) = source.strip_prefix(HEADER) else { return Ok((source, options)) };
    let (line, body) = rest.split_once('\n').unwrap_or((rest, ""));
    for pair in split_pairs(line) {
        let Some((key, value)) = pair.split_once(':') else {
            return Err(bad(format!("failed to parse the jinja2 override '{pair}': it has no ':'")));
        };
        set(&mut options, key.trim(), &unquote(value.trim()))?;
    }
    Ok((body, options))
}

/// Commas separate, except within quotes.
fn split_pairs(line: &str) -> Vec<String> {
    let mut pairs = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (None, ',') => {
                pairs.push(String::new());
                continue;
            }
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
        if let Some(last) = pairs.last_mut() {
            last.push(c);
        }
    }
    pairs.retain(|pair| !pair.trim().is_empty());
    pairs
}

fn unquote(value: &str) -> String {
    let mut chars = value.chars();
    match (chars.next(), chars.next_back()) {
        (Some(open @ ('\'' | '"')), Some(close)) if open == close => {
            chars.as_str().replace("\\n", "\n").replace("\\r", "\r")
        }
        _ => value.to_owned(),
    }
}

fn set(options: &mut FileOptions, key: &str, value: &str) -> Result<()> {
    let flag = || match value {
        "True" | "true" => Ok(true),
        "False" | "false" => Ok(false),
        _ => Err(bad(format!("the jinja2 override '{key}' must be True or False, not '{value}'"))),
    };
    match key {
        "trim_blocks" => options.trim_blocks = flag()?,
        "lstrip_blocks" => options.lstrip_blocks = flag()?,
        "keep_trailing_newline" => options.keep_trailing_newline = flag()?,
        "newline_sequence" => value.clone_into(&mut options.newline_sequence),
        "variable_start_string" => value.clone_into(&mut options.variable_start_string),
        "variable_end_string" => value.clone_into(&mut options.variable_end_string),
        "block_start_string" => value.clone_into(&mut options.block_start_string),
        "block_end_string" => value.clone_into(&mut options.block_end_string),
        "comment_start_string" => value.clone_into(&mut options.comment_start_string),
        "line_statement_prefix" => options.line_statement_prefix = Some(value.to_owned()),
        "line_comment_prefix" => options.line_comment_prefix = Some(value.to_owned()),
        "comment_end_string" => value.clone_into(&mut options.comment_end_string),
        _ => return Err(bad(format!("Invalid '#jinja2:' override key '{key}'."))),
    }
    Ok(())
}

fn bad(message: String) -> TemplateError {
    TemplateError::new(ErrorKind::Syntax, message).at(1, 0..0)
}
