//! Starting the agent on a target: one line of `sh` that runs the cached agent of exactly this content, or asks for it.
//!
//! The line needs a POSIX `sh` with `mkdir`, `chmod`, `mv`, `rm`, `uname`, `head` and `gzip`. It says one of
//! - [`provision_wire::READY`]: the agent runs, frames follow;
//! - `\x01provision-need MACHINE SYSTEM\x02`: send the compressed agent, as many bytes as the line names;
//! - `\x01provision-fail REASON\x02`: it cannot be started, and why.

/// Before the machine's name when the target has no agent yet.
pub const NEED: &[u8] = b"\x01provision-need ";
/// Before the reason when no agent can be started.
pub const FAIL: &[u8] = b"\x01provision-fail ";
/// Ends what [`NEED`] and [`FAIL`] begin.
pub const END: u8 = 2;

/// The line for an agent whose content has this hash (hex).
///
/// Directories are tried in order; one that others could write to, or that is not ours, is passed over, and so is one where
/// execution is refused. `$HOME` may be missing.
pub fn script(hash: &str) -> String {
    // Kept on one line and free of single quotes, so that it can be quoted for su, sudo and remote shells alike.
    format!(
        concat!(
            // What the agent makes has the modes that the user's own mask gives; only its cache is closed to others.
            "m=$(umask); umask 077; a=agent-{hash}; u=; ",
            // Ours, no link, closed to others.
            "ok() {{ [ -d \"$1\" ] && [ ! -L \"$1\" ] && [ -O \"$1\" ] && chmod 700 \"$1\" 2>/dev/null; }}; ",
            // The name of the user is asked for only when it is needed: a process less where the home directory has the agent.
            "dirs() {{ [ -n \"$HOME\" ] && [ -d \"$HOME\" ] && [ -O \"$HOME\" ] && $1 \"$HOME/.cache/provision\"; u=${{u:-$(id -u)}}; ",
            "for t in /run/user/$u /var/tmp /tmp /dev/shm; do [ -d $t ] && $1 \"$t/provision-$u\"; done; }}; ",
            "try() {{ ok \"$1\" && [ -x \"$1/$a\" ] && [ \"$(\"$1/$a\" --probe </dev/null 2>/dev/null)\" = ready ] && umask \"$m\" && exec \"$1/$a\"; }}; ",
            // The first directory from which programs may be run takes the agent; one that we made and cannot use is taken away.
            "probe() {{ [ -n \"$p\" ] && return; c=; if [ ! -d \"$1\" ]; then mkdir -p \"$1\" 2>/dev/null || return; c=1; fi; ",
            "if ok \"$1\"; then f=\"$1/.probe-$$\"; ",
            "printf \"#!/bin/sh\\nexit 0\\n\" >\"$f\" 2>/dev/null && chmod 700 \"$f\" && \"$f\" 2>/dev/null && p=$1; rm -f \"$f\"; fi; ",
            "[ -n \"$p\" ] || [ -z \"$c\" ] || rmdir \"$1\" 2>/dev/null; }}; ",
            "dirs try; p=; dirs probe; ",
            "if [ -z \"$p\" ]; then printf \"\\001provision-fail no directory of this user can hold a program and run it (noexec, full or not writable)\\002\"; exit 3; fi; ",
            "printf \"\\001provision-need %s %s\\002\" \"$(uname -m)\" \"$(uname -s)\"; ",
            "read -r n || exit 3; t=\"$p/.$a.$$\"; ",
            "if head -c \"$n\" | gzip -dc >\"$t\" 2>/dev/null && chmod 700 \"$t\" && mv -f \"$t\" \"$p/$a\"; then ",
            "for o in \"$p\"/agent-*; do [ \"$o\" = \"$p/$a\" ] || [ -z \"$(find \"$o\" -mtime +30 2>/dev/null)\" ] || rm -f \"$o\"; done; ",
            "umask \"$m\"; exec \"$p/$a\"; fi; rm -f \"$t\"; ",
            "printf \"\\001provision-fail cannot write the agent to %s (disk full?)\\002\" \"$p\"; exit 3",
        ),
        hash = hash,
    )
}

/// The command line that runs the script by `sh`, whatever the login shell is.
pub fn plain(hash: &str) -> String {
    format!("exec sh -c '{}'", script(hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    #[test]
    fn the_line_can_be_quoted_and_is_posix() {
        let line = script("abc");
        assert!(!line.contains('\''), "it is put between single quotes");
        assert!(!line.contains('\n'));
    }

    /// Directories outside of the home that the line may use.
    const ELSEWHERE: [&str; 4] =
        ["/run/user/", "/var/tmp/provision-", "/tmp/provision-", "/dev/shm/provision-"];

    /// Runs the line in a home of its own with a shell script in the agent's place. The home names the agent, so that no test
    /// finds another's where the home cannot be used.
    fn start(home: &std::path::Path, agent: &[u8]) -> String {
        let hash = home.file_name().unwrap().to_string_lossy().replace('.', "t");
        let mut compressed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        compressed.write_all(agent).unwrap();
        let compressed = compressed.finish().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", &script(&hash)])
            .env("HOME", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{}", compressed.len()).unwrap();
        input.write_all(&compressed).unwrap();
        input.write_all(b"rest").unwrap();
        drop(input);
        String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned()
    }

    #[test]
    fn asks_once_then_runs_what_it_has() {
        let home = tempfile::tempdir().unwrap();
        let agent = b"#!/bin/sh\n[ \"$1\" = --probe ] && exec echo ready\nprintf 'runs:'\ncat\n";
        let first = start(home.path(), agent);
        assert!(first.starts_with("\u{1}provision-need "), "{first:?}");
        assert!(first.ends_with("\u{2}runs:rest"), "{first:?}");
        let again = start(home.path(), agent);
        assert!(again.starts_with("runs:"), "the cached one starts without asking: {again:?}");
    }

    #[test]
    fn the_agent_has_the_mask_of_its_user() {
        let home = tempfile::tempdir().unwrap();
        let agent = b"#!/bin/sh\n[ \"$1\" = --probe ] && echo ready || umask\n";
        let ours = Command::new("sh").args(["-c", "umask"]).output().unwrap();
        for _ in ["sent", "cached"] {
            let said = start(home.path(), agent);
            assert!(said.ends_with(&*String::from_utf8_lossy(&ours.stdout)), "{said:?}");
        }
    }

    #[test]
    fn looking_for_the_agent_leaves_no_directories() {
        let home = tempfile::tempdir().unwrap();
        let uid = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(home.path()).unwrap());
        let last = format!("{}{uid}", ELSEWHERE[3]);
        let before = std::path::Path::new(&last).exists();
        start(home.path(), b"#!/bin/sh\nexit 0\n");
        assert!(home.path().join(".cache/provision").is_dir());
        assert_eq!(std::path::Path::new(&last).exists(), before, "only the directory that is used is made");
    }

    #[test]
    fn a_directory_that_is_a_link_is_not_trusted() {
        let home = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".cache")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), home.path().join(".cache/provision")).unwrap();
        start(home.path(), b"#!/bin/sh\nexit 0\n");
        assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
        let uid = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(home.path()).unwrap());
        let name = format!("agent-{}", home.path().file_name().unwrap().to_string_lossy().replace('.', "t"));
        for dir in ELSEWHERE {
            // Where it went instead.
            let _ = std::fs::remove_file(format!("{dir}{uid}/{name}"));
        }
    }
}
