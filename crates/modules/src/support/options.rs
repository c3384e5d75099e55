//! Options that several modules have: those managing files, those that talk to web servers.

use super::files::{Wanted, path_of};
use super::http::{Redirects, Request};
use crate::{Ctx, Failure};
use provision_args::{Args, ModeArg, PathArg};
use std::time::Duration;

/// Whose a file is and who may use it.
#[derive(Args, Debug, Clone)]
pub struct FileOptions {
    /// The mode as an octal number in quotes ('0644') or as chmod writes it (u=rw,g=r,o=).
    pub mode: Option<ModeArg>,
    /// The user who shall own it: a name or a number.
    pub owner: Option<String>,
    /// The group that shall own it: a name or a number.
    pub group: Option<String>,
    #[arg(flatten)]
    pub unmanaged: Unmanaged,
}

impl FileOptions {
    pub fn wanted(&self) -> Wanted<'_> {
        Wanted { mode: self.mode.as_ref(), owner: self.owner.as_deref(), group: self.group.as_deref() }
    }
}

/// What Ansible can set and we do not.
#[derive(Args, Debug, Clone)]
pub struct Unmanaged {
    /// File attributes as chattr sets them.
    #[arg(alias = "attr", refused = "file attributes (chattr) are not managed")]
    pub attributes: (),
    /// The user part of the SELinux context.
    #[arg(refused = "SELinux contexts are not managed")]
    pub seuser: (),
    /// The role part of the SELinux context.
    #[arg(refused = "SELinux contexts are not managed")]
    pub serole: (),
    /// The type part of the SELinux context.
    #[arg(refused = "SELinux contexts are not managed")]
    pub setype: (),
    /// The level part of the SELinux context.
    #[arg(refused = "SELinux contexts are not managed")]
    pub selevel: (),
    /// Write in place where a file cannot be replaced in one step.
    #[arg(default = "no", refused = "files are only ever replaced in one step")]
    pub unsafe_writes: bool,
}

/// How to talk to a web server.
#[derive(Args, Debug, Clone)]
pub struct HttpOptions {
    /// Check the server's certificate.
    #[arg(default = "yes")]
    pub validate_certs: bool,
    /// A file with the certificate to show to the server, and its key unless `client_key` has it.
    pub client_cert: Option<PathArg>,
    /// A file with the key of `client_cert`.
    pub client_key: Option<PathArg>,
    /// The password for basic authentication.
    #[arg(alias = "password", secret)]
    pub url_password: Option<String>,
    /// Send name and password at once, without waiting for the server to ask.
    #[arg(default = "no")]
    pub force_basic_auth: bool,
    /// How the client calls itself.
    #[arg(default = "ansible-httpget")]
    pub http_agent: String,
    /// Use the proxy that the environment names (http_proxy, https_proxy, no_proxy). It must allow CONNECT, also to
    /// port 80.
    #[arg(default = "yes")]
    pub use_proxy: bool,
    /// Unpack compressed answers. None is asked for.
    #[arg(default = "yes")]
    pub decompress: bool,
    #[arg(refused = "the ciphers of TLS cannot be chosen")]
    pub ciphers: (),
    #[arg(refused = "headers are kept or dropped at redirects by their meaning")]
    pub unredirected_headers: (),
    #[arg(default = "no", refused = "Kerberos authentication is not done")]
    pub use_gssapi: bool,
    #[arg(default = "yes", refused = "~/.netrc is not read")]
    pub use_netrc: bool,
}

impl HttpOptions {
    /// A request without headers and body, following redirects as Python's urllib does. `timeout` is in seconds.
    pub fn request(
        &self,
        ctx: &Ctx<'_>,
        method: &str,
        url: &str,
        user: Option<&str>,
        timeout: u64,
    ) -> Result<Request<'_>, Failure> {
        let optional = |path: &Option<PathArg>| path.as_ref().map(|path| path_of(ctx, path)).transpose();
        Ok(Request {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: None,
            redirects: Redirects::Python,
            user: user.map(|name| (name.to_owned(), self.url_password.clone().unwrap_or_default())),
            force_basic_auth: self.force_basic_auth,
            user_agent: &self.http_agent,
            timeout: Duration::from_secs(timeout.max(1)),
            use_proxy: self.use_proxy,
            validate_certs: self.validate_certs,
            ca_path: None,
            client_cert: optional(&self.client_cert)?,
            client_key: optional(&self.client_key)?,
        })
    }
}
