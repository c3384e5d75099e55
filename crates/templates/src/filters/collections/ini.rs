//! INI files, as Python's `configparser` reads and writes them.

use indexmap::IndexMap;

/// Sections with their options, in order.
pub type Sections = IndexMap<String, IndexMap<String, Option<String>>>;

/// How a text is read.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// Option names keep their case; else they are in lower case.
    pub case_sensitive: bool,
    /// Options may stand without a value.
    pub allow_none: bool,
    pub delimiters: &'a str,
}

impl Default for Reading<'_> {
    fn default() -> Self {
        Self { case_sensitive: false, allow_none: false, delimiters: "=:" }
    }
}

/// The sections of a text; those without options, too.
///
/// # Errors
/// A line outside of sections, one without a delimiter, or something that is there twice.
pub fn parse(text: &str, reading: Reading<'_>) -> Result<Sections, String> {
    let mut sections = Sections::new();
    let mut section: Option<String> = None;
    let mut option: Option<String> = None;
    let mut indent = 0;
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        let trimmed = line.trim();
        let comment = trimmed.starts_with(['#', ';']);
        let level = line.len() - line.trim_start().len();
        if trimmed.is_empty() || comment {
            // an empty line within a value that goes on belongs to it
            if trimmed.is_empty()
                && let (Some(section), Some(option)) = (&section, &option)
                && let Some(Some(value)) =
                    sections.get_mut(section).and_then(|options| options.get_mut(option))
            {
                value.push('\n');
            }
            continue;
        }
        if level > indent
            && let (Some(section), Some(option)) = (&section, &option)
            && let Some(value) = sections.get_mut(section).and_then(|options| options.get_mut(option))
        {
            let value = value.get_or_insert_default();
            value.push('\n');
            value.push_str(trimmed);
            continue;
        }
        indent = level;
        if let Some(name) =
            trimmed.strip_prefix('[').and_then(|rest| rest.rsplit_once(']')).map(|(name, _)| name)
        {
            if sections.contains_key(name) {
                return Err(format!(
                    "While reading from '<???>' [line {number:2}]: section '{name}' already exists"
                ));
            }
            sections.insert(name.to_owned(), IndexMap::new());
            section = Some(name.to_owned());
            option = None;
            continue;
        }
        let Some(current) = &section else {
            return Err(format!(
                "File contains no section headers.\nfile: '<???>', line: {number}\n'{trimmed}'"
            ));
        };
        let (name, value) = match trimmed.find(|c| reading.delimiters.contains(c)) {
            Some(at) => {
                let length = trimmed[at..].chars().next().map_or(1, char::len_utf8);
                (trimmed[..at].trim_end(), Some(trimmed[at + length..].trim().to_owned()))
            }
            None if reading.allow_none => (trimmed, None),
            None => {
                return Err(format!(
                    "Source contains parsing errors: '<???>'\n\t[line {number:2}]: '{trimmed}'"
                ));
            }
        };
        if name.is_empty() {
            return Err(format!("Source contains parsing errors: '<???>'\n\t[line {number:2}]: '{trimmed}'"));
        }
        let name = if reading.case_sensitive { name.to_owned() } else { name.to_lowercase() };
        let options = sections.entry(current.clone()).or_default();
        if options.contains_key(&name) {
            return Err(format!(
                "While reading from '<???>' [line {number:2}]: option '{name}' in section '{current}' already exists"
            ));
        }
        options.insert(name.clone(), value);
        option = Some(name);
    }
    for value in sections.values_mut().flat_map(IndexMap::values_mut).flatten() {
        value.truncate(value.trim_end_matches('\n').len());
    }
    Ok(sections)
}
