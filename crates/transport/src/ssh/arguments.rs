//! The words of `ansible_ssh_args` and its kin: the part of ssh(1)'s command line that is about connecting.

use std::path::{Path, PathBuf};

use super::config::{Directive, Found};
use super::error::SshError;

/// Takes the words into `found`; gives the file of `-F`.
///
/// # Errors
/// `Config`, naming the word that is unknown, unsupported or lacks its value.
pub(crate) fn read(words: &[String], found: &mut Found) -> Result<Option<PathBuf>, SshError> {
    let mut config_file = None;
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let Some(mut flags) = word.strip_prefix('-').filter(|f| !f.is_empty()) else {
            return Err(SshError::argument(format!("{word:?} is not an option")));
        };
        while let Some(flag) = flags.chars().next() {
            flags = &flags[flag.len_utf8()..];
            let Some(takes_value) = kind(flag, word)? else { continue };
            if !takes_value {
                set(found, "AddressFamily", if flag == '4' { "inet" } else { "inet6" })?;
                continue;
            }
            let value = if flags.is_empty() {
                words.next().ok_or_else(|| SshError::argument(format!("-{flag} has no value")))?
            } else {
                std::mem::take(&mut flags)
            };
            match flag {
                'o' => option(found, value)?,
                'F' => config_file = Some(super::config::tilde(value, &home())),
                'J' => set(found, "ProxyJump", value)?,
                'i' => set(found, "IdentityFile", value)?,
                'p' => set(found, "Port", value)?,
                'l' => set(found, "User", value)?,
                'b' => set(found, "BindAddress", value)?,
                'c' => set(found, "Ciphers", value)?,
                'm' => set(found, "MACs", value)?,
                // -S and -E: connections are shared and logged in our own way.
                _ => {}
            }
        }
    }
    Ok(config_file)
}

/// `Some(true)` for a flag with a value, `Some(false)` for one without, `None` for one that changes nothing
/// for commands run without a terminal.
fn kind(flag: char, word: &str) -> Result<Option<bool>, SshError> {
    match flag {
        'o' | 'F' | 'J' | 'i' | 'p' | 'l' | 'b' | 'c' | 'm' | 'S' | 'E' => Ok(Some(true)),
        '4' | '6' => Ok(Some(false)),
        'a' | 'C' | 'k' | 'n' | 'q' | 'T' | 'v' | 'x' => Ok(None),
        'A' => Err(SshError::argument("-A: forwarding the SSH agent is not supported")),
        _ => Err(SshError::argument(format!("the option -{flag} in {word:?} is not supported"))),
    }
}

fn option(found: &mut Found, text: &str) -> Result<(), SshError> {
    let directive = Directive::parse(text, Path::new(""), 0)?
        .ok_or_else(|| SshError::argument(format!("-o {text:?} is not Key=Value")))?;
    match directive.keyword.as_str() {
        "host" | "match" | "include" => {
            Err(SshError::argument(format!("-o {} belongs into a file", directive.keyword)))
        }
        "forwardagent" if directive.rest.eq_ignore_ascii_case("yes") => {
            Err(SshError::argument("ForwardAgent: forwarding the SSH agent is not supported"))
        }
        _ => found.set(&directive),
    }
}

fn set(found: &mut Found, keyword: &str, value: &str) -> Result<(), SshError> {
    found.set(&Directive {
        keyword: keyword.to_lowercase(),
        words: vec![value.to_owned()],
        rest: value.to_owned(),
        file: PathBuf::new(),
        line: 0,
    })
}

fn home() -> PathBuf {
    std::env::home_dir().unwrap_or_else(|| PathBuf::from("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split('|').map(str::to_owned).collect()
    }

    #[test]
    fn what_ansible_users_write() {
        let mut found = Found::default();
        let given = "-C|-o|ControlMaster=auto|-oControlPersist=60s|-o|ProxyCommand=ssh -W %h:%p -q gate|-p2200|-vvv|\
                     -i|/key|-qTl|deploy|-F|/file|-4|-o|IdentityFile=\"/a b\"|-o|Port 9";
        assert_eq!(read(&words(given), &mut found).unwrap(), Some("/file".into()));
        let get = |keyword| found.get(keyword).unwrap().rest.clone();
        assert_eq!(get("proxycommand"), "ssh -W %h:%p -q gate");
        assert_eq!(get("port"), "2200");
        assert_eq!(get("user"), "deploy");
        assert_eq!(get("addressfamily"), "inet");
        let identities: Vec<_> = found.identity_files.iter().map(|d| d.words[0].as_str()).collect();
        assert_eq!(identities, ["/key", "/a b"]);
    }

    #[test]
    fn what_is_not_done_is_named() {
        for (given, name) in [
            ("-W|x:1", "-W"),
            ("-o|Nonsense=1", "nonsense"),
            ("-A", "-A"),
            ("-o|ForwardAgent=yes", "ForwardAgent"),
            ("-p", "-p has no value"),
            ("host", "\"host\""),
            ("-o|Include=x", "include"),
            ("-tt", "-t"),
        ] {
            let error = read(&words(given), &mut Found::default()).unwrap_err().to_string();
            assert!(error.contains(name), "{given}: {error}");
        }
    }
}
