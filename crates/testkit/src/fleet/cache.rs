//! The package cache: a small HTTP proxy for apt, and the hosts' only way out.
//!
//! One download per URL however many hosts ask at once (caches that let two requests for one file race make libapt
//! hang for good). It fetches from the configured mirrors and nowhere else. curl does the fetching, so that https
//! mirrors, redirects and an upstream proxy work as they do for everything else on the machine.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::{apt, paths::Dirs};
use crate::{bins, run};

/// An address on the machine's loopback device, so that hosts of every fleet reach the one cache.
pub const ADDRESS: &str = "10.99.99.1";
pub const PORT: u16 = 3143;

/// Starts the proxy unless it runs, and allows it to fetch from `origins` (`scheme://host`).
///
/// # Errors
/// If the proxy cannot be built or does not answer.
pub fn ensure(dirs: &Dirs, origins: &[String]) -> Result<()> {
    let _lock = dirs.lock("aptcache")?;
    let dir = dirs.apt_cache();
    fs::create_dir_all(dir.join("files"))?;
    let list = dir.join("origins");
    let mut known: Vec<String> =
        fs::read_to_string(&list).unwrap_or_default().lines().map(String::from).collect();
    let before = known.len();
    known.extend(origins.iter().filter(|o| !known.contains(o)).cloned().collect::<Vec<_>>());
    if known.len() != before {
        fs::write(&list, known.join("\n") + "\n")?;
    }
    run::check(&mut run::cmd("ip", ["address", "replace", &format!("{ADDRESS}/32"), "dev", "lo"]))?;
    let wanted = identity(&dir);
    match ask("/-/identity") {
        Some(found) if found == wanted => return Ok(()),
        Some(found) if found.starts_with(NAME) => {
            ask("/-/stop"); // an older version, or one of another cache directory whose mirrors we do not know
            std::thread::sleep(Duration::from_millis(200));
        }
        Some(_) => bail!("port {PORT} of {ADDRESS} is taken by something that is not our package cache"),
        None => {}
    }
    let exe = bins::debug("apt-cache")?;
    let log = File::options().create(true).append(true).open(dir.join("log"))?;
    let mut command = run::cmd("setsid", [exe.as_os_str(), dir.as_os_str()]);
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut child = command.spawn().context("cannot start the package cache")?;
    let start = Instant::now();
    while ask("/-/identity").as_deref() != Some(&wanted) {
        if child.try_wait()?.is_some_and(|s| !s.success()) || start.elapsed() > Duration::from_secs(20) {
            let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
            bail!("the package cache does not start: {}", run::tail(&log));
        }
        std::thread::sleep(Duration::from_millis(30));
    }
    Ok(())
}

/// Serves until told to stop; the `apt-cache` binary is this and nothing else.
///
/// # Errors
/// If an address cannot be listened on.
pub fn serve(dir: &Path) -> Result<()> {
    let (stop, stopped) = channel();
    let server = Arc::new(Server::new(dir, stop));
    for address in ["127.0.0.1", ADDRESS] {
        let listener = TcpListener::bind((address, PORT))
            .with_context(|| format!("cannot listen on {address}:{PORT}"))?;
        let server = Arc::clone(&server);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = Arc::clone(&server);
                // A broken connection concerns only that client.
                std::thread::spawn(move || drop(server.connection(stream)));
            }
        });
    }
    stopped.recv().context("the cache's threads are gone")
}

const NAME: &str = "provision apt cache";
const VERSION: u32 = 1;
/// Release files name the newest index; everything below them is addressed by hash or version.
const RELEASE_AGE: Duration = Duration::from_secs(6 * 3600);
const MISSING_AGE: Duration = Duration::from_secs(3600);

fn identity(dir: &Path) -> String {
    format!("{NAME} {VERSION} {}", dir.display())
}

/// Asks whatever listens on our port; `None` if nothing does.
fn ask(path: &str) -> Option<String> {
    let address: SocketAddr = format!("127.0.0.1:{PORT}").parse().ok()?;
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: cache\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_string()))
}

struct Server {
    dir: PathBuf,
    upstream_proxy: Option<String>,
    locks: Mutex<HashMap<String, Arc<Mutex<()>>>>,
    counter: AtomicU64,
    stop: Mutex<Sender<()>>,
}

impl Server {
    fn new(dir: &Path, stop: Sender<()>) -> Server {
        let upstream_proxy = apt::config("Acquire::http::Proxy").filter(|p| p != "DIRECT");
        Server {
            dir: dir.to_path_buf(),
            upstream_proxy,
            locks: Mutex::default(),
            counter: AtomicU64::new(0),
            stop: Mutex::new(stop),
        }
    }

    fn connection(&self, stream: TcpStream) -> Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(300)))?;
        stream.set_write_timeout(Some(Duration::from_secs(300)))?;
        stream.set_nodelay(true)?;
        let mut input = BufReader::new(stream.try_clone()?);
        let mut out = stream;
        loop {
            let mut head = String::new();
            loop {
                let before = head.len();
                if (&mut input).take(16384).read_line(&mut head)? == 0 || head.len() > 65536 {
                    return Ok(());
                }
                if head[before..].trim().is_empty() {
                    break;
                }
            }
            let mut words = head.split_whitespace();
            let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let close = head.to_ascii_lowercase().contains("\nconnection: close");
            let body = method == "GET";
            match (method, target) {
                ("GET" | "HEAD", "/-/identity") => text(&mut out, &identity(&self.dir))?,
                ("GET", "/-/stop") => {
                    text(&mut out, "stopping")?;
                    self.stop.lock().unwrap_or_else(PoisonError::into_inner).send(())?;
                }
                ("GET" | "HEAD", _) => match self.fetch(target) {
                    Ok(path) => {
                        let mut file = File::open(path)?;
                        write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", file.metadata()?.len())?;
                        if body {
                            std::io::copy(&mut file, &mut out)?;
                        }
                    }
                    Err(code) => write!(out, "HTTP/1.1 {code} No\r\nContent-Length: 0\r\n\r\n")?,
                },
                _ => write!(out, "HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n")?,
            }
            if close {
                return Ok(());
            }
        }
    }

    /// The cached copy of a URL, downloaded first if need be; or the HTTP status to answer with.
    fn fetch(&self, url: &str) -> Result<PathBuf, u16> {
        let Some(rest) = url.strip_prefix("http://") else { return Err(400) };
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (host, path) = rest.split_once('/').ok_or(400u16)?;
        if rest.split('/').any(|part| part == ".." || part == ".") {
            return Err(403);
        }
        let origins = fs::read_to_string(self.dir.join("origins")).unwrap_or_default();
        let origin =
            origins.lines().find(|o| o.split_once("://").is_some_and(|(_, h)| h == host)).ok_or(403u16)?;
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(locks.entry(rest.to_string()).or_default())
        };
        let _one_download = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let target = self.dir.join("files").join(rest);
        let missing = with_suffix(&target, ".404");
        let name = path.rsplit('/').next().unwrap_or_default();
        let is_release = matches!(name, "InRelease" | "Release" | "Release.gpg");
        if younger(&target, if is_release { RELEASE_AGE } else { Duration::MAX }) {
            return Ok(target);
        }
        if younger(&missing, MISSING_AGE) {
            return Err(404);
        }
        let code = self.download(&format!("{origin}/{path}"), &target);
        match code {
            200 => Ok(target),
            404 => {
                fs::write(&missing, "").ok();
                Err(404)
            }
            // The mirror is away: an old Release file is better than none.
            _ if target.exists() => Ok(target),
            code => Err(code),
        }
    }

    fn download(&self, url: &str, target: &Path) -> u16 {
        if target.parent().is_some_and(|dir| fs::create_dir_all(dir).is_err()) {
            return 500;
        }
        let part = with_suffix(target, &format!(".part{}", self.counter.fetch_add(1, Ordering::Relaxed)));
        let mut curl = run::cmd("curl", ["-q", "-sS", "-L", "--max-redirs", "5", "--connect-timeout", "20"]);
        curl.args([
            "--speed-limit",
            "1000",
            "--speed-time",
            "60",
            "--retry",
            "2",
            "-w",
            "%{http_code}",
            "-o",
        ]);
        curl.arg(&part).arg(url);
        if let Some(proxy) = &self.upstream_proxy {
            curl.args(["--proxy", proxy]);
        }
        let code = match run::output(&mut curl) {
            Ok(ran) if ran.ok() => ran.stdout.trim().parse().unwrap_or(502),
            _ => 504,
        };
        if code == 200 && fs::rename(&part, target).is_ok() {
            return 200;
        }
        fs::remove_file(&part).ok();
        if code == 200 { 500 } else { code }
    }
}

fn text(out: &mut TcpStream, body: &str) -> Result<()> {
    Ok(write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())?)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn younger(path: &Path, than: Duration) -> bool {
    let age =
        fs::metadata(path).ok().and_then(|m| m.modified().ok()).map(|t| t.elapsed().unwrap_or_default());
    age.is_some_and(|age| age < than)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(dir: &Path, origins: &str) -> Server {
        fs::write(dir.join("origins"), origins).unwrap();
        let mut server = Server::new(dir, channel().0);
        server.upstream_proxy = None;
        server
    }

    /// A mirror that counts how often it was asked.
    fn mirror() -> (String, Arc<AtomicU64>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                let mut first = String::new();
                BufReader::new(stream.try_clone().unwrap()).read_line(&mut first).unwrap();
                std::thread::sleep(Duration::from_millis(100));
                let reply = if first.contains("/gone") {
                    "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
                } else {
                    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
                };
                stream.write_all(reply.as_bytes()).unwrap();
            }
        });
        (host, asked)
    }

    #[test]
    fn one_download_however_many_ask() {
        let dir = tempfile::tempdir().unwrap();
        let (host, asked) = mirror();
        let server = server(dir.path(), &format!("http://{host}\n"));
        std::thread::scope(|scope| {
            for _ in 0..10 {
                scope.spawn(|| {
                    let path = server.fetch(&format!("http://{host}/pool/a.deb")).unwrap();
                    assert_eq!(fs::read(path).unwrap(), b"hello");
                });
            }
        });
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert_eq!(server.fetch(&format!("http://{host}/gone")), Err(404));
        assert_eq!(server.fetch(&format!("http://{host}/gone")), Err(404));
        assert_eq!(asked.load(Ordering::SeqCst), 2, "a missing file is remembered");
    }

    #[test]
    fn only_mirrors_and_only_inside_the_cache() {
        let dir = tempfile::tempdir().unwrap();
        let server = server(dir.path(), "http://mirror.example\n");
        assert_eq!(server.fetch("http://elsewhere.example/x"), Err(403));
        assert_eq!(server.fetch("http://mirror.example/../../etc/passwd"), Err(403));
        assert_eq!(server.fetch("ftp://mirror.example/x"), Err(400));
    }
}
