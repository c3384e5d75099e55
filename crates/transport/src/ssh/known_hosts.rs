//! The known_hosts files: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT".
//!
//! Our own matching, because a look-up has to see markers, wildcards, negation, hashed names and every key of
//! a host, and has to name file and line.

use std::collections::HashMap;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use russh::keys::PublicKeyOrCertificate;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey};

use super::error::{HostKeyProblem, SshError};
use super::pattern;

/// The files of a run, each read once; what is added is seen by every connection after it.
#[derive(Default)]
pub(crate) struct Cache {
    files: Mutex<HashMap<PathBuf, Arc<Vec<Line>>>>,
}

/// Everything the files say about one host.
pub(crate) struct Known {
    /// `host` or `[host]:port`, as a new line would name it.
    pub(crate) name: String,
    /// The name that a certificate has to be made out to.
    principal: String,
    keys: Vec<Entry>,
    /// Keys under the bare name of a host on another port: good enough to accept, not to refuse.
    fallback: Vec<Entry>,
    authorities: Vec<Entry>,
    revoked: Vec<Entry>,
}

/// One key with its place.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) key: PublicKey,
    pub(crate) file: PathBuf,
    pub(crate) line: usize,
}

/// What the files say about a key that a server proved to have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Known,
    /// Nothing is known; `note` says why a certificate did not help.
    New {
        note: Option<String>,
    },
}

/// One usable line. Keys are decoded when the host matches: most lines are about other hosts.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    number: usize,
    marker: Marker,
    hosts: Hosts,
    key: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    None,
    Authority,
    Revoked,
}

#[derive(Debug, Clone)]
enum Hosts {
    Patterns(Vec<String>),
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

impl Cache {
    /// What `files` (those that exist) say about `host` on `port`; with an `alias`, about the alias on no port.
    ///
    /// # Errors
    /// `Config` for a file that is there and cannot be read.
    pub(crate) fn look_up(
        &self,
        files: &[PathBuf],
        host: &str,
        port: u16,
        alias: Option<&str>,
    ) -> Result<Known, SshError> {
        let principal = alias.unwrap_or(host).to_lowercase();
        let plain = alias.is_some() || port == 22;
        let name = if plain { principal.clone() } else { format!("[{principal}]:{port}") };
        let mut known = Known {
            name,
            principal,
            keys: Vec::new(),
            fallback: Vec::new(),
            authorities: Vec::new(),
            revoked: Vec::new(),
        };
        for file in files {
            let lines = self.load(file)?;
            for line in lines.iter() {
                let exact = line.hosts.matches(&known.name);
                if !exact && (plain || !line.hosts.matches(&known.principal)) {
                    continue;
                }
                let Ok(key) = PublicKey::from_openssh(&line.key) else { continue };
                let entry = Entry { key, file: file.clone(), line: line.number };
                match line.marker {
                    Marker::Authority => known.authorities.push(entry),
                    Marker::Revoked => known.revoked.push(entry),
                    Marker::None if exact => known.keys.push(entry),
                    Marker::None => known.fallback.push(entry),
                }
            }
        }
        Ok(known)
    }

    /// Adds a line for `known`'s host to `file`. Safe against other threads and processes: the file is locked
    /// while it is read again and appended to with one write.
    ///
    /// # Errors
    /// `HostKey` when somebody else meanwhile added another key for this host; `Config` when the file cannot
    /// be written.
    pub(crate) fn add(
        &self,
        file: &Path,
        known: &Known,
        key: &PublicKey,
        hashed: bool,
    ) -> Result<(), SshError> {
        let failed = |e: std::io::Error| SshError::config(file, 0, format!("cannot add the host key: {e}"));
        // One lock over read and write also orders the threads of this process.
        let mut cached = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(directory) = file.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        }
        let mut handle = std::fs::OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(file)
            .map_err(failed)?;
        if !handle.metadata().map_err(failed)?.is_file() {
            return Ok(()); // /dev/null: the user wants nothing remembered
        }
        handle.lock().map_err(failed)?;
        let mut bytes = Vec::new();
        handle.rewind().map_err(failed)?;
        handle.read_to_end(&mut bytes).map_err(failed)?;
        let mut lines = parse(&String::from_utf8_lossy(&bytes));

        for line in lines.iter().filter(|l| l.marker == Marker::None && l.hosts.matches(&known.name)) {
            let Ok(there) = PublicKey::from_openssh(&line.key) else { continue };
            if there.key_data() == key.key_data() {
                cached.insert(file.to_owned(), Arc::new(lines));
                return Ok(());
            }
            if there.algorithm() == key.algorithm() {
                let entry = Entry { key: there, file: file.to_owned(), line: line.number };
                return Err(known.refuse(entry.changed(&known.name, key)));
            }
        }

        let mut line = Vec::new();
        if bytes.last().is_some_and(|last| *last != b'\n') {
            line.push(b'\n');
        }
        let name = if hashed { hash_name(&known.name).map_err(failed)? } else { known.name.clone() };
        let text = key.to_openssh().map_err(|e| failed(std::io::Error::other(e)))?;
        line.extend_from_slice(format!("{name} {text}\n").as_bytes());
        handle.write_all(&line).map_err(failed)?;
        bytes.extend_from_slice(&line);
        lines = parse(&String::from_utf8_lossy(&bytes));
        cached.insert(file.to_owned(), Arc::new(lines));
        Ok(())
    }

    fn load(&self, file: &Path) -> Result<Arc<Vec<Line>>, SshError> {
        let mut cached = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lines) = cached.get(file) {
            return Ok(lines.clone());
        }
        let lines = match std::fs::read(file) {
            Ok(bytes) => Arc::new(parse(&String::from_utf8_lossy(&bytes))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Arc::default(),
            Err(e) => return Err(SshError::config(file, 0, format!("cannot read the known hosts: {e}"))),
        };
        cached.insert(file.to_owned(), lines.clone());
        Ok(lines)
    }
}

impl Known {
    /// Judges what the server proved to have. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// `Changed` and `Revoked`, always, whatever host key checking says.
    pub(crate) fn judge(&self, shown: &PublicKeyOrCertificate, now: u64) -> Result<Verdict, HostKeyProblem> {
        let key = shown.public_key();
        let mut note = None;
        if let PublicKeyOrCertificate::Certificate(certificate) = shown {
            self.refuse_revoked(&PublicKey::from(certificate.signature_key().clone()))?;
            self.refuse_revoked(&key)?;
            match self.certified(certificate, now) {
                Ok(()) => return Ok(Verdict::Known),
                // As OpenSSH: a certificate that does not help leaves the bare key to be looked up.
                Err(why) => note = Some(why),
            }
        }
        self.refuse_revoked(&key)?;
        let same = |e: &&Entry| e.key.key_data() == key.key_data();
        if self.keys.iter().find(same).is_some() {
            return Ok(Verdict::Known);
        }
        // The line to name is the one of the same type; a host known by another type only is no stranger
        // either: an attacker could simply show a type that is not on record.
        let of_type = self.keys.iter().find(|e| e.key.algorithm() == key.algorithm());
        if let Some(other) = of_type.or(self.keys.first()) {
            return Err(other.changed(&self.name, &key));
        }
        if self.fallback.iter().find(same).is_some() {
            return Ok(Verdict::Known);
        }
        Ok(Verdict::New { note })
    }

    /// Whether a server's certificate could be judged.
    pub(crate) fn has_authorities(&self) -> bool {
        !self.authorities.is_empty()
    }

    /// The key types that are on record, in the files' order: a server is asked for these first.
    pub(crate) fn algorithms(&self) -> Vec<Algorithm> {
        self.keys.iter().chain(&self.fallback).map(|e| e.key.algorithm()).collect()
    }

    /// Adds keys that must never be accepted (`RevokedHostKeys`).
    pub(crate) fn revoke(&mut self, entries: impl IntoIterator<Item = Entry>) {
        self.revoked.extend(entries);
    }

    pub(crate) fn refuse(&self, problem: HostKeyProblem) -> SshError {
        SshError::HostKey { host: self.name.clone(), problem: Box::new(problem) }
    }

    fn refuse_revoked(&self, key: &PublicKey) -> Result<(), HostKeyProblem> {
        match self.revoked.iter().find(|e| e.key.key_data() == key.key_data()) {
            None => Ok(()),
            Some(entry) => Err(HostKeyProblem::Revoked {
                name: self.name.clone(),
                fingerprint: fingerprint(key),
                file: entry.file.clone(),
                line: entry.line,
            }),
        }
    }

    fn certified(&self, certificate: &Certificate, now: u64) -> Result<(), String> {
        let id = format!("the certificate {:?} that it shows", certificate.key_id());
        if !self.authorities.iter().any(|a| a.key.key_data() == certificate.signature_key()) {
            return Err(format!("{id} is not by an authority known for this host"));
        }
        if certificate.cert_type() != CertType::Host {
            return Err(format!("{id} is a user's, not a host's"));
        }
        if now < certificate.valid_after() {
            return Err(format!("{id} is not valid yet"));
        }
        if now >= certificate.valid_before() {
            return Err(format!("{id} has expired"));
        }
        let principals = certificate.valid_principals();
        if !principals.is_empty() && !principals.iter().any(|p| pattern::glob(p, &self.principal)) {
            return Err(format!("{id} is for {}", principals.join(", ")));
        }
        if let Some((option, _)) = certificate.critical_options().iter().next() {
            return Err(format!("{id} has the unknown critical option {option:?}"));
        }
        let trusted = certificate.signature_key().fingerprint(HashAlg::Sha256);
        certificate.validate_at(now, [&trusted]).map_err(|_| format!("{id} has a wrong signature"))
    }
}

impl Entry {
    fn changed(&self, name: &str, shown: &PublicKey) -> HostKeyProblem {
        HostKeyProblem::Changed {
            name: name.to_owned(),
            algorithm: shown.algorithm().as_str().to_owned(),
            fingerprint: fingerprint(shown),
            file: self.file.clone(),
            line: self.line,
        }
    }
}

impl Hosts {
    /// `name` is in lower case, `host` or `[host]:port`.
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Patterns(patterns) => pattern::list(patterns.iter().map(String::as_str), name),
            Self::Hashed { salt, hash } => {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
                ring::hmac::verify(&key, name.as_bytes(), hash).is_ok()
            }
        }
    }
}

/// `SHA256:…`, as ssh-keygen prints it.
pub(crate) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// The keys of a `RevokedHostKeys` file: one public key a line.
///
/// # Errors
/// `Config` when the file cannot be read (OpenSSH then refuses every host too) or is a binary KRL.
pub(crate) fn revoked_keys(file: &Path) -> Result<Vec<Entry>, SshError> {
    let bytes = std::fs::read(file)
        .map_err(|e| SshError::config(file, 0, format!("cannot read the revoked host keys: {e}")))?;
    if bytes.starts_with(b"SSHKRL\n\0") {
        let message = "binary key revocation lists are not supported; list the public keys, one a line";
        return Err(SshError::config(file, 0, message));
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key = PublicKey::from_openssh(line)
            .map_err(|e| SshError::config(file, index + 1, format!("not a public key: {e}")))?;
        entries.push(Entry { key, file: file.to_owned(), line: index + 1 });
    }
    Ok(entries)
}

/// Lines that are no entries are passed over, as OpenSSH does.
fn parse(text: &str) -> Vec<Line> {
    text.lines().enumerate().filter_map(|(index, line)| parse_line(index + 1, line)).collect()
}

fn parse_line(number: usize, line: &str) -> Option<Line> {
    let mut words = line.split_ascii_whitespace();
    let first = words.next()?;
    if first.starts_with('#') {
        return None;
    }
    let (marker, hosts) = match first {
        "@cert-authority" => (Marker::Authority, words.next()?),
        "@revoked" => (Marker::Revoked, words.next()?),
        other if other.starts_with('@') => return None,
        other => (Marker::None, other),
    };
    let hosts = match hosts.strip_prefix("|1|") {
        Some(hashed) => {
            let (salt, hash) = hashed.split_once('|')?;
            Hosts::Hashed { salt: BASE64.decode(salt).ok()?, hash: BASE64.decode(hash).ok()? }
        }
        None => Hosts::Patterns(hosts.split(',').map(str::to_lowercase).collect()),
    };
    let (algorithm, key) = (words.next()?, words.next()?);
    Some(Line { number, marker, hosts, key: format!("{algorithm} {key}") })
}

fn hash_name(name: &str) -> std::io::Result<String> {
    let mut salt = [0; 20];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut salt)
        .map_err(|_| std::io::Error::other("no randomness"))?;
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    let hash = ring::hmac::sign(&key, name.as_bytes());
    Ok(format!("|1|{}|{}", BASE64.encode(salt), BASE64.encode(hash)))
}

#[cfg(test)]
#[path = "known_hosts_tests.rs"]
mod tests;
