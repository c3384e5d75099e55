//! `cargo xtask bench templates`: the same templates with ours, with Jinja2 and with ansible-core, one after the other.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use provision_testkit::tools;
use serde_json::Value;

use crate::say;

#[derive(clap::Args)]
pub struct Args {
    /// Seconds for each measurement
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Print the numbers, and leave docs/ alone
    #[arg(long)]
    dry: bool,
}

const PAGE: &str = "docs/benchmarks/templates.md";

/// What both sides measure: criterion's name, Python's prefix, what it is.
const WHAT: [(&str, &str, &str); 2] = [
    ("vhost", "vhost, ", "a file: three nginx virtual hosts"),
    ("arguments", "arguments, ", "the twelve arguments of a task"),
];

/// Python's ways, and what they are.
const WAYS: [(&str, &str); 3] = [
    ("Jinja2, compiled before", "Jinja2, template compiled before"),
    ("Jinja2, from its text", "Jinja2, from the text each time"),
    ("ansible-core", "ansible-core (`Templar`)"),
];

/// Median in microseconds, and how many samples it is of.
#[derive(Clone, Copy)]
struct Median {
    micros: f64,
    samples: usize,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let bin = tools::oracles()?;
    let python = bin.join("python");
    say::note(format_args!("Python"));
    let place =
        Path::new("xtask/bench/render").canonicalize().context("run it at the top of the repository")?;
    let output = Command::new(&python)
        .arg(place.join("render.py"))
        .arg(&place)
        .arg(args.seconds.to_string())
        .env("PYTHONWARNINGS", "ignore")
        .output()
        .with_context(|| format!("cannot run {}", python.display()))?;
    ensure!(output.status.success(), "render.py failed:\n{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Value = serde_json::from_slice(&output.stdout).context("render.py printed no JSON")?;
    say::note(format_args!("ours"));
    let status = Command::new(env!("CARGO"))
        .args(["bench", "-p", "provision-templates", "--bench", "render", "--", "--measurement-time"])
        .arg(args.seconds.to_string())
        .status()?;
    ensure!(status.success(), "cargo bench failed");
    let page = page(&theirs)?;
    say::result(&page);
    if !args.dry {
        std::fs::create_dir_all("docs/benchmarks")?;
        std::fs::write(PAGE, page)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What criterion measured last.
fn ours(name: &str) -> Result<Median> {
    let dir = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let read = |file: &str| -> Result<Value> {
        let path = Path::new(&dir).join("criterion").join(name).join("new").join(file);
        let text = std::fs::read_to_string(&path).with_context(|| format!("no {}", path.display()))?;
        Ok(serde_json::from_str(&text)?)
    };
    let nanos = read("estimates.json")?["median"]["point_estimate"].as_f64().context("no median")?;
    let samples = read("sample.json")?["times"].as_array().map_or(0, Vec::len);
    Ok(Median { micros: nanos / 1000.0, samples })
}

fn theirs(times: &Value, name: &str) -> Result<Median> {
    let of = &times["times"][name];
    match (of[0].as_f64(), of[1].as_u64()) {
        (Some(micros), Some(samples)) => Ok(Median { micros, samples: usize::try_from(samples)? }),
        _ => bail!("render.py did not measure {name}"),
    }
}

fn page(times: &Value) -> Result<String> {
    let mut text = String::from(
        "# Templates\n\nWritten by `cargo xtask bench templates`: the templates in `xtask/bench/render`, on one core of one \
         machine, one after\nthe other. A number is the median time for one task of one host in microseconds, in brackets the \
         number of samples\n(ours: criterion's, each of many rounds). Ours starts from the text with the variables of a host \
         that nobody has looked\nat yet; the compiled form is found by the text.\n\n",
    );
    text.push_str("| | ours |");
    for (_, way) in WAYS {
        write!(text, " {way} |")?;
    }
    text.push_str("\n|---|---|---|---|---|\n");
    for (name, prefix, what) in WHAT {
        let own = ours(name)?;
        write!(text, "| {what} | {:.1} ({}) |", own.micros, own.samples)?;
        for (way, _) in WAYS {
            let plural = way.replace("its text", "their texts");
            let other = theirs(times, &format!("{prefix}{way}"))
                .or_else(|_| theirs(times, &format!("{prefix}{plural}")))?;
            write!(text, " {:.1} ({}), {:.0}× |", other.micros, other.samples, other.micros / own.micros)?;
        }
        text.push('\n');
    }
    Ok(text)
}
