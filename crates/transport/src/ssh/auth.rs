//! Authentication, in OpenSSH's order: certificates and keys of the agent, key files, then the password.

use std::path::PathBuf;
use std::sync::Arc;

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode as _;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::{Algorithm, Certificate, HashAlg, PrivateKey, PublicKey};
use russh::{MethodKind, MethodSet};

use super::connect::Watcher;
use super::keys::{KeyFile, KeyRing};
use super::settings::{AgentSocket, Settings};
use super::{Patience, Secret};

/// Rounds of keyboard-interactive questions before we hang up.
const MOST_QUESTIONS: usize = 5;

type Agent = AgentClient<tokio::net::UnixStream>;

/// How authentication ended when it did not succeed.
pub(crate) enum Refusal {
    /// The server said no to everything.
    Denied { tried: Vec<String>, accepts: Vec<String> },
    /// The connection is gone.
    Gone(Vec<String>),
}

/// Authenticates `handle`'s session.
pub(crate) async fn authenticate(
    handle: &mut Handle<Watcher>,
    settings: &Settings,
    keys: &KeyRing,
    patience: &Patience,
) -> Result<(), Refusal> {
    let mut attempt = Attempt {
        handle,
        settings,
        keys,
        patience,
        tried: Vec::new(),
        remaining: None,
        rsa: None,
        accepted: false,
        password_asked: false,
    };
    attempt.run().await?;
    if attempt.accepted {
        return Ok(());
    }
    let accepts = attempt.remaining.iter().flat_map(|m| m.iter()).map(String::from).collect();
    Err(Refusal::Denied { tried: attempt.tried, accepts })
}

struct Attempt<'a> {
    handle: &'a mut Handle<Watcher>,
    settings: &'a Settings,
    keys: &'a KeyRing,
    patience: &'a Patience,
    tried: Vec<String>,
    /// What the server said it would still take; `None` before its first answer.
    remaining: Option<MethodSet>,
    /// The hash for RSA signatures, once it was asked for.
    rsa: Option<Option<HashAlg>>,
    accepted: bool,
    /// A keyboard-interactive prompt got the password already.
    password_asked: bool,
}

/// One key to offer.
struct Candidate {
    what: String,
    identity: AgentIdentity,
    source: Source,
}

enum Source {
    /// The agent, by the name it holds the private key under: for a certificate file that may be the bare key.
    Agent(Box<AgentIdentity>),
    File(Arc<KeyFile>),
}

impl Attempt<'_> {
    async fn run(&mut self) -> Result<(), Refusal> {
        for method in self.settings.methods.clone() {
            if self.accepted {
                return Ok(());
            }
            match method {
                MethodKind::PublicKey => self.public_keys().await?,
                MethodKind::KeyboardInteractive if self.settings.password.is_some() => {
                    self.learn().await?;
                    self.keyboard_interactive().await?;
                }
                MethodKind::Password if self.settings.password.is_some() => {
                    self.learn().await?;
                    self.password().await?;
                }
                _ => {}
            }
        }
        // With nothing to offer, let the server at least say what it wants.
        self.learn().await
    }

    /// Finds out what the server takes, if it has not said so in refusing something.
    async fn learn(&mut self) -> Result<(), Refusal> {
        if !self.accepted && self.remaining.is_none() {
            let result = self.handle.authenticate_none(&self.settings.user).await;
            self.outcome(result.map_err(|e| e.to_string()), None)?;
        }
        Ok(())
    }

    fn wanted(&self, method: MethodKind) -> bool {
        self.remaining.as_ref().is_none_or(|methods| methods.contains(&method))
    }

    /// Takes the server's answer to an offer in; `what` names the offer.
    fn outcome(&mut self, result: Result<AuthResult, String>, what: Option<String>) -> Result<bool, Refusal> {
        match result {
            Ok(AuthResult::Success) => {
                self.accepted = true;
                Ok(true)
            }
            Ok(AuthResult::Failure { remaining_methods, partial_success }) => {
                if remaining_methods.is_empty() && self.handle.is_closed() {
                    return Err(self.gone(what));
                }
                if let Some(what) = what {
                    let verdict = if partial_success { "accepted, but not enough" } else { "refused" };
                    self.tried.push(format!("{what}: {verdict}"));
                }
                self.remaining = Some(remaining_methods);
                Ok(partial_success)
            }
            Err(why) => {
                if self.handle.is_closed() {
                    return Err(self.gone(what));
                }
                if let Some(what) = what {
                    self.tried.push(format!("{what}: {why}"));
                }
                Ok(false)
            }
        }
    }

    fn gone(&mut self, what: Option<String>) -> Refusal {
        let mut tried = std::mem::take(&mut self.tried);
        tried.extend(what);
        Refusal::Gone(tried)
    }

    async fn public_keys(&mut self) -> Result<(), Refusal> {
        let mut agent = self.agent().await;
        let candidates = self.candidates(agent.as_mut()).await;
        for candidate in candidates {
            if self.accepted || !self.wanted(MethodKind::PublicKey) {
                break;
            }
            let hash = match candidate.identity.public_key().algorithm() {
                Algorithm::Rsa { .. } => match self.rsa_hash().await {
                    Some(hash) => Some(hash),
                    None => {
                        let why = "the server takes only SHA-1 signatures of RSA keys, which are not made";
                        self.tried.push(format!("{}: {why}", candidate.what));
                        continue;
                    }
                },
                _ => None,
            };
            let result = match (&candidate.source, agent.as_mut()) {
                (Source::Agent(name), Some(agent)) => {
                    self.offer(&candidate.identity, hash, &mut AgentSigner { agent, name }).await
                }
                (Source::Agent(_), None) => continue,
                (Source::File(file), _) => {
                    let mut signer = FileSigner { file, keys: self.keys, patience: self.patience };
                    self.offer(&candidate.identity, hash, &mut signer).await
                }
            };
            self.outcome(result, Some(candidate.what))?;
        }
        Ok(())
    }

    async fn offer(
        &mut self,
        identity: &AgentIdentity,
        hash: Option<HashAlg>,
        signer: &mut impl russh::Signer<Error = SignError>,
    ) -> Result<AuthResult, String> {
        let user = &self.settings.user;
        let result = match identity.clone() {
            AgentIdentity::PublicKey { key, .. } => {
                self.handle.authenticate_publickey_with(user, key, hash, signer).await
            }
            AgentIdentity::Certificate { certificate, .. } => {
                self.handle.authenticate_certificate_with(user, certificate, hash, signer).await
            }
        };
        result.map_err(|e| e.0)
    }

    async fn agent(&mut self) -> Option<Agent> {
        let (path, asked_for) = match &self.settings.agent {
            AgentSocket::None => return None,
            AgentSocket::Environment => (PathBuf::from(std::env::var_os("SSH_AUTH_SOCK")?), false),
            AgentSocket::Path(path) => (path.clone(), true),
        };
        match AgentClient::connect_uds(&path).await {
            Ok(mut agent) => {
                if let Some(binding) = self.handle.agent_session_binding() {
                    // Only for keys with destination constraints; agents before OpenSSH 8.9 do not know it.
                    let _ = agent.bind_session(binding, false).await;
                }
                Some(agent)
            }
            Err(e) => {
                if asked_for {
                    self.tried.push(format!("agent {}: {e}", path.display()));
                }
                None
            }
        }
    }

    /// Everything to offer, in OpenSSH's order: the agent's keys that are named in the configuration, the
    /// agent's others (unless `IdentitiesOnly`), then what only the files have. Certificates go before keys.
    async fn candidates(&mut self, agent: Option<&mut Agent>) -> Vec<Candidate> {
        let mut held = Vec::new();
        if let Some(agent) = agent {
            match agent.request_identities().await {
                Ok(identities) => held = identities,
                Err(e) => self.tried.push(format!("agent: {e}")),
            }
        }
        let mut files = Vec::new();
        for path in &self.settings.identity_files {
            match self.keys.load(path) {
                Ok(Some(file)) => files.push((file.clone(), file.public.clone())),
                Ok(None) if self.settings.default_identities => {}
                Ok(None) => self.tried.push(format!("key {}: no such file", path.display())),
                Err(why) => self.tried.push(format!("key {}: {why}", path.display())),
            }
        }
        let mut certificates = self.certificates();
        for (file, public) in &mut files {
            // A key in the old formats hides its public half until it is decrypted.
            if public.is_none() {
                match self.keys.open(file, self.patience).await {
                    Ok(key) => *public = Some(key.public_key().clone()),
                    Err(why) => self.tried.push(format!("key {}: {why}", file.path.display())),
                }
            }
            certificates.extend(file.certificate.clone());
        }

        let mut candidates = Vec::new();
        let same = |a: &PublicKey, b: &PublicKey| a.key_data() == b.key_data();
        let in_agent = |key: &PublicKey| {
            held.iter().any(|h| matches!(h, AgentIdentity::PublicKey { key: k, .. } if same(k, key)))
        };
        for certificate in certificates {
            let key = PublicKey::from(certificate.public_key().clone());
            let what = format!("certificate {:?}", certificate.key_id());
            let file = files.iter().find(|(_, public)| public.as_ref().is_some_and(|k| same(k, &key)));
            let source = match file {
                _ if in_agent(&key) => Source::Agent(Box::new(key.into())),
                Some((file, _)) => Source::File(file.clone()),
                None => {
                    self.tried.push(format!("{what}: its private key is not at hand"));
                    continue;
                }
            };
            candidates.push(Candidate { what, identity: certificate.into(), source });
        }
        let named =
            |key: &PublicKey| files.iter().any(|(_, public)| public.as_ref().is_some_and(|k| same(k, key)));
        let (first, second): (Vec<_>, Vec<_>) = held.iter().partition(|h| named(&h.public_key()));
        let others = if self.settings.identities_only { Vec::new() } else { second };
        for identity in first.into_iter().chain(others) {
            let name = if identity.comment().is_empty() {
                super::known_hosts::fingerprint(&identity.public_key())
            } else {
                identity.comment().to_owned()
            };
            let what = format!("agent key {name}");
            let source = Source::Agent(Box::new(identity.clone()));
            candidates.push(Candidate { what, identity: identity.clone(), source });
        }
        for (file, public) in &files {
            if let Some(key) = public.clone().filter(|k| !in_agent(k)) {
                let what = format!("key {}", file.path.display());
                candidates.push(Candidate { what, identity: key.into(), source: Source::File(file.clone()) });
            }
        }
        candidates
    }

    fn certificates(&mut self) -> Vec<Certificate> {
        let mut found = Vec::new();
        for path in &self.settings.certificate_files {
            let read = std::fs::read_to_string(path).map_err(|e| e.to_string());
            match read.and_then(|t| Certificate::from_openssh(t.trim()).map_err(|e| e.to_string())) {
                Ok(certificate) => found.push(certificate),
                Err(why) => self.tried.push(format!("certificate {}: {why}", path.display())),
            }
        }
        found
    }

    /// The hash for RSA signatures; `None` when the server knows SHA-1 only.
    async fn rsa_hash(&mut self) -> Option<HashAlg> {
        if self.rsa.is_none() {
            // A server that says nothing is assumed to know SHA-2 (OpenSSH does since 7.2).
            self.rsa = Some(match self.handle.best_supported_rsa_hash().await {
                Ok(Some(hash)) => hash,
                Ok(None) | Err(_) => Some(HashAlg::Sha512),
            });
        }
        self.rsa.flatten()
    }

    async fn keyboard_interactive(&mut self) -> Result<(), Refusal> {
        let Some(password) = self.settings.password.as_ref().map(Secret::expose) else { return Ok(()) };
        if self.accepted || !self.wanted(MethodKind::KeyboardInteractive) {
            return Ok(());
        }
        let what = "password (keyboard-interactive)".to_owned();
        let mut rounds = 0;
        let mut reply =
            self.handle.authenticate_keyboard_interactive_start(&self.settings.user, None::<String>).await;
        loop {
            let result = match reply {
                Ok(KeyboardInteractiveAuthResponse::Success) => Ok(AuthResult::Success),
                Ok(KeyboardInteractiveAuthResponse::Failure { remaining_methods, partial_success }) => {
                    Ok(AuthResult::Failure { remaining_methods, partial_success })
                }
                Ok(KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. }) => {
                    rounds += usize::from(!prompts.is_empty());
                    // The same password by the other method would only count as a second wrong one.
                    self.password_asked |=
                        prompts.iter().any(|p| p.prompt.to_lowercase().contains("password"));
                    if rounds == 2 {
                        // An expired password, a second factor: nothing we could answer.
                        let asked: Vec<_> = prompts.iter().map(|p| p.prompt.trim()).collect();
                        self.tried.push(format!("{what}: the server asks further: {}", asked.join(" ")));
                    }
                    if rounds > MOST_QUESTIONS {
                        return Err(self.gone(None));
                    }
                    // Further questions get empty answers, so that the attempt ends in order.
                    let known = |echo: bool| if echo || rounds > 1 { "" } else { password };
                    let answers = prompts.iter().map(|p| known(p.echo).to_owned());
                    reply = self.handle.authenticate_keyboard_interactive_respond(answers.collect()).await;
                    continue;
                }
                Err(e) => Err(e.to_string()),
            };
            if self.outcome(result, Some(what))? {
                self.password_asked = false;
            }
            return Ok(());
        }
    }

    async fn password(&mut self) -> Result<(), Refusal> {
        let Some(password) = self.settings.password.as_ref().map(Secret::expose) else { return Ok(()) };
        if self.accepted || self.password_asked || !self.wanted(MethodKind::Password) {
            return Ok(());
        }
        let result = self.handle.authenticate_password(&self.settings.user, password).await;
        self.outcome(result.map_err(|e| e.to_string()), Some("password".to_owned()))?;
        Ok(())
    }
}

/// Lets the agent sign.
struct AgentSigner<'a> {
    agent: &'a mut Agent,
    name: &'a AgentIdentity,
}

impl russh::Signer for AgentSigner<'_> {
    type Error = SignError;

    async fn auth_sign(
        &mut self,
        _identity: &AgentIdentity,
        hash: Option<HashAlg>,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, SignError> {
        let signed = self.agent.sign_request(self.name, hash, data).await;
        signed.map_err(|e| SignError(format!("the agent would not sign: {e}")))
    }
}

/// Signs with a key file, which is decrypted only now: the server has said that it would take the key.
struct FileSigner<'a> {
    file: &'a KeyFile,
    keys: &'a KeyRing,
    patience: &'a Patience,
}

/// A text for the user.
struct SignError(String);

impl From<russh::SendError> for SignError {
    fn from(error: russh::SendError) -> Self {
        Self(error.to_string())
    }
}

impl russh::Signer for FileSigner<'_> {
    type Error = SignError;

    async fn auth_sign(
        &mut self,
        _identity: &AgentIdentity,
        hash: Option<HashAlg>,
        mut data: Vec<u8>,
    ) -> Result<Vec<u8>, SignError> {
        let key = self.keys.open(self.file, self.patience).await.map_err(SignError)?;
        let failed = |e: &dyn std::fmt::Display| SignError(format!("signing failed: {e}"));
        let signature = sign(&key, hash, &data).map_err(|e| failed(&e))?;
        signature.encode(&mut data).map_err(|e| failed(&e))?;
        Ok(data)
    }
}

fn sign(
    key: &PrivateKey,
    hash: Option<HashAlg>,
    data: &[u8],
) -> Result<Vec<u8>, russh::keys::ssh_key::Error> {
    let signature = match key.key_data() {
        KeypairData::Rsa(pair) => (pair, hash).try_sign(data)?,
        _ => key.try_sign(data)?,
    };
    signature.encode_vec().map_err(Into::into)
}
