//! fstab(5), line by line.

use super::MountArgs;

/// One file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub src: String,
    pub path: String,
    pub fstype: String,
    pub opts: String,
    pub dump: String,
    pub passno: String,
}

impl Entry {
    pub fn new(args: &MountArgs, path: &str) -> Self {
        let mut opts = args.opts.clone().unwrap_or_else(|| "defaults".to_owned());
        if !args.boot && !opts.split(',').any(|option| option == "noauto") {
            opts = match opts.as_str() {
                "defaults" if args.opts.is_none() => "noauto".to_owned(),
                _ => format!("{opts},noauto"),
            };
        }
        Self {
            src: args.src.clone().unwrap_or_default(),
            path: path.to_owned(),
            fstype: args.fstype.clone().unwrap_or_default(),
            opts,
            dump: args.dump.clone(),
            passno: args.passno.clone(),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.starts_with('#') {
            return None;
        }
        let mut fields = line.split_whitespace();
        let mut next = || fields.next().map(unescape);
        Some(Self {
            src: next()?,
            path: next()?,
            fstype: next()?,
            opts: next().unwrap_or_else(|| "defaults".to_owned()),
            dump: next().unwrap_or_else(|| "0".to_owned()),
            passno: next().unwrap_or_else(|| "0".to_owned()),
        })
    }

    fn line(&self) -> String {
        let fields = [&self.src, &self.path, &self.fstype, &self.opts, &self.dump, &self.passno];
        format!("{}\n", fields.map(|field| escape(field)).join(" "))
    }

    /// Swap spaces share the mount point `none`: the device tells them apart.
    fn is_same(&self, other: &Self) -> bool {
        let shared = ["none", "swap"].contains(&self.path.as_str());
        self.path == other.path && (!shared || self.src == other.src || self.src.is_empty())
    }
}

/// The file.
pub struct Table {
    lines: Vec<String>,
}

impl Table {
    pub fn parse(text: &str) -> Self {
        Self { lines: text.split_inclusive('\n').map(str::to_owned).collect() }
    }

    pub fn text(&self) -> String {
        self.lines.concat()
    }

    pub fn remove(&mut self, entry: &Entry) {
        self.lines.retain(|line| !Entry::parse(line).is_some_and(|found| entry.is_same(&found)));
    }

    /// The first line of the mount point is changed and others of it go; without one it is added.
    pub fn set(&mut self, entry: &Entry) {
        let mut done = false;
        let mut lines = Vec::new();
        for line in &self.lines {
            match Entry::parse(line).filter(|found| entry.is_same(found)) {
                None => lines.push(line.clone()),
                Some(_) if done => {}
                Some(found) => {
                    done = true;
                    lines.push(if found == *entry { line.clone() } else { entry.line() });
                }
            }
        }
        if !done {
            if let Some(last) = lines.last_mut().filter(|line| !line.ends_with('\n')) {
                last.push('\n');
            }
            lines.push(entry.line());
        }
        self.lines = lines;
    }
}

/// Blanks and the like as octal numbers.
fn escape(field: &str) -> String {
    field.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011").replace('\n', "\\012")
}

/// The opposite.
pub fn unescape(field: &str) -> String {
    field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(src: &str, path: &str, opts: &str) -> Entry {
        Entry {
            src: src.into(),
            path: path.into(),
            fstype: "ext4".into(),
            opts: opts.into(),
            dump: "0".into(),
            passno: "0".into(),
        }
    }

    const TEXT: &str =
        "# mine\n/dev/a  /  ext4\tdefaults 0 0\nUUID=1 /srv/x\\040y ext4 ro\n/dev/s none swap sw 0 0";

    fn edit(change: impl FnOnce(&mut Table)) -> String {
        let mut table = Table::parse(TEXT);
        change(&mut table);
        table.text()
    }

    #[test]
    fn only_the_file_system_meant_is_touched() {
        assert_eq!(edit(|table| table.set(&entry("/dev/a", "/", "defaults"))), TEXT);
        assert_eq!(edit(|table| table.set(&entry("UUID=1", "/srv/x y", "ro"))), TEXT);
        let changed = edit(|table| table.set(&entry("UUID=1", "/srv/x y", "rw")));
        assert_eq!(changed, TEXT.replace("ext4 ro", "ext4 rw 0 0"));
        assert_eq!(
            edit(|table| table.remove(&entry("", "/", ""))),
            TEXT.replace("/dev/a  /  ext4\tdefaults 0 0\n", "")
        );
        assert_eq!(edit(|table| table.set(&entry("/b", "/b", "ro"))), format!("{TEXT}\n/b /b ext4 ro 0 0\n"));
        let swap = edit(|table| table.set(&entry("/dev/t", "none", "sw")));
        assert!(swap.starts_with(TEXT) && swap.ends_with("/dev/t none ext4 sw 0 0\n"));
    }
}
