//! `wait_for`: a port, a file or a time.

use crate::support::files::{self, path_of, show};
use crate::support::{net, regex};
use crate::{Ctx, Failure, Module, Outcome};
use fancy_regex::Regex;
use provision_args::{Args, Choice, PathArg};
use provision_system::text::bytes_to_text;
use serde_json::{Map, Value};
use std::io::Read;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Wait until a port is open or closed, a file is there or gone, a text appears in either, or nobody is connected to
/// a port any more. With neither port nor path, wait for the time given in `timeout`.
///
/// A dry run does not wait: it looks once, and what is not met yet is reported as unknown.
#[derive(Args)]
#[args(name = "wait_for")]
pub struct WaitForArgs {
    /// The port.
    pub port: Option<u16>,
    /// The host of the port: a name or an address, as seen from the target.
    #[arg(default = "127.0.0.1")]
    pub host: String,
    /// The file. Symbolic links are followed.
    pub path: Option<PathArg>,
    /// `started` and `present` wait for an open port, a file or a text; `stopped` and `absent` for their end;
    /// `drained` until no connection to the port is active.
    #[arg(default = "started")]
    pub state: State,
    /// A regular expression to look for in the file or in what the port sends; `^` and `$` match at every line.
    pub search_regex: Option<String>,
    /// How many seconds to wait at most.
    #[arg(default = "300")]
    pub timeout: u64,
    /// How many seconds one connection attempt may take.
    #[arg(default = "5")]
    pub connect_timeout: u64,
    /// How many seconds to wait before the first look.
    #[arg(default = "0")]
    pub delay: u64,
    /// How many seconds to wait between two looks.
    #[arg(default = "1")]
    pub sleep: u64,
    /// Peers whose connections do not count for `drained`.
    pub exclude_hosts: Option<Vec<String>>,
    /// States of connections that count as active.
    #[arg(default = "ESTABLISHED,FIN_WAIT1,FIN_WAIT2,SYN_RECV,SYN_SENT,TIME_WAIT")]
    pub active_connection_states: Vec<String>,
    /// What to say instead of the usual error when the time is over.
    pub msg: Option<String>,
}

#[derive(Choice, Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Absent,
    Drained,
    Present,
    Started,
    Stopped,
}

/// The module.
pub struct WaitFor;

impl Module for WaitFor {
    type Args = WaitForArgs;

    fn run(args: WaitForArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let target = Target::of(&args, ctx)?;
        let regex = match &args.search_regex {
            Some(pattern) => {
                let flags = regex::Flags { multiline: true, dotall: false };
                Some(regex::compile("search_regex", pattern, flags)?)
            }
            None => None,
        };
        let start = Instant::now();
        if ctx.check {
            return look_once(&args, ctx, &target, regex.as_ref());
        }
        std::thread::sleep(Duration::from_secs(args.delay));
        let elapsed = || start.elapsed().as_secs();
        let limit = Duration::from_secs(args.timeout);
        if matches!(target, Target::Time) {
            // The delay is part of it.
            std::thread::sleep(limit.saturating_sub(start.elapsed()));
            return Ok(result(&args, None, Map::new(), elapsed()));
        }
        loop {
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                let msg = args.msg.clone().unwrap_or_else(|| target.overdue(&args));
                return Err(Failure::new(msg).with("elapsed", elapsed()));
            }
            if let Some(found) = target.look(&args, ctx, regex.as_ref(), left)? {
                let mut outcome = result(&args, target.path(), found, elapsed());
                if let Some(path) = target.path() {
                    files::facts(ctx, path, &mut outcome.result)?;
                }
                return Ok(outcome);
            }
            std::thread::sleep(Duration::from_secs(args.sleep).min(limit.saturating_sub(start.elapsed())));
        }
    }
}

/// What is waited for.
enum Target {
    Time,
    File(PathBuf),
    Port(u16),
    /// The addresses that count as the host's, none for all.
    Drained(u16, Vec<IpAddr>),
}

/// The groups of a match: the results `match_groups` and `match_groupdict`.
type Found = Map<String, Value>;

impl Target {
    fn of(args: &WaitForArgs, ctx: &Ctx<'_>) -> Result<Self, Failure> {
        let refuse = |why: &str| Err(Failure::new(why).with("elapsed", 0));
        if let Some(unknown) = args.active_connection_states.iter().find(|name| code(name).is_none()) {
            return refuse(&format!("unknown active_connection_state ({unknown}) defined"));
        }
        if args.port.is_some() && args.path.is_some() {
            return refuse("port and path parameter can not both be passed to wait_for");
        }
        if args.path.is_some() && args.state == State::Stopped {
            return refuse("state=stopped should only be used for checking a port in the wait_for module");
        }
        if args.path.is_some() && args.state == State::Drained {
            return refuse("state=drained should only be used for checking a port in the wait_for module");
        }
        if args.exclude_hosts.is_some() && args.state != State::Drained {
            return refuse("exclude_hosts should only be with state=drained");
        }
        Ok(match (&args.path, args.port) {
            (Some(path), _) => Self::File(path_of(ctx, path)?),
            (None, Some(port)) if args.state == State::Drained => {
                let addresses = net::resolve(ctx.sys, &args.host)
                    .map_err(|error| Failure::new(error.to_string()).with("elapsed", 0))?;
                let all = addresses.iter().any(IpAddr::is_unspecified);
                Self::Drained(port, if all { Vec::new() } else { addresses })
            }
            (None, Some(port)) => Self::Port(port),
            (None, None) if args.state == State::Drained => {
                return refuse("state=drained needs a port");
            }
            (None, None) => Self::Time,
        })
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            _ => None,
        }
    }

    /// What was waited for, if it is so now.
    fn look(
        &self,
        args: &WaitForArgs,
        ctx: &Ctx<'_>,
        regex: Option<&Regex>,
        left: Duration,
    ) -> Result<Option<Found>, Failure> {
        let over = matches!(args.state, State::Stopped | State::Absent);
        let yes = |yes: bool| Ok(yes.then(Map::new));
        match self {
            Self::Time => yes(true),
            Self::File(path) => {
                // What cannot be looked at is as good as missing.
                let there = ctx.sys.stat(path, true).ok().flatten();
                match (over, there, regex) {
                    (true, there, _) => yes(there.is_none()),
                    (false, None, _) => Ok(None),
                    (false, Some(_), None) => yes(true),
                    // It may vanish in between.
                    (false, Some(_), Some(regex)) => match ctx.sys.read(path) {
                        Ok(data) => search(regex, &data),
                        Err(_) => Ok(None),
                    },
                }
            }
            Self::Port(port) => {
                let limit = Duration::from_secs(args.connect_timeout.max(1)).min(left);
                match (over, net::connect(ctx.sys, &args.host, *port, limit), regex) {
                    (true, stream, _) => yes(stream.is_err()),
                    (false, Err(_), _) => Ok(None),
                    (false, Ok(_), None) => yes(true),
                    (false, Ok(stream), Some(regex)) => hear(stream, regex, left),
                }
            }
            Self::Drained(port, addresses) => {
                let excluded: Vec<IpAddr> = args
                    .exclude_hosts
                    .iter()
                    .flatten()
                    .filter_map(|host| net::resolve(ctx.sys, host).ok())
                    .flatten()
                    .collect();
                yes(!active(ctx, *port, addresses, &excluded, &args.active_connection_states))
            }
        }
    }

    /// The error once the time is over.
    fn overdue(&self, args: &WaitForArgs) -> String {
        let host = &args.host;
        let over = matches!(args.state, State::Stopped | State::Absent);
        let what = match &args.search_regex {
            Some(regex) if !over => format!("search string {regex} in "),
            _ => String::new(),
        };
        let what = match self {
            Self::Time => return "Timeout".to_owned(),
            Self::File(path) if over => format!("{} to be absent.", show(path)),
            Self::File(path) if what.is_empty() => format!("file {}", show(path)),
            Self::File(path) => format!("{what}{}", show(path)),
            Self::Port(port) if over => format!("{host}:{port} to stop."),
            Self::Port(port) => format!("{what}{host}:{port}"),
            Self::Drained(port, _) => format!("{host}:{port} to drain"),
        };
        format!("Timeout when waiting for {what}")
    }
}

/// Without waiting, as a dry run does.
fn look_once(
    args: &WaitForArgs,
    ctx: &Ctx<'_>,
    target: &Target,
    regex: Option<&Regex>,
) -> Result<Outcome, Failure> {
    let left = Duration::from_secs(args.connect_timeout.clamp(1, 5));
    if let Some(found) = target.look(args, ctx, regex, left)? {
        let mut outcome = result(args, target.path(), found, 0);
        if let Some(path) = target.path() {
            files::facts(ctx, path, &mut outcome.result)?;
        }
        return Ok(outcome);
    }
    let outcome = result(args, target.path(), Map::new(), 0).with("_unknown", true);
    Ok(files::depends(outcome, "a dry run does not wait"))
}

fn result(args: &WaitForArgs, path: Option<&Path>, found: Found, elapsed: u64) -> Outcome {
    let mut outcome = Outcome::new()
        .with("state", args.state.as_str())
        .with("port", args.port)
        .with("search_regex", args.search_regex.clone())
        .with("match_groups", Vec::<Value>::new())
        .with("match_groupdict", Map::new())
        .with("path", path.map(show))
        .with("elapsed", elapsed);
    outcome.result.extend(found);
    outcome
}

fn search(regex: &Regex, data: &[u8]) -> Result<Option<Found>, Failure> {
    let text = bytes_to_text(data);
    let Some(captures) = regex.captures(&text).map_err(regex::too_hard)? else { return Ok(None) };
    let value =
        |group: Option<fancy_regex::Match<'_>>| group.map_or(Value::Null, |group| group.as_str().into());
    let groups: Vec<Value> = captures.iter().skip(1).map(value).collect();
    let named: Map<String, Value> =
        regex.capture_names().flatten().map(|name| (name.to_owned(), value(captures.name(name)))).collect();
    let mut found = Map::new();
    found.insert("match_groups".to_owned(), groups.into());
    found.insert("match_groupdict".to_owned(), named.into());
    Ok(Some(found))
}

/// What a port sends, until it matches or the peer or the time is at its end.
fn hear(mut stream: std::net::TcpStream, regex: &Regex, left: Duration) -> Result<Option<Found>, Failure> {
    let end = Instant::now() + left;
    let (mut data, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return Ok(None);
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return Ok(None),
            Ok(length) => data.extend_from_slice(&buffer[..length]),
        }
        if let Some(found) = search(regex, &data)? {
            return Ok(Some(found));
        }
    }
}

/// The kernel's number of a connection state (net/tcp_states.h).
fn code(name: &str) -> Option<u8> {
    Some(match name {
        "ESTABLISHED" => 1,
        "SYN_SENT" => 2,
        "SYN_RECV" => 3,
        "FIN_WAIT1" => 4,
        "FIN_WAIT2" => 5,
        "TIME_WAIT" => 6,
        _ => return None,
    })
}

/// Whether /proc/net/tcp knows a connection to the port in one of the states.
fn active(ctx: &Ctx<'_>, port: u16, hosts: &[IpAddr], excluded: &[IpAddr], states: &[String]) -> bool {
    let states: Vec<u8> = states.iter().filter_map(|name| code(name)).collect();
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|table| {
        // Without IPv6 there is no second table.
        let text = ctx.sys.read(Path::new(table)).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().skip(1).any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let end = |at: usize| words.get(at).and_then(|word| endpoint(word));
            let state = words.get(3).and_then(|state| u8::from_str_radix(state, 16).ok());
            let (Some(local), Some(remote), Some(state)) = (end(1), end(2), state) else { return false };
            local.1 == port
                && states.contains(&state)
                && (hosts.is_empty() || hosts.contains(&local.0))
                && !excluded.contains(&remote.0)
        })
    })
}

/// `0100007F:1F90`: the address in the machine's byte order, word by word.
fn endpoint(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(address.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let address = match address.len() {
        8 => IpAddr::from(word(0)?),
        32 => {
            let mut bytes = [0; 16];
            for (index, part) in bytes.chunks_mut(4).enumerate() {
                part.copy_from_slice(&word(index * 8)?);
            }
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some((address, port))
}
