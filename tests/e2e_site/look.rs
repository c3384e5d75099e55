//! Looks at a host from outside, with the programs that others would use.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use provision_testkit::tools;

use crate::kit::{APP, Site};

/// What a finished program said, both streams together.
#[track_caller]
pub fn said(command: &mut Command) -> (i32, String) {
    let done = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    (done.status.code().unwrap_or(-1), text)
}

/// A program that must succeed; its output.
#[track_caller]
pub fn ok(program: &str, args: &[&str]) -> String {
    let (code, text) = said(Command::new(program).args(args));
    assert_eq!(code, 0, "{program} {args:?}: {text}");
    text
}

/// One answer to curl.
#[derive(Debug)]
pub struct Answer {
    /// curl's own exit code.
    pub curl: i32,
    pub status: u16,
    /// `1.1` or `2`
    pub http: String,
    /// 0 if the certificate is good.
    pub verify: String,
    pub body: String,
    /// The status line and headers as they came; curl's error if none came.
    pub head: String,
}

impl Answer {
    /// The value of a header; names in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|l| l.split_once(':'))
            .find_map(|(n, value)| if n.eq_ignore_ascii_case(name) { Some(value.trim()) } else { None })
    }

    /// The backend's own account of what arrived.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    /// Checks a redirect's target to the letter.
    #[track_caller]
    pub fn leads_to(&self, target: &str) {
        assert_eq!((self.status, self.header("location")), (301, Some(target)), "{self:#?}");
    }
}

/// curl with all names leading to the host, trusting the certificates in `ca`.
#[track_caller]
pub fn curl(site: &Site, ca: &Path, args: &[&str]) -> Answer {
    let mut command = Command::new("curl");
    command.args(["-q", "-sS", "--noproxy", "*", "--max-time", "20", "--cacert"]).arg(ca);
    for port in [80, 443] {
        let place = format!("*:{port}:{},[{}]", site.host.ip(), site.host.ip6());
        command.arg("--resolve").arg(place);
    }
    const MARK: &str = "\n@@ ";
    command.args([
        "-D",
        "-",
        "-w",
        &format!("{MARK}%{{http_code}} %{{http_version}} %{{ssl_verify_result}}"),
    ]);
    let done = command.args(args).stdin(Stdio::null()).output().unwrap();
    let all = String::from_utf8_lossy(&done.stdout).into_owned();
    let (text, numbers) = all.rsplit_once(MARK).unwrap_or_else(|| panic!("{done:?}"));
    let mut numbers = numbers.split(' ').map(str::to_owned);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let error = String::from_utf8_lossy(&done.stderr);
    Answer {
        curl: done.status.code().unwrap_or(-1),
        status: numbers.next().unwrap().parse().unwrap(),
        http: numbers.next().unwrap(),
        verify: numbers.next().unwrap(),
        body: body.to_owned(),
        head: format!("{head}{error}"),
    }
}

/// `https://app.example.test/`, checked.
#[track_caller]
pub fn home(site: &Site, ca: &Path) -> Answer {
    curl(site, ca, &[&format!("https://{APP}/")])
}

/// `openssl s_client` to the host with the site's name, nothing sent.
#[track_caller]
pub fn s_client(site: &Site, args: &[&str]) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &format!("{}:443", site.host.ip()), "-servername", APP]);
    said(command.args(args)).1
}

/// A certificate's text, as `openssl x509` prints it with these options.
#[track_caller]
pub fn x509(file: &Path, args: &[&str]) -> String {
    let file = file.display().to_string();
    ok("openssl", &[&["x509", "-noout", "-in", &file], args].concat())
}

/// nmap on the host.
#[track_caller]
pub fn nmap(site: &Site, v6: bool, args: &[&str]) -> String {
    let mut all = vec!["-n", "-Pn"];
    let address = if v6 { site.host.ip6().to_string() } else { site.host.ip().to_string() };
    if v6 {
        all.push("-6");
    }
    all.extend(args);
    all.push(&address);
    ok("nmap", &all)
}

/// Where WebSockets go.
pub fn https(site: &Site) -> SocketAddr {
    (site.host.ip(), 443).into()
}

/// The judges' directory; installs them if need be.
pub fn judges() -> PathBuf {
    tools::judges().unwrap()
}
