//! Contents of URLs: `url`.

use super::{Found, flag, text};
use provision_modules::support::http::{Redirects, Request, send};
use provision_modules::{Blobs, Ctx};
use provision_system::{Local, SysError};
use provision_templates::{Kwargs, TemplateError, Value, to_text};
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

/// Longest answer, in bytes.
const LONGEST: u64 = 64 << 20;

/// Options that are not done, each with its reason.
const REFUSED: [(&str, &str); 5] = [
    ("ciphers", "the ciphers of TLS cannot be chosen"),
    ("unix_socket", "not done"),
    ("unredirected_headers", "headers are kept or dropped by their meaning"),
    ("use_gssapi", "no Kerberos"),
    ("use_netrc", "`~/.netrc` is not read in any case"),
];

const OPTIONS: [&str; 12] = [
    "ca_path",
    "follow_redirects",
    "force",
    "force_basic_auth",
    "headers",
    "http_agent",
    "password",
    "split_lines",
    "timeout",
    "use_proxy",
    "username",
    "validate_certs",
];

struct NoBlobs;

impl Blobs for NoBlobs {
    fn open(&self, sha256: &str) -> Result<Box<dyn Read>, SysError> {
        Err(SysError::new(format!("find the content {sha256}"), "a lookup sends none"))
    }
}

pub(super) fn url(urls: &[String], kwargs: &Kwargs) -> Found {
    for name in kwargs.keys() {
        if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| refused == name) {
            return Err(TemplateError::runtime(format!("url: the option `{name}` is not supported: {why}")));
        }
        if !OPTIONS.contains(&name.as_str()) {
            return Err(TemplateError::runtime(format!("url: there is no option `{name}`")));
        }
    }
    let mut headers = Vec::new();
    if let Some(given) = kwargs.get("headers") {
        for name in given.try_iter().into_iter().flatten() {
            let value = given.get_item(&name).map(|value| to_text(&value)).unwrap_or_default();
            headers.push((to_text(&name), value));
        }
    }
    if flag(kwargs, "force", false) {
        headers.push(("cache-control".to_owned(), "no-cache".to_owned()));
    }
    let redirects = match text(kwargs, "follow_redirects").as_deref() {
        None | Some("urllib2") => Redirects::Python,
        Some("all" | "yes" | "True" | "true") => Redirects::All,
        Some("no" | "none" | "False" | "false") => Redirects::None,
        Some("safe") => Redirects::Safe,
        Some(other) => {
            return Err(TemplateError::runtime(format!("url: `follow_redirects` cannot be {other}")));
        }
    };
    let timeout = match text(kwargs, "timeout") {
        None => 10.0,
        Some(text) => text
            .parse::<f64>()
            .ok()
            .filter(|seconds| seconds.is_finite() && *seconds > 0.0 && *seconds < 1e6)
            .ok_or_else(|| TemplateError::runtime(format!("url: `{text}` is no time-out")))?,
    };
    let agent = text(kwargs, "http_agent").unwrap_or_else(|| "ansible-httpget".to_owned());
    let local = Local::inherit();
    let ctx = Ctx { sys: &local, check: false, diff: false, blobs: &NoBlobs };
    let mut found = Vec::new();
    for url in urls {
        let request = Request {
            method: "GET".to_owned(),
            url: url.clone(),
            headers: headers.clone(),
            body: None,
            redirects,
            user: text(kwargs, "username").map(|name| (name, text(kwargs, "password").unwrap_or_default())),
            force_basic_auth: flag(kwargs, "force_basic_auth", false),
            user_agent: &agent,
            timeout: Duration::from_secs_f64(timeout),
            use_proxy: flag(kwargs, "use_proxy", true),
            validate_certs: flag(kwargs, "validate_certs", true),
            ca_path: text(kwargs, "ca_path").map(PathBuf::from),
            client_cert: None,
            client_key: None,
        };
        let failed = |why: String| TemplateError::runtime(format!("Failed lookup url for {url} : {why}"));
        let reply = send(&ctx, &request).map_err(|error| failed(error.msg))?;
        if !(200..300).contains(&reply.status) {
            return Err(TemplateError::runtime(format!(
                "Received HTTP error for {url} : HTTP Error {}: {}",
                reply.status, reply.reason
            )));
        }
        let mut bytes = Vec::new();
        reply.body.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
        if bytes.len() as u64 > LONGEST {
            return Err(failed(format!("the answer is longer than {LONGEST} bytes")));
        }
        let content = provision_system::text::bytes_to_text(&bytes);
        if flag(kwargs, "split_lines", true) {
            found.extend(content.lines().map(Value::from));
        } else {
            found.push(Value::from(content));
        }
    }
    Ok(found)
}
