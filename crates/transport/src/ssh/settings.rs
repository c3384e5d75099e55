//! What is done for one host: the options, the SSH arguments and the configuration files, put together.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{MethodKind, Preferred, cipher, client, kex};

use super::config::{Directive, Files, Found, Subject, tilde};
use super::error::{SshError, Unreachable};
use super::known_hosts::Known;
use super::{HostKeyChecking, Options, Secret, pattern};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const KEEPALIVE: Duration = Duration::from_secs(30);
const DEFAULT_IDENTITIES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// Everything [`super::Client`] needs to know to connect to one host.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) hostname: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) identity_files: Vec<PathBuf>,
    /// Nobody named any: the usual places, where a missing file is nothing to speak of.
    pub(crate) default_identities: bool,
    pub(crate) certificate_files: Vec<PathBuf>,
    pub(crate) identities_only: bool,
    pub(crate) agent: AgentSocket,
    pub(crate) password: Option<Secret>,
    /// In the order in which they are tried.
    pub(crate) methods: Vec<MethodKind>,
    pub(crate) host_key_checking: HostKeyChecking,
    pub(crate) host_key_alias: Option<String>,
    /// The user's first, then the system's.
    pub(crate) known_hosts: Vec<PathBuf>,
    pub(crate) hash_known_hosts: bool,
    pub(crate) revoked_host_keys: Option<PathBuf>,
    pub(crate) proxy: Proxy,
    pub(crate) address_family: AddressFamily,
    pub(crate) bind_address: Option<IpAddr>,
    pub(crate) connect_timeout: Duration,
    /// To be set on the server, as far as its `AcceptEnv` goes.
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) warnings: Vec<String>,
    keepalive: Option<Duration>,
    keepalive_max: usize,
    ciphers: Option<Directive>,
    macs: Option<Directive>,
    kex: Option<Directive>,
    host_key_algorithms: Option<Directive>,
}

/// Which SSH agent to ask.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AgentSocket {
    None,
    /// `SSH_AUTH_SOCK`, where it is set.
    Environment,
    Path(PathBuf),
}

/// How to get a byte stream to the host.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Proxy {
    None,
    /// Through these, in order.
    Jump(Vec<String>),
    /// A shell command, with its tokens replaced.
    Command(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddressFamily {
    Any,
    V4,
    V6,
}

/// What ssh_config(5) knows: first what is done here, then what is refused where it would matter, then what
/// has no meaning for commands run one after another without a terminal.
#[rustfmt::skip]
pub(crate) const KEYWORDS: &[&str] = &[
    "addressfamily", "bindaddress", "ciphers", "connecttimeout", "globalknownhostsfile", "hashknownhosts",
    "hostkeyalgorithms", "hostkeyalias", "hostname", "identitiesonly", "identityagent", "identityfile",
    "certificatefile", "ignoreunknown", "kexalgorithms", "kbdinteractiveauthentication",
    "challengeresponseauthentication", "keyboardinteractiveauthentication", "skeyauthentication",
    "tisauthentication", "macs", "passwordauthentication", "port", "preferredauthentications", "proxycommand",
    "proxyjump", "pubkeyauthentication", "dsaauthentication", "revokedhostkeys", "serveralivecountmax",
    "serveraliveinterval", "stricthostkeychecking", "user", "userknownhostsfile",

    "bindinterface", "canonicalizehostname", "knownhostscommand", "pkcs11provider", "smartcarddevice",
    "proxyusefdpass", "forwardagent", "remotecommand", "setenv", "sendenv",

    "addkeystoagent", "batchmode", "canonicaldomains", "canonicalizefallbacklocal", "canonicalizemaxdots",
    "canonicalizepermittedcnames", "casignaturealgorithms", "channeltimeout", "checkhostip", "clearallforwardings",
    "compression", "compressionlevel", "connectionattempts", "controlmaster", "controlpath", "controlpersist",
    "dynamicforward", "enableescapecommandline", "enablesshkeysign", "escapechar", "exitonforwardfailure",
    "fingerprinthash", "forkafterauthentication", "forwardx11", "forwardx11timeout", "forwardx11trusted",
    "gatewayports", "gssapiauthentication", "gssapiclientidentity", "gssapidelegatecredentials",
    "gssapikexalgorithms", "gssapikeyexchange", "gssapirenewalforcesrekey", "gssapiserveridentity",
    "gssapitrustdns", "hostbasedauthentication", "hostbasedacceptedalgorithms", "hostbasedkeytypes", "ipqos",
    "kbdinteractivedevices", "localcommand", "localforward", "loglevel", "logverbose",
    "nohostauthenticationforlocalhost", "numberofpasswordprompts", "obscurekeystroketiming", "permitlocalcommand",
    "permitremoteopen", "pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes", "refuseconnection", "rekeylimit",
    "remoteforward", "requesttty", "requiredrsasize", "securitykeyprovider", "sessiontype", "stdinnull",
    "streamlocalbindmask", "streamlocalbindunlink", "syslogfacility", "tag", "tcpkeepalive", "tunnel",
    "tunneldevice", "updatehostkeys", "useprivilegedport", "usekeychain", "verifyhostkeydns", "versionaddendum",
    "visualhostkey", "warnweakcrypto", "xauthlocation", "cipher", "protocol", "rhostsrsaauthentication",
    "rsaauthentication", "useroaming", "usersh", "fallbacktorsh", "afstokenpassing", "kerberosauthentication",
    "kerberostgtpassing",
];

impl Settings {
    /// Puts `options`, their arguments and the files together, in this order of precedence.
    ///
    /// # Errors
    /// `Config` for what cannot be understood or is not done.
    pub(crate) fn resolve(options: &Options, files: &Files) -> Result<Self, SshError> {
        let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("/"));
        let local_user = local_user();
        let (found, config_file) = from_options(options)?;
        let mut found = found;
        let subject = Subject { host: &options.host, local_user: &local_user, home: &home };
        files.read(config_file.as_deref(), &subject, &mut found)?;
        refuse(&found)?;

        let hostname = found.hostname(&options.host)?;
        let port = match found.get("port") {
            Some(d) => {
                d.one()?.parse::<u16>().ok().filter(|p| *p != 0).ok_or_else(|| d.error("not a port"))?
            }
            None => 22,
        };
        let user = one(&found, "user")?.unwrap_or(&local_user).to_owned();
        let alias = one(&found, "hostkeyalias")?.map(str::to_owned);
        let local_host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let short_host = local_host.split('.').next().unwrap_or_default().to_owned();
        let (port_text, home_text) = (port.to_string(), home.to_string_lossy());
        let known_as = alias.as_deref().unwrap_or(&hostname);
        let uid = rustix::process::getuid().as_raw().to_string();
        let tokens = [
            ('h', hostname.as_str()),
            ('p', &port_text),
            ('r', &user),
            ('n', &options.host),
            ('u', &local_user),
            ('d', &home_text),
            ('l', &local_host),
            ('L', &short_host),
            ('k', known_as),
            ('i', &uid),
        ];
        let path = |directive: &Directive, word: &str| -> Result<PathBuf, SshError> {
            Ok(tilde(&directive.expand(word, &tokens)?, &home))
        };
        let paths = |directive: &Directive| -> Result<Vec<PathBuf>, SshError> {
            directive.words.iter().filter(|w| *w != "none").map(|w| path(directive, w)).collect()
        };
        let files_of = |keyword: &str, default: [PathBuf; 2]| match found.get(keyword) {
            Some(directive) => paths(directive),
            None => Ok(default.into()),
        };

        let mut identity_files = options.identity_files.clone();
        for directive in &found.identity_files {
            identity_files.extend(paths(directive)?);
        }
        let default_identities = options.identity_files.is_empty() && found.identity_files.is_empty();
        if default_identities {
            identity_files.extend(DEFAULT_IDENTITIES.map(|name| home.join(".ssh").join(name)));
        }
        let mut certificate_files = Vec::new();
        for directive in &found.certificate_files {
            certificate_files.extend(paths(directive)?);
        }

        let mut known_hosts = if options.known_hosts.is_empty() {
            let ssh = home.join(".ssh");
            files_of("userknownhostsfile", [ssh.join("known_hosts"), ssh.join("known_hosts2")])?
        } else {
            options.known_hosts.clone()
        };
        let system = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"].map(PathBuf::from);
        known_hosts.extend(files_of("globalknownhostsfile", system)?);

        Ok(Self {
            identity_files,
            default_identities,
            certificate_files,
            identities_only: flag(&found, "identitiesonly")?.unwrap_or(false),
            agent: agent(&found, path)?,
            password: options.password.clone(),
            methods: methods(&found)?,
            host_key_checking: checking(&found)?,
            known_hosts,
            hash_known_hosts: flag(&found, "hashknownhosts")?.unwrap_or(false),
            revoked_host_keys: match found.get("revokedhostkeys") {
                Some(d) if d.one()? != "none" => Some(path(d, d.one()?)?),
                _ => None,
            },
            proxy: proxy(&found, &tokens)?,
            address_family: match one(&found, "addressfamily")?.map(str::to_lowercase).as_deref() {
                None | Some("any") => AddressFamily::Any,
                Some("inet") => AddressFamily::V4,
                Some("inet6") => AddressFamily::V6,
                Some(other) => return Err(wrong(&found, "addressfamily", other)),
            },
            bind_address: match one(&found, "bindaddress")? {
                Some(text) => Some(text.parse().map_err(|_| wrong(&found, "bindaddress", text))?),
                None => None,
            },
            connect_timeout: match one(&found, "connecttimeout")? {
                Some("none") | None => CONNECT_TIMEOUT,
                Some(text) => seconds(text).ok_or_else(|| wrong(&found, "connecttimeout", text))?,
            },
            // Off by default in OpenSSH; here a silent host would hold up a whole run.
            keepalive: match one(&found, "serveraliveinterval")? {
                Some(text) => Some(seconds(text).ok_or_else(|| wrong(&found, "serveraliveinterval", text))?)
                    .filter(|interval| !interval.is_zero()),
                None => Some(KEEPALIVE),
            },
            keepalive_max: match one(&found, "serveralivecountmax")? {
                Some(text) => text.parse().map_err(|_| wrong(&found, "serveralivecountmax", text))?,
                None => 3,
            },
            environment: environment(&found)?,
            warnings: warnings(&found),
            ciphers: found.get("ciphers").cloned(),
            macs: found.get("macs").cloned(),
            kex: found.get("kexalgorithms").cloned(),
            host_key_algorithms: found.get("hostkeyalgorithms").cloned(),
            host_key_alias: alias,
            hostname,
            port,
            user,
        })
    }

    /// Host and port, for messages.
    pub(crate) fn place(&self) -> String {
        if self.hostname.contains(':') {
            format!("[{}]:{}", self.hostname, self.port)
        } else {
            format!("{}:{}", self.hostname, self.port)
        }
    }

    pub(crate) fn unreachable(&self, reason: Unreachable, detail: impl Into<String>) -> SshError {
        SshError::Unreachable { host: self.place(), reason, detail: detail.into() }
    }

    /// russh's configuration: AES-GCM first, and first the host key types that are on record.
    pub(crate) fn russh_config(&self, known: &Known) -> Result<client::Config, SshError> {
        // AES-GCM moves four times as much as russh's first choice wherever the processor has AES.
        let ciphers = [
            cipher::AES_256_GCM,
            cipher::AES_128_GCM,
            cipher::CHACHA20_POLY1305,
            cipher::AES_256_CTR,
            cipher::AES_192_CTR,
            cipher::AES_128_CTR,
        ];
        let defaults = Preferred::DEFAULT;
        let extensions: Vec<kex::Name> = defaults
            .kex
            .iter()
            .filter(|n| n.as_ref().contains("ext-info") || n.as_ref().contains("kex-strict"))
            .copied()
            .collect();
        let exchanges: Vec<kex::Name> =
            defaults.kex.iter().filter(|n| !extensions.contains(n)).copied().collect();
        let mut kex = choose(exchanges, self.kex.as_ref())?;
        kex.extend(extensions);
        let algorithms = choose(host_key_algorithms(), self.host_key_algorithms.as_ref())?;
        let on_record = known.algorithms();
        // Stable: the order of preference stays among those on record and among those not.
        let mut ordered = algorithms;
        ordered.sort_by_key(|a| !on_record.iter().any(|k| same_key_type(k, &a.0)));
        let ordered: Vec<Algorithm> = ordered.into_iter().map(|a| a.0).collect();
        let certificates = if known.has_authorities() { ordered.clone() } else { Vec::new() };
        Ok(client::Config {
            client_id: super::connect::client_id(),
            preferred: Preferred {
                kex: kex.into(),
                key: ordered.into(),
                host_key_certificates: certificates.into(),
                cipher: choose(ciphers.to_vec(), self.ciphers.as_ref())?.into(),
                mac: choose(defaults.mac.to_vec(), self.macs.as_ref())?.into(),
                // On links where it would pay, what is sent is compressed already.
                compression: vec![russh::compression::NONE].into(),
            },
            keepalive_interval: self.keepalive,
            keepalive_max: self.keepalive_max,
            nodelay: true,
            ..client::Config::default()
        })
    }
}

impl AddressFamily {
    pub(crate) fn takes(self, address: &SocketAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// A hop of `ProxyJump`: `[user@]host[:port]`, also as a `ssh://` address.
///
/// # Errors
/// `Config` when it is none.
pub(crate) fn hop(text: &str) -> Result<(Option<String>, String, Option<u16>), SshError> {
    let wrong = || SshError::argument(format!("ProxyJump: {text:?} is not [user@]host[:port]"));
    let rest = text.trim();
    let rest = rest.strip_prefix("ssh://").map_or(rest, |r| r.trim_end_matches('/'));
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => (Some(user.to_owned()), rest),
        None => (None, rest),
    };
    let (host, port) = match rest.strip_prefix('[') {
        Some(bracketed) => {
            let (host, after) = bracketed.split_once(']').ok_or_else(wrong)?;
            (host, after.strip_prefix(':'))
        }
        // Two colons and no brackets: an IPv6 address without a port.
        None if rest.matches(':').count() > 1 => (rest, None),
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map(|p| p.parse::<u16>().map_err(|_| wrong())).transpose()?;
    if host.is_empty() || user.as_ref().is_some_and(String::is_empty) {
        return Err(wrong());
    }
    Ok((user, host.to_owned(), port))
}

/// The first values, from the options and the arguments; and the file to read instead of the usual ones.
fn from_options(options: &Options) -> Result<(Found, Option<PathBuf>), SshError> {
    let mut found = Found::default();
    let mut set = |keyword: &str, value: String| {
        let place = (PathBuf::new(), 0);
        let directive = Directive {
            keyword: keyword.to_owned(),
            words: vec![value.clone()],
            rest: value,
            file: place.0,
            line: place.1,
        };
        found.set(&directive)
    };
    if let Some(port) = options.port {
        set("port", port.to_string())?;
    }
    if let Some(user) = &options.user {
        set("user", user.clone())?;
    }
    if let Some(only) = options.identities_only {
        set("identitiesonly", if only { "yes" } else { "no" }.to_owned())?;
    }
    if let Some(checking) = options.host_key_checking {
        let value = match checking {
            HostKeyChecking::Strict => "yes",
            HostKeyChecking::AcceptNew => "accept-new",
            HostKeyChecking::Off => "no",
        };
        set("stricthostkeychecking", value.to_owned())?;
    }
    if let Some(jump) = &options.proxy_jump {
        set("proxyjump", jump.clone())?;
    }
    if let Some(timeout) = options.connect_timeout {
        set("connecttimeout", timeout.as_secs_f64().to_string())?;
    }
    if let Some(keepalive) = options.keepalive {
        set("serveraliveinterval", keepalive.as_secs_f64().to_string())?;
    }
    let config_file = super::arguments::read(&options.ssh_args, &mut found)?;
    Ok((found, options.config_file.clone().or(config_file)))
}

/// Names what would change how or where we connect and is not done.
fn refuse(found: &Found) -> Result<(), SshError> {
    for keyword in [
        "bindinterface",
        "canonicalizehostname",
        "knownhostscommand",
        "pkcs11provider",
        "smartcarddevice",
        "proxyusefdpass",
        "remotecommand",
    ] {
        if let Some(directive) = found.get(keyword)
            && !["no", "none", "false"].contains(&directive.one()?.to_lowercase().as_str())
        {
            return Err(directive.error(format!("{keyword} is not supported")));
        }
    }
    Ok(())
}

/// What the configuration wants beside the connection and does not get, where somebody may count on it.
fn warnings(found: &Found) -> Vec<String> {
    let unwanted = ["no", "none", "false"];
    ["forwardagent", "localforward", "remoteforward", "dynamicforward", "tunnel"]
        .iter()
        .filter_map(|keyword| found.get(keyword))
        .filter(|directive| !unwanted.contains(&directive.rest.to_lowercase().as_str()))
        .map(|directive| {
            directive.error(format!("{} is not supported and left out", directive.keyword)).to_string()
        })
        .collect()
}

/// `SetEnv`, and the variables of ours that `SendEnv` names (`-PATTERN` takes names back).
fn environment(found: &Found) -> Result<Vec<(String, String)>, SshError> {
    let mut patterns: Vec<&str> = Vec::new();
    for word in found.send_env.iter().flat_map(|d| &d.words) {
        match word.strip_prefix('-') {
            Some(removed) => patterns.retain(|p| !pattern::glob(removed, p)),
            None => patterns.push(word),
        }
    }
    let mut variables: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| patterns.iter().any(|p| pattern::glob(p, name)))
        .collect();
    if let Some(directive) = found.get("setenv") {
        for word in &directive.words {
            let Some((name, value)) = word.split_once('=') else {
                return Err(directive.error(format!("SetEnv: {word:?} is not NAME=VALUE")));
            };
            variables.retain(|(n, _)| n != name);
            variables.push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(variables)
}

fn one<'a>(found: &'a Found, keyword: &str) -> Result<Option<&'a str>, SshError> {
    found.get(keyword).map(Directive::one).transpose()
}

fn flag(found: &Found, keyword: &str) -> Result<Option<bool>, SshError> {
    match one(found, keyword)?.map(str::to_lowercase).as_deref() {
        None => Ok(None),
        Some("yes" | "true") => Ok(Some(true)),
        Some("no" | "false") => Ok(Some(false)),
        Some(other) => Err(wrong(found, keyword, other)),
    }
}

fn wrong(found: &Found, keyword: &str, value: &str) -> SshError {
    let message = format!("{keyword}: {value:?} is no value it can have");
    found.get(keyword).map_or_else(|| SshError::argument(&message), |d| d.error(&message))
}

/// A time as ssh_config has it: `90`, `1m30s`, `2h`. Fractions for our own options.
fn seconds(text: &str) -> Option<Duration> {
    if let Ok(plain) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(plain).ok();
    }
    let mut total = 0_u64;
    let mut digits = String::new();
    for c in text.chars() {
        let factor = match c {
            '0'..='9' => {
                digits.push(c);
                continue;
            }
            's' | 'S' => 1,
            'm' | 'M' => 60,
            'h' | 'H' => 3600,
            'd' | 'D' => 86_400,
            'w' | 'W' => 604_800,
            _ => return None,
        };
        total = total.checked_add(digits.parse::<u64>().ok()?.checked_mul(factor)?)?;
        digits.clear();
    }
    if !digits.is_empty() {
        total = total.checked_add(digits.parse().ok()?)?;
    }
    Some(Duration::from_secs(total))
}

fn checking(found: &Found) -> Result<HostKeyChecking, SshError> {
    match one(found, "stricthostkeychecking")?.map(str::to_lowercase).as_deref() {
        // Nobody is asked here: what nobody has chosen is refused.
        None | Some("yes" | "true" | "ask") => Ok(HostKeyChecking::Strict),
        Some("accept-new") => Ok(HostKeyChecking::AcceptNew),
        Some("no" | "off" | "false") => Ok(HostKeyChecking::Off),
        Some(other) => Err(wrong(found, "stricthostkeychecking", other)),
    }
}

fn agent(
    found: &Found,
    path: impl Fn(&Directive, &str) -> Result<PathBuf, SshError>,
) -> Result<AgentSocket, SshError> {
    let Some(directive) = found.get("identityagent") else { return Ok(AgentSocket::Environment) };
    match directive.one()? {
        "none" => Ok(AgentSocket::None),
        "SSH_AUTH_SOCK" => Ok(AgentSocket::Environment),
        variable if variable.starts_with('$') && !variable.starts_with("${") => {
            Ok(std::env::var_os(&variable[1..]).map_or(AgentSocket::None, |p| AgentSocket::Path(p.into())))
        }
        socket => Ok(AgentSocket::Path(path(directive, socket)?)),
    }
}

fn methods(found: &Found) -> Result<Vec<MethodKind>, SshError> {
    let preferred =
        one(found, "preferredauthentications")?.unwrap_or("publickey,keyboard-interactive,password");
    let mut methods = Vec::new();
    for name in preferred.split(',') {
        let (method, keywords): (_, &[&str]) = match name.trim() {
            "publickey" => (MethodKind::PublicKey, &["pubkeyauthentication"]),
            "keyboard-interactive" => (
                MethodKind::KeyboardInteractive,
                &["kbdinteractiveauthentication", "challengeresponseauthentication"],
            ),
            "password" => (MethodKind::Password, &["passwordauthentication"]),
            _ => continue, // gssapi, hostbased: not done, and never the only way
        };
        let mut on = true;
        for keyword in keywords {
            // `PubkeyAuthentication unbound` and `host-bound` are ways of saying yes.
            let value = one(found, keyword)?.map(str::to_lowercase);
            on &= !matches!(value.as_deref(), Some("no" | "false"));
        }
        if on {
            methods.push(method);
        }
    }
    Ok(methods)
}

fn proxy(found: &Found, tokens: &[(char, &str)]) -> Result<Proxy, SshError> {
    if let Some(directive) = found.get("proxyjump") {
        let hops = directive.one()?;
        if hops.eq_ignore_ascii_case("none") {
            return Ok(Proxy::None);
        }
        let hops: Vec<String> =
            hops.split(',').map(|h| directive.expand(h.trim(), tokens)).collect::<Result<_, _>>()?;
        for text in &hops {
            hop(text)
                .map_err(|_| directive.error(format!("ProxyJump: {text:?} is not [user@]host[:port]")))?;
        }
        return Ok(Proxy::Jump(hops));
    }
    if let Some(directive) = found.get("proxycommand") {
        if directive.rest.eq_ignore_ascii_case("none") {
            return Ok(Proxy::None);
        }
        return Ok(Proxy::Command(directive.expand(&directive.rest, tokens)?));
    }
    Ok(Proxy::None)
}

/// Applies `Ciphers`, `MACs`, `KexAlgorithms`, `HostKeyAlgorithms` to what we have: a list replaces (what we do
/// not have is left out), `-` removes, `^` moves to the front, `+` adds (we have no more to add).
fn choose<T: AsRef<str> + Clone>(ours: Vec<T>, directive: Option<&Directive>) -> Result<Vec<T>, SshError> {
    let Some(directive) = directive else { return Ok(ours) };
    let text = directive.one()?;
    let names = |text: &str| -> Vec<String> { text.split(',').map(str::to_owned).collect() };
    let chosen: Vec<T> = match text.split_at_checked(1) {
        Some(("+", _)) => ours,
        Some(("-", rest)) => {
            let names = names(rest);
            ours.into_iter().filter(|o| !names.iter().any(|n| pattern::glob(n, o.as_ref()))).collect()
        }
        Some(("^", rest)) => {
            let names = names(rest);
            let mut sorted = ours;
            sorted.sort_by_key(|o| names.iter().position(|n| n == o.as_ref()).unwrap_or(usize::MAX));
            sorted
        }
        _ => {
            let wanted = names(text);
            wanted.iter().filter_map(|n| ours.iter().find(|o| o.as_ref() == n).cloned()).collect()
        }
    };
    if chosen.is_empty() {
        return Err(directive.error(format!("{}: none of {text} is supported", directive.keyword)));
    }
    Ok(chosen)
}

#[derive(Clone)]
struct Named(Algorithm, String);

impl AsRef<str> for Named {
    fn as_ref(&self) -> &str {
        &self.1
    }
}

/// Without `ssh-rsa`, whose signatures are SHA-1.
fn host_key_algorithms() -> Vec<Named> {
    [
        Algorithm::Ed25519,
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
        Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    ]
    .map(|a| Named(a.clone(), a.as_str().to_owned()))
    .into()
}

/// An RSA key is one key type, whatever the hash of its signatures.
fn same_key_type(a: &Algorithm, b: &Algorithm) -> bool {
    matches!((a, b), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. })) || a == b
}

/// The name in the user database, else what the environment says.
fn local_user() -> String {
    let uid = rustix::process::getuid().as_raw().to_string();
    let database = std::fs::read_to_string(Path::new("/etc/passwd")).unwrap_or_default();
    let entry = database.lines().find(|line| line.split(':').nth(2) == Some(&uid));
    let name = entry.and_then(|line| line.split(':').next()).map(str::to_owned);
    let environment =
        || std::env::var("LOGNAME").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| uid.clone());
    name.unwrap_or_else(environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops() {
        let some = |s: &str| Some(s.to_owned());
        for (text, expected) in [
            ("gate", Some((None, "gate", None))),
            ("me@gate:2200", Some((some("me"), "gate", Some(2200)))),
            ("ssh://me@gate:2200/", Some((some("me"), "gate", Some(2200)))),
            ("me@corp@gate", Some((some("me@corp"), "gate", None))),
            ("[::1]:22", Some((None, "::1", Some(22)))),
            ("fe80::1", Some((None, "fe80::1", None))),
            ("gate:port", None),
            ("@gate", None),
            ("", None),
        ] {
            let expected = expected.map(|(user, host, port)| (user, host.to_owned(), port));
            assert_eq!(hop(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn times() {
        for (text, expected) in [
            ("90", Some(90)),
            ("1m30s", Some(90)),
            ("2H", Some(7200)),
            ("1w", Some(604_800)),
            ("1m5", Some(65)),
            ("x", None),
            ("-1", None),
            ("m", None),
        ] {
            assert_eq!(seconds(text), expected.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn options_go_before_arguments() {
        let options = Options {
            host: "h".to_owned(),
            port: Some(1),
            user: Some("option".to_owned()),
            host_key_checking: Some(HostKeyChecking::AcceptNew),
            connect_timeout: Some(Duration::from_millis(1500)),
            identity_files: vec!["/option".into()],
            ssh_args: [
                "-p",
                "2",
                "-l",
                "argument",
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "ConnectTimeout=3",
                "-i",
                "/argument",
            ]
            .map(str::to_owned)
            .into(),
            config_file: Some("none".into()),
            ..Options::default()
        };
        let settings = Settings::resolve(&options, &Files::default()).unwrap();
        assert_eq!((settings.port, settings.user.as_str()), (1, "option"));
        assert_eq!(settings.host_key_checking, HostKeyChecking::AcceptNew);
        assert_eq!(settings.connect_timeout, Duration::from_millis(1500));
        assert_eq!(settings.identity_files, [PathBuf::from("/option"), PathBuf::from("/argument")]);
    }

    #[test]
    fn authentication_methods() {
        let methods = |args: &[&str]| {
            let options = Options {
                host: "h".to_owned(),
                ssh_args: args.iter().flat_map(|a| ["-o".to_owned(), (*a).to_owned()]).collect(),
                config_file: Some("none".into()),
                ..Options::default()
            };
            Settings::resolve(&options, &Files::default()).unwrap().methods
        };
        use MethodKind::{KeyboardInteractive, Password, PublicKey};
        assert_eq!(methods(&[]), [PublicKey, KeyboardInteractive, Password]);
        assert_eq!(
            methods(&["PreferredAuthentications=password,gssapi-with-mic,publickey"]),
            [Password, PublicKey]
        );
        assert_eq!(methods(&["PasswordAuthentication=no", "KbdInteractiveAuthentication=no"]), [PublicKey]);
    }

    #[test]
    fn lists_of_algorithms() {
        let ours = vec!["a-1", "a-2", "b"];
        let choose = |text: &str| {
            let directive = Directive::parse(&format!("Ciphers {text}"), Path::new(""), 0).unwrap().unwrap();
            choose(ours.clone(), Some(&directive)).ok()
        };
        assert_eq!(choose("b,x,a-1"), Some(vec!["b", "a-1"]));
        assert_eq!(choose("-a-*"), Some(vec!["b"]));
        assert_eq!(choose("^b"), Some(vec!["b", "a-1", "a-2"]));
        assert_eq!(choose("+x"), Some(vec!["a-1", "a-2", "b"]));
        assert_eq!(choose("x,y"), None);
    }
}
