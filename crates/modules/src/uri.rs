//! `uri`: a request to a web service.

use crate::support::files::{self, path_of, show};
use crate::support::http::{self, Redirects, Reply, Request};
use crate::support::options::{FileOptions, HttpOptions};
use crate::support::{exec, results, time};
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice, PathArg};
use provision_system::text::{bytes_to_text, text_to_bytes, to_os};
use serde_json::{Map, Value};
use std::io::Read;
use std::time::Instant;

/// Send a request to a web service and look at its answer.
///
/// A dry run sends GET, HEAD and OPTIONS only; what others would answer is unknown.
#[derive(Args)]
#[args(name = "uri", mutually_exclusive("body", "src"))]
pub struct UriArgs {
    /// `http://` or `https://`; a name and password in it are used as `url_username` and `url_password`.
    #[arg(required)]
    pub url: String,
    /// The method of the request.
    #[arg(default = "GET")]
    pub method: String,
    /// What is sent: a text, or a mapping or list for `body_format`.
    pub body: Option<Value>,
    /// How `body` is written. `json` and `form-urlencoded` set the header Content-Type, unless `headers` does.
    #[arg(default = "raw")]
    pub body_format: BodyFormat,
    /// A file to send instead of `body`. It is on the target: `remote_src` must be yes.
    pub src: Option<PathArg>,
    /// `src` is on the target.
    #[arg(default = "no")]
    pub remote_src: bool,
    /// Further headers.
    pub headers: Option<Map<String, Value>>,
    /// Give the answer's body as the result `content`. JSON is given as `json` in any case.
    #[arg(default = "no")]
    pub return_content: bool,
    /// The answers that are good.
    #[arg(default = "200")]
    pub status_code: Vec<u16>,
    /// Which redirects are followed: `all`, `safe` (of GET and HEAD), `none`, or `urllib2` (of POST as well).
    #[arg(default = "safe")]
    pub follow_redirects: Follow,
    /// A file on the target: when it is there, nothing is sent.
    pub creates: Option<PathArg>,
    /// A file on the target: when it is not there, nothing is sent.
    pub removes: Option<PathArg>,
    /// Write the answer's body to this file, or into this directory.
    pub dest: Option<PathArg>,
    /// Ask for the body although `dest` is as new as it.
    #[arg(default = "no")]
    pub force: bool,
    /// How many seconds a single step (connect, read) may take.
    #[arg(default = "30")]
    pub timeout: u64,
    /// A file with the CA certificates to trust, instead of the target's own.
    pub ca_path: Option<PathArg>,
    /// The name for basic authentication.
    #[arg(alias = "user")]
    pub url_username: Option<String>,
    #[arg(refused = "requests over a Unix socket are not made")]
    pub unix_socket: (),
    #[arg(flatten)]
    pub http: HttpOptions,
    #[arg(flatten)]
    pub files: FileOptions,
}

#[derive(Choice, Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFormat {
    #[choice("form-urlencoded")]
    Form,
    Json,
    Raw,
}

#[derive(Choice, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    All,
    No,
    None,
    Safe,
    Urllib2,
    Yes,
}

/// The module.
pub struct Uri;

impl Module for Uri {
    type Args = UriArgs;

    fn run(args: UriArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        if let Some(outcome) = args.not_needed(ctx)? {
            return Ok(outcome);
        }
        let owner = args.files.wanted().look_up(ctx)?;
        let mut headers: Vec<(String, String)> =
            args.headers.iter().flatten().map(|(name, value)| (name.clone(), plain(value))).collect();
        let body = args.content(ctx, &mut headers)?;
        let dest = match &args.dest {
            Some(dest) => Some(path_of(ctx, dest)?),
            None => None,
        };
        if let Some(dest) = &dest
            && !args.force
            && let Some(meta) = ctx.sys.stat(dest, true)?.filter(|meta| meta.is_file())
        {
            headers.push(("If-Modified-Since".to_owned(), time::http_date(meta.mtime)));
        }
        if args.force {
            headers.push(("Cache-Control".to_owned(), "no-cache".to_owned()));
        }
        let method = args.method.to_uppercase();
        if ctx.check && !matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS") {
            let outcome =
                Outcome::new().with("_unknown", true).with("skipped", true).with("url", args.url.as_str());
            return Ok(outcome.msg(format!("{method} would have been sent if not in check mode")));
        }
        let ca_path = match &args.ca_path {
            Some(path) => Some(path_of(ctx, path)?),
            None => None,
        };
        let request = Request {
            headers,
            body,
            redirects: match args.follow_redirects {
                Follow::All | Follow::Yes => Redirects::All,
                Follow::No | Follow::None => Redirects::None,
                Follow::Safe => Redirects::Safe,
                Follow::Urllib2 => Redirects::Python,
            },
            ca_path,
            ..args.http.request(ctx, &method, &args.url, args.url_username.as_deref(), args.timeout)?
        };
        let start = Instant::now();
        let done = match http::send(ctx, &request) {
            Ok(reply) => args.judge(ctx, reply, dest, &owner, start),
            Err(failure) => {
                let codes = args.codes();
                let msg = format!("Status code was -1 and not [{codes}]: Request failed: {}", failure.msg);
                Err(Failure::new(msg)
                    .with("status", -1)
                    .with("url", args.url.as_str())
                    .with("redirected", false)
                    .with("elapsed", start.elapsed().as_secs()))
            }
        };
        match done {
            // What an earlier task would have started may not answer yet.
            Err(failure) if ctx.check => {
                let outcome = Outcome { result: failure.result }.with("_unknown", true).msg(failure.msg);
                Ok(files::depends(outcome, "the service may answer otherwise then"))
            }
            other => other.map(|outcome| owner.finish(outcome)),
        }
    }
}

impl UriArgs {
    fn not_needed(&self, ctx: &Ctx<'_>) -> Result<Option<Outcome>, Failure> {
        let home = ctx.sys.identity().home;
        let conditions =
            exec::Conditions { creates: self.creates.as_ref(), removes: self.removes.as_ref(), base: &home };
        let why = match conditions.met(ctx)? {
            Some(exec::Met::Exists(path)) => format!("skipped, since '{path}' exists"),
            Some(exec::Met::Missing(path)) => format!("skipped, since '{path}' does not exist"),
            None => return Ok(None),
        };
        let mut outcome = Outcome::new();
        results::lines(&mut outcome.result, "stdout", why);
        Ok(Some(outcome))
    }

    /// What is sent; adds the header that says what it is.
    fn content(
        &self,
        ctx: &Ctx<'_>,
        headers: &mut Vec<(String, String)>,
    ) -> Result<Option<Vec<u8>>, Failure> {
        if let Some(src) = &self.src {
            if !self.remote_src {
                return Err(Failure::new("src is sent from the target only: set remote_src: true"));
            }
            return Ok(Some(ctx.sys.read(&path_of(ctx, src)?)?));
        }
        let Some(body) = &self.body else { return Ok(None) };
        let mut kind = |value: &str| {
            if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                headers.push(("Content-Type".to_owned(), value.to_owned()));
            }
        };
        Ok(Some(match self.body_format {
            BodyFormat::Json => {
                kind("application/json");
                match body {
                    Value::String(text) => text_to_bytes(text),
                    value => value.to_string().into_bytes(),
                }
            }
            BodyFormat::Form => {
                kind("application/x-www-form-urlencoded");
                form(body)?.into_bytes()
            }
            BodyFormat::Raw => text_to_bytes(&plain(body)),
        }))
    }

    fn codes(&self) -> String {
        self.status_code.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    fn judge(
        &self,
        ctx: &Ctx<'_>,
        mut reply: Reply,
        dest: Option<std::path::PathBuf>,
        owner: &files::Ownership<'_>,
        start: Instant,
    ) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::new();
        reply.results(&mut outcome.result);
        let packed = reply.header("content-encoding").filter(|name| *name != "identity").map(str::to_owned);
        if let (Some(packed), true) = (packed, self.http.decompress) {
            return Err(Failure::new(format!("the answer is packed ({packed}), which nobody asked for")));
        }
        let mut data = Vec::new();
        let read = reply.body.read_to_end(&mut data);
        read.map_err(|error| Failure::new(format!("the answer ends too early: {error}")))?;
        let good = self.status_code.contains(&reply.status);
        let success = (200..300).contains(&reply.status);
        if let Some(dest) = dest {
            let dest = match ctx.sys.stat(&dest, true)? {
                Some(meta) if meta.is_dir() => dest.join(to_os(&reply.file_name(&reply.url))),
                _ => dest,
            };
            let old = ctx.sys.stat(&dest, true)?;
            if good && reply.status != 304 {
                let same = old.is_some() && ctx.sys.read(&dest)? == data;
                if !same {
                    ctx.sys.write(&dest, &mut data.as_slice(), &owner.new_file(ctx, old.as_ref()))?;
                }
                owner.apply(ctx, &dest, true)?;
            }
            outcome = outcome.with("path", show(&dest));
            files::facts(ctx, &dest, &mut outcome.result)?;
        }
        let kind = reply.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
        let text = bytes_to_text(&data);
        if kind.rsplit('/').next().is_some_and(|kind| ["json", "javascript"].contains(&kind.trim()))
            && let Ok(json) = serde_json::from_str::<Value>(&text)
        {
            outcome = outcome.with("json", json);
        }
        if self.return_content {
            outcome = outcome.with("content", text);
        }
        if success {
            let pairs = reply.cookies.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
            outcome = outcome
                .with("cookies", pairs.collect::<Map<_, _>>())
                .with("cookies_string", http::cookie_line(&reply.cookies));
        }
        let message = reply.message();
        let outcome = outcome
            .with("status", reply.status)
            .with("redirected", reply.url.trim_end_matches('/') != self.url.trim_end_matches('/'))
            .with("url", reply.url)
            .with("elapsed", start.elapsed().as_secs());
        if good {
            return Ok(outcome.msg(message));
        }
        let msg = format!("Status code was {} and not [{}]: {message}", reply.status, self.codes());
        Err(Failure { msg, result: outcome.result })
    }
}

/// A value as text; what is more than text as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        value => value.to_string(),
    }
}

/// `a=1&b=x+y`, of a mapping or of a list of pairs; a text is taken as it is.
fn form(body: &Value) -> Result<String, Failure> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    match body {
        Value::String(text) => return Ok(text.clone()),
        Value::Object(map) => {
            for (name, value) in map {
                match value {
                    Value::Array(values) => {
                        pairs.extend(values.iter().map(|value| (name.clone(), plain(value))))
                    }
                    value => pairs.push((name.clone(), plain(value))),
                }
            }
        }
        Value::Array(list) => {
            for item in list {
                match item.as_array().map(Vec::as_slice) {
                    Some([name, value]) => pairs.push((plain(name), plain(value))),
                    _ => {
                        return Err(Failure::new(
                            "failed to parse body as form_urlencoded: a list holds pairs",
                        ));
                    }
                }
            }
        }
        _ => return Err(Failure::new("failed to parse body as form_urlencoded: it is no mapping")),
    }
    let quoted = |text: &str| {
        let quote = |byte: u8| match byte {
            b' ' => "+".to_owned(),
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        };
        text_to_bytes(text).into_iter().map(quote).collect::<String>()
    };
    let pairs = pairs.iter().map(|(name, value)| format!("{}={}", quoted(name), quoted(value)));
    Ok(pairs.collect::<Vec<_>>().join("&"))
}
