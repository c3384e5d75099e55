//! Ansible's templates: Jinja2 as ansible-core 2.19 sets it up, without Python.
//!
//! minijinja holds the values; parsing and evaluation are done here, because Jinja2's grammar in full, Ansible's
//! undefined values (they chain, may be asked `is defined`, and fail on any other use), native types, Python's
//! operators and its printing are out of reach of minijinja's own machine.
//!
//! Nothing here knows of playbooks or touches the machine: names come from a [`Scope`], files and lookups
//! from [`Lookups`].
//!
//! Beyond Ansible: the tags `do`, `break` and `continue` work without being enabled.

mod args;
mod error;
mod eval;
mod filters;
mod format;
mod functions;
mod header;
mod ir;
mod jmespath;
mod lazy;
mod mersenne;
mod methods;
mod names;
mod ops;
mod parse;
mod references;
mod regex;
mod scope;
mod stmt;
mod templater;
mod tests;
mod text;
mod time;
mod value;
mod version;

pub use error::{ErrorKind, ErrorParts, TemplateError};
pub use filters::csv::{Dialect as CsvDialect, rows as csv_rows};
pub use filters::ini::{Reading as IniReading, parse as ini_sections};
pub use filters::password::{Hashing, hash_password};
pub use functions::unknown_lookup;
pub use lazy::{Members, lazy_dict, lazy_list};
pub use mersenne::Mersenne as SeededRandom;
pub use minijinja::Value;
pub use references::{References, Used};
pub use scope::{Kwargs, Lookups, PathQuery, Scope, TemplateSource};
pub use templater::{FileOptions, Kind, RenderOptions, Templater, is_template};
pub use value::{
    Dict, error_value, finalize, from_json, is_omit, is_unknown, mapping, omit_value, to_json, unknown_value,
    value_error,
};

/// `str(value)` as Python prints it; what a number or a list becomes inside a text.
pub fn to_text(value: &Value) -> String {
    text::to_str(value)
}

/// Does the text match from its beginning, as with Python's `re.match`?
///
/// # Errors
/// The pattern is not valid, or backtracks beyond all bounds.
pub fn regex_matches(pattern: &str, text: &str) -> Result<bool, TemplateError> {
    let regex = regex::compile(pattern, regex::Flags::default())?;
    let found = regex.find(text).map_err(regex::failed)?;
    Ok(found.is_some_and(|found| found.start() == 0))
}
