//! A crontab's lines, and editing them without touching the others.

use serde_json::Value;

const MARK: &str = "#Ansible: ";

/// A crontab.
pub struct Table {
    lines: Vec<String>,
}

/// Where a new variable goes.
pub enum Where<'a> {
    Top,
    After(&'a str),
    Before(&'a str),
}

impl Table {
    pub fn parse(text: &str) -> Self {
        Self { lines: text.lines().map(str::to_owned).collect() }
    }

    pub fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// Names of the jobs that have one.
    pub fn jobs(&self) -> Value {
        super::names(
            self.lines.iter().filter_map(|line| line.strip_prefix(MARK)).map(str::to_owned).collect(),
        )
    }

    /// Names of the variables.
    pub fn variables(&self) -> Value {
        super::names(self.lines.iter().filter_map(|line| variable(line)).map(str::to_owned).collect())
    }

    /// The line of the named job.
    fn job(&self, name: &str) -> Option<usize> {
        self.lines.iter().position(|line| line.strip_prefix(MARK) == Some(name)).map(|at| at + 1)
    }

    /// Sets a job. One that stands there without a name, or with the mark doubled by hand, is taken over.
    pub fn set_job(&mut self, name: &str, job: &str) {
        if let Some(at) = self.job(name) {
            match self.lines.get_mut(at) {
                Some(line) if !line.starts_with(MARK) => *line = job.to_owned(),
                // The mark alone: its job was taken away by hand.
                _ => self.lines.insert(at, job.to_owned()),
            }
            return;
        }
        if let Some(at) = self.lines.iter().position(|line| line == job)
            && (at == 0 || !self.lines[at - 1].starts_with(MARK))
        {
            self.lines.insert(at, format!("{MARK}{name}"));
            return;
        }
        self.lines.extend([format!("{MARK}{name}"), job.to_owned()]);
    }

    pub fn remove_job(&mut self, name: &str) {
        while let Some(at) = self.job(name) {
            let last = self.lines.get(at).is_some_and(|line| !line.starts_with(MARK));
            self.lines.drain(at - 1..if last { at + 1 } else { at });
        }
    }

    pub fn set_variable(&mut self, name: &str, value: &str, at: Where<'_>) -> Result<(), String> {
        let line = format!("{name}=\"{value}\"");
        if let Some(found) = self.variable(name) {
            self.lines[found] = line;
            return Ok(());
        }
        let find =
            |other: &str| self.variable(other).ok_or_else(|| format!("Variable named '{other}' not found."));
        let at = match at {
            Where::Top => 0,
            Where::Before(other) => find(other)?,
            Where::After(other) => find(other)? + 1,
        };
        self.lines.insert(at, line);
        Ok(())
    }

    pub fn remove_variable(&mut self, name: &str) {
        self.lines.retain(|line| variable(line) != Some(name));
    }

    fn variable(&self, name: &str) -> Option<usize> {
        self.lines.iter().position(|line| variable(line) == Some(name))
    }
}

/// The name of the variable that a line sets.
fn variable(line: &str) -> Option<&str> {
    let (name, _) = line.trim_start().split_once('=')?;
    let name = name.trim_end();
    let valid = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    valid.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# mine\nMAILTO=\"me\"\n#Ansible: a\n5 * * * * x A=1\n0 0 * * * untold\n";

    fn edit(change: impl FnOnce(&mut Table)) -> String {
        let mut table = Table::parse(TEXT);
        change(&mut table);
        table.text()
    }

    #[test]
    fn a_job_is_changed_in_its_place() {
        let text = edit(|table| table.set_job("a", "6 * * * * y"));
        assert_eq!(text, TEXT.replace("5 * * * * x A=1", "6 * * * * y"));
        assert_eq!(edit(|table| table.set_job("b", "@daily y")), format!("{TEXT}#Ansible: b\n@daily y\n"));
        let named = edit(|table| table.set_job("u", "0 0 * * * untold"));
        assert_eq!(named, TEXT.replace("0 0", "#Ansible: u\n0 0"));
        assert_eq!(edit(|table| table.remove_job("a")), "# mine\nMAILTO=\"me\"\n0 0 * * * untold\n");
        assert_eq!(edit(|table| table.remove_job("nosuch")), TEXT);
    }

    #[test]
    fn variables_stand_where_they_are_wanted() {
        let set = |at| edit(|table| table.set_variable("P", "/b", at).unwrap());
        assert_eq!(set(Where::Top), format!("P=\"/b\"\n{TEXT}"));
        assert_eq!(set(Where::Before("MAILTO")), TEXT.replace("MAIL", "P=\"/b\"\nMAIL"));
        assert_eq!(set(Where::After("MAILTO")), TEXT.replace("me\"\n", "me\"\nP=\"/b\"\n"));
        assert_eq!(
            edit(|table| table.set_variable("MAILTO", "you", Where::Top).unwrap()),
            TEXT.replace("\"me\"", "\"you\"")
        );
        assert_eq!(edit(|table| table.remove_variable("MAILTO")), TEXT.replace("MAILTO=\"me\"\n", ""));
        let missing = Table::parse(TEXT).set_variable("P", "x", Where::After("Q"));
        assert_eq!(missing.unwrap_err(), "Variable named 'Q' not found.");
        assert_eq!(Table::parse(TEXT).variables(), serde_json::json!(["MAILTO"]));
        assert_eq!(Table::parse(TEXT).jobs(), serde_json::json!(["a"]));
    }
}
