//! Requests over HTTP/1.1 and TLS, as Ansible's modules make them.
//!
//! Which certificates are trusted is the target's decision: its own bundle is read. Names are resolved by
//! [`super::net`], since the C library's look-up crashes in a static binary.

use super::{files, net};
use crate::{Ctx, Failure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provision_system::text::to_os;
use serde_json::{Map, Value};
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq::config::{AutoHeaderValue, Config};
use ureq::http::{self, Uri};
use ureq::tls::{Certificate, ClientCert, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body, Proxy};

/// Which answers "look there" are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    All,
    /// Only of GET and HEAD.
    Safe,
    /// As Python does: of GET, HEAD and POST.
    Python,
    None,
}

/// What is asked, and how.
pub struct Request<'a> {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
    pub redirects: Redirects,
    pub user: Option<(String, String)>,
    /// Do not wait for the server to ask who is there.
    pub force_basic_auth: bool,
    pub user_agent: &'a str,
    pub timeout: Duration,
    pub use_proxy: bool,
    pub validate_certs: bool,
    pub ca_path: Option<PathBuf>,
    pub client_cert: Option<PathBuf>,
    pub client_key: Option<PathBuf>,
}

/// An answer. The body is read as it comes.
pub struct Reply {
    pub status: u16,
    /// As in "Not Found".
    pub reason: &'static str,
    pub headers: Vec<(String, String)>,
    /// After redirects.
    pub url: String,
    pub cookies: Vec<(String, String)>,
    pub body: Box<dyn Read>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Bytes of the body, where the server tells.
    pub fn length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    /// What Ansible says of it.
    pub fn message(&self) -> String {
        match self.status {
            200..=299 => format!("OK ({} bytes)", self.header("content-length").unwrap_or("unknown")),
            status => format!("HTTP Error {status}: {}", self.reason),
        }
    }

    /// The headers as results: `x_foo_bar`, several of one name joined by commas.
    pub fn results(&self, into: &mut Map<String, Value>) {
        for (name, value) in &self.headers {
            let name = name.replace('-', "_");
            let joined = match into.get(&name).and_then(Value::as_str) {
                Some(before) => format!("{before}, {value}"),
                None => value.clone(),
            };
            into.insert(name, joined.into());
        }
        if let Some(target) = self.header("location") {
            into.insert("location".to_owned(), join(&self.url, target).into());
        }
    }

    /// A name for the body: the server's, else the end of the URL's path.
    pub fn file_name(&self, url: &str) -> String {
        let offered = self.header("content-disposition").and_then(|value| {
            let (_, rest) = value.split_once("filename=")?;
            let name = rest.split(';').next()?.trim().trim_matches('"');
            Some(name.rsplit('/').next()?.to_owned())
        });
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let path = path
            .split_once("://")
            .map_or(path, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
        let last = path.rsplit('/').next().unwrap_or_default();
        let usable = |name: &String| !name.is_empty() && name != "." && name != "..";
        offered
            .filter(usable)
            .or(Some(last.to_owned()).filter(usable))
            .unwrap_or_else(|| "index.html".to_owned())
    }
}

/// A file at a URL, as it comes.
pub fn get(ctx: &Ctx<'_>, url: &str, validate_certs: bool) -> Result<Reply, Failure> {
    let request = Request {
        method: "GET".to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: None,
        redirects: Redirects::Python,
        user: None,
        force_basic_auth: false,
        user_agent: "provision",
        timeout: Duration::from_secs(30),
        use_proxy: true,
        validate_certs,
        ca_path: None,
        client_cert: None,
        client_key: None,
    };
    let failed = |why: String| Failure::new(format!("Failed to download {url}: {why}"));
    let reply = send(ctx, &request).map_err(|failure| failed(failure.msg))?;
    if reply.status == 200 { Ok(reply) } else { Err(failed(reply.message())) }
}

/// A small file that is fetched to be kept: a key of a repository. A web page is an error: it is what servers answer
/// for what they do not have.
pub fn get_key(ctx: &Ctx<'_>, url: &str, validate_certs: bool) -> Result<Vec<u8>, Failure> {
    let mut data = Vec::new();
    let read = get(ctx, url, validate_certs)?.body.take(1 << 20).read_to_end(&mut data);
    read.map_err(|why| Failure::new(format!("Failed to download {url}: {why}")))?;
    if data.is_empty() || data.trim_ascii_start().starts_with(b"<") {
        return Err(Failure::new(format!("Failed to download {url}: that is no key")));
    }
    Ok(data)
}

/// Sends a request, follows redirects and answers to "who is there". The error is Ansible's text after "Request failed: ".
pub fn send(ctx: &Ctx<'_>, request: &Request<'_>) -> Result<Reply, Failure> {
    let (mut url, in_url) = without_user(&request.url);
    let user = request.user.clone().or(in_url);
    let mut method = request.method.to_uppercase();
    let mut body = request.body.clone();
    let mut headers = request.headers.clone();
    let mut cookies: Vec<(String, String)> = Vec::new();
    let mut authorise = request.force_basic_auth;
    for _ in 0..12 {
        let mut sent = headers.clone();
        if let Some((name, password)) = user.as_ref().filter(|_| authorise) {
            sent.retain(|(header, _)| !header.eq_ignore_ascii_case("authorization"));
            let token = STANDARD.encode(format!("{name}:{password}"));
            sent.push(("Authorization".to_owned(), format!("Basic {token}")));
        }
        if !cookies.is_empty() {
            sent.push(("Cookie".to_owned(), cookie_line(&cookies)));
        }
        let reply = exchange(ctx, request, &method, &url, &sent, body.as_deref())?;
        for (_, value) in reply.headers.iter().filter(|(name, _)| name == "set-cookie") {
            if let Some((name, value)) = value.split(';').next().and_then(|pair| pair.split_once('=')) {
                cookies.retain(|(known, _)| known != name.trim());
                cookies.push((name.trim().to_owned(), value.trim().to_owned()));
            }
        }
        let asks =
            reply.header("www-authenticate").is_some_and(|value| value.to_lowercase().starts_with("basic"));
        if reply.status == 401 && asks && user.is_some() && !authorise {
            authorise = true;
            continue;
        }
        let followed = match request.redirects {
            Redirects::All => true,
            Redirects::Safe => matches!(method.as_str(), "GET" | "HEAD"),
            Redirects::Python => matches!(method.as_str(), "GET" | "HEAD" | "POST"),
            Redirects::None => false,
        };
        let Some(target) =
            reply.header("location").filter(|_| followed && matches!(reply.status, 301..=303 | 307 | 308))
        else {
            return Ok(Reply { cookies, ..reply });
        };
        let next = join(&url, target);
        if !next.starts_with("http://") && !next.starts_with("https://") {
            return Err(Failure::new(format!("a redirect leads to {next}, which is no HTTP")));
        }
        if origin(&next) != origin(&url) {
            // What is for one server is not for another.
            authorise = false;
            cookies.clear();
            headers.retain(|(name, _)| {
                !name.eq_ignore_ascii_case("authorization") && !name.eq_ignore_ascii_case("cookie")
            });
        }
        if !matches!(reply.status, 307 | 308) {
            if method != "HEAD" {
                "GET".clone_into(&mut method);
            }
            body = None;
            headers.retain(|(name, _)| !name.to_lowercase().starts_with("content-"));
        }
        url = next;
    }
    Err(Failure::new("the server redirects without end"))
}

/// One request and its answer.
fn exchange(
    ctx: &Ctx<'_>,
    request: &Request<'_>,
    method: &str,
    url: &str,
    headers: &[(String, String)],
    body: Option<&[u8]>,
) -> Result<Reply, Failure> {
    let address = encoded(url.split('#').next().unwrap_or_default());
    let bad = |why: String| Failure::new(format!("unknown url type or bad request for {url}: {why}"));
    let uri: Uri = address.parse().map_err(|why: http::uri::InvalidUri| bad(why.to_string()))?;
    let host = uri.host().ok_or_else(|| bad("it names no host".to_owned()))?.to_owned();
    let secure = uri.scheme_str() == Some("https");
    if !secure && uri.scheme_str() != Some("http") {
        return Err(bad("only http and https are spoken".to_owned()));
    }
    let started = Instant::now();
    let proxy = if request.use_proxy { proxy(ctx, secure, &host)? } else { None };
    let near = proxy.as_ref().map_or(host.as_str(), Proxy::host).to_owned();
    let addresses = net::resolve(ctx.sys, &near).map_err(|error| {
        Failure::new(format!("<urlopen error [Errno -2] Name or service not known>: {error}"))
    })?;
    let resolver = Known { host: near, addresses };
    let limit = Some(request.timeout);
    let mut config = Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .allow_non_standard_methods(true)
        .proxy(proxy)
        .user_agent(request.user_agent)
        .accept(AutoHeaderValue::None)
        .accept_encoding(AutoHeaderValue::None)
        .max_idle_connections(0)
        .timeout_resolve(limit)
        .timeout_connect(limit)
        .timeout_per_read(limit)
        .timeout_per_write(limit);
    if secure {
        config = config.tls_config(tls(ctx, request)?);
    }
    let agent = Agent::with_parts(config.build(), DefaultConnector::default(), resolver);
    let mut asked = http::Request::builder().method(method).uri(uri).header("Connection", "close");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept-encoding")) {
        asked = asked.header("Accept-Encoding", "identity");
    }
    for (name, value) in headers {
        asked = asked.header(name, value);
    }
    let answer = match body {
        Some(body) => asked.body(body.to_vec()).map_err(ureq::Error::from).and_then(|asked| agent.run(asked)),
        None => asked.body(()).map_err(ureq::Error::from).and_then(|asked| agent.run(asked)),
    };
    let answer = answer.map_err(|error| Failure::new(describe(&error, &host, started.elapsed())))?;
    Ok(reply(answer, url))
}

fn reply(answer: http::Response<Body>, url: &str) -> Reply {
    let (parts, body) = answer.into_parts();
    let headers = parts.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), provision_system::text::bytes_to_text(value.as_bytes()))
    });
    Reply {
        status: parts.status.as_u16(),
        reason: parts.status.canonical_reason().unwrap_or("Unknown"),
        headers: headers.collect(),
        url: url.to_owned(),
        cookies: Vec::new(),
        body: Box::new(body.into_with_config().limit(u64::MAX).reader()),
    }
}

/// In the words of Python's urllib, which roles match on.
fn describe(error: &ureq::Error, host: &str, waited: Duration) -> String {
    let is_timeout =
        |error: &std::io::Error| matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock);
    match error {
        ureq::Error::Timeout(_) => format!("<urlopen error timed out> after {} s", waited.as_secs()),
        ureq::Error::Io(error) if is_timeout(error) => {
            format!("<urlopen error timed out> after {} s", waited.as_secs())
        }
        ureq::Error::Io(error) => {
            let text = error.to_string();
            match (error.raw_os_error(), text.split(" (os error").next()) {
                (Some(number), Some(words)) => format!("<urlopen error [Errno {number}] {words}>"),
                _ if text.contains("certificate") => untrusted(host, &text),
                _ => text,
            }
        }
        ureq::Error::Rustls(error) => {
            let text = error.to_string();
            if text.contains("certificate") {
                untrusted(host, &text)
            } else {
                format!("TLS with {host}: {text}")
            }
        }
        other => other.to_string(),
    }
}

fn untrusted(host: &str, why: &str) -> String {
    format!(
        "Failed to validate the SSL certificate for {host}: {why}. Make sure the target has the CA certificates it \
         needs (package ca-certificates, or ca_path); validate_certs=no leaves the connection open to anyone"
    )
}

/// The addresses that have been looked up already.
#[derive(Debug)]
struct Known {
    host: String,
    addresses: Vec<IpAddr>,
}

impl Resolver for Known {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default);
        let mut found = self.empty();
        // Only one name is ever asked for: the server's, or the proxy's that stands before it.
        if uri.host() == Some(self.host.as_str()) {
            for address in self.addresses.iter().take(16) {
                found.push(SocketAddr::new(*address, port));
            }
        }
        if found.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(found) }
    }
}

/// Where the distributions keep the certificates they trust.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

fn tls(ctx: &Ctx<'_>, request: &Request<'_>) -> Result<TlsConfig, Failure> {
    let config = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .disable_verification(!request.validate_certs);
    let mut roots: Vec<Certificate<'static>> = Vec::new();
    if request.validate_certs {
        let named = request.ca_path.clone().or_else(|| {
            let set = ctx.sys.environment().remove(&*to_os("SSL_CERT_FILE")).map(PathBuf::from);
            set.or_else(|| {
                let there =
                    |path: &&&str| ctx.sys.stat(Path::new(path), true).is_ok_and(|meta| meta.is_some());
                BUNDLES.iter().find(there).map(PathBuf::from)
            })
        });
        let Some(bundle) = named else {
            return Err(Failure::new(format!(
                "the target has no CA certificates (none of {}): install the package ca-certificates or set ca_path",
                BUNDLES.join(", ")
            )));
        };
        roots = certificates(ctx, &bundle)?;
        if roots.is_empty() {
            return Err(Failure::new(format!("no CA certificate is in {}", files::show(&bundle))));
        }
    }
    let mut client = None;
    if let Some(cert) = &request.client_cert {
        let key = request.client_key.as_ref().unwrap_or(cert);
        let pem = ctx.sys.read(key)?;
        let key = parse_pem(&pem).find_map(|item| match item {
            Ok(PemItem::PrivateKey(key)) => Some(key),
            _ => None,
        });
        let key = key.ok_or_else(|| Failure::new("no private key is in client_key or client_cert"))?;
        client = Some(ClientCert::new_with_certs(&certificates(ctx, cert)?, key));
    }
    Ok(config.root_certs(RootCerts::from(roots)).client_cert(client).build())
}

fn certificates(ctx: &Ctx<'_>, path: &Path) -> Result<Vec<Certificate<'static>>, Failure> {
    let pem = ctx.sys.read(path)?;
    let found = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    Ok(found.collect())
}

/// The proxy that the environment names for this host.
fn proxy(ctx: &Ctx<'_>, secure: bool, host: &str) -> Result<Option<Proxy>, Failure> {
    let variables = ctx.sys.environment();
    let variable = |name: &str| {
        let get =
            |name: &str| variables.get(&*to_os(name)).map(|value| provision_system::text::to_text(value));
        get(name).or_else(|| get(&name.to_uppercase())).filter(|value| !value.is_empty())
    };
    let Some(named) = variable(if secure { "https_proxy" } else { "http_proxy" }) else { return Ok(None) };
    let excepted = variable("no_proxy").unwrap_or_default();
    let spared = excepted.split(',').map(str::trim).filter(|name| !name.is_empty()).any(|name| {
        let name = name.trim_start_matches('.');
        name == "*" || host == name || host.ends_with(&format!(".{name}"))
    });
    if spared {
        return Ok(None);
    }
    let named = if named.contains("://") { named } else { format!("http://{named}") };
    Proxy::new(&named).map(Some).map_err(|_| Failure::new(format!("the proxy {named} cannot be used")))
}

/// `name=value; other=value`.
pub fn cookie_line(cookies: &[(String, String)]) -> String {
    cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
}

/// A URL without the name and password in it, and those.
fn without_user(url: &str) -> (String, Option<(String, String)>) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url.to_owned(), None) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some((user, host)) = rest[..end].rsplit_once('@') else { return (url.to_owned(), None) };
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    (format!("{scheme}://{host}{}", &rest[end..]), Some((decoded(name), decoded(password))))
}

fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Blanks and what is not ASCII as percent signs and digits.
fn encoded(url: &str) -> String {
    let mut out = String::new();
    for byte in url.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Scheme, host and port.
fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    &url[..end]
}

/// Where a redirect leads (RFC 3986, section 5.2, for what servers send).
fn join(base: &str, target: &str) -> String {
    let has_scheme = target.split_once("://").is_some_and(|(scheme, _)| !scheme.contains(['/', '?']));
    if has_scheme {
        return target.to_owned();
    }
    if let Some(rest) = target.strip_prefix("//") {
        let scheme = base.split("://").next().unwrap_or("http");
        return format!("{scheme}://{rest}");
    }
    let start = origin(base);
    if target.starts_with('/') {
        return format!("{start}{target}");
    }
    let path = base[start.len()..].split(['?', '#']).next().unwrap_or_default();
    if target.starts_with('?') {
        return format!("{start}{path}{target}");
    }
    let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
    format!("{start}{dir}/{target}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_resolved() {
        let base = "http://h:1/a/b?q";
        for (target, expected) in [
            ("https://x/y", "https://x/y"),
            ("//x/y", "http://x/y"),
            ("/y?u=http://z", "http://h:1/y?u=http://z"),
            ("y", "http://h:1/a/y"),
            ("?z", "http://h:1/a/b?z"),
        ] {
            assert_eq!(join(base, target), expected);
        }
        assert_eq!(join("http://h", "y"), "http://h/y");
        assert_eq!((origin(base), origin("http://h?x")), ("http://h:1", "http://h"));
    }

    #[test]
    fn urls_are_cleaned() {
        let (url, user) = without_user("https://me:p%40ss@h/x@y");
        assert_eq!((url.as_str(), user), ("https://h/x@y", Some(("me".to_owned(), "p@ss".to_owned()))));
        assert_eq!(without_user("http://h/@").1, None);
        assert_eq!(encoded("http://h/a b/ü?x=%20"), "http://h/a%20b/%C3%BC?x=%20");
    }
}
