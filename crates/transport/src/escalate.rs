//! Becoming another user: the command line that runs another one as them.

use crate::link::PasswordPrompt;
use provision_engine::transport::{Become, LinkError};

/// `script` (free of single quotes) run by `sh` as the other user, and how to answer when a password is asked for.
pub fn command(wanted: &Become, script: &str) -> Result<(String, PasswordPrompt), LinkError> {
    let marker = format!("[provision-{:016x}]", random());
    let user = quote(&wanted.user)?;
    let mut flags = String::new();
    for flag in &wanted.flags {
        // What we set ourselves; Ansible's default flags are these.
        if !["-H", "-S", "-n"].contains(&flag.as_str()) {
            flags.push_str(&format!(" {}", quote(flag)?));
        }
    }
    let exe = quote(wanted.exe.as_deref().unwrap_or(&wanted.method))?;
    let line = match wanted.method.as_str() {
        "sudo" if wanted.password.is_some() => {
            format!("exec {exe} -H -S -p '{marker}' -u {user}{flags} sh -c '{script}'")
        }
        // Without a password it must not wait for one.
        "sudo" => format!("exec {exe} -H -n -u {user}{flags} sh -c '{script}'"),
        "su" => format!("exec {exe}{flags} - {user} -c {}", quote(&format!("exec sh -c '{script}'"))?),
        "doas" => format!("exec {exe} -n{flags} -u {user} sh -c '{script}'"),
        other => {
            return Err(LinkError::Failed(format!(
                "become_method `{other}` is not supported; there are sudo, su and doas"
            )));
        }
    };
    if wanted.method != "sudo" && wanted.password.is_some() {
        return Err(LinkError::Failed(format!(
            "a password for {} is not supported yet; allow it without one, or use sudo",
            wanted.method
        )));
    }
    Ok((line, PasswordPrompt { marker, password: wanted.password.clone(), method: wanted.method.clone() }))
}

fn quote(word: &str) -> Result<String, LinkError> {
    shlex::try_quote(word)
        .map(|quoted| quoted.into_owned())
        .map_err(|_| LinkError::Failed(format!("`{}` holds a zero byte", word.escape_debug())))
}

/// Unguessable enough that no program prints it by accident or on purpose.
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use provision_engine::transport::Secret;

    fn wanted(method: &str, password: Option<&str>) -> Become {
        Become {
            method: method.into(),
            user: "web app".into(),
            password: password.map(Secret::new),
            ..Become::default()
        }
    }

    #[test]
    fn sudo_asks_by_our_marker_or_not_at_all() {
        let (line, prompt) = command(&wanted("sudo", Some("pw")), "true").unwrap();
        assert!(
            line.contains("-S -p '[provision-") && line.contains("-u 'web app'") && !line.contains("pw"),
            "{line}"
        );
        assert!(line.contains(&prompt.marker));
        let (line, _) = command(&wanted("sudo", None), "true").unwrap();
        assert!(line.contains("-n"), "{line}");
    }

    #[test]
    fn what_is_not_done_is_said() {
        assert!(command(&wanted("pbrun", None), "true").is_err());
        assert!(command(&wanted("su", Some("pw")), "true").is_err());
    }
}
