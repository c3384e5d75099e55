//! `debconf`: answers to the questions of packages.

use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Argument, Choice};
use provision_system::text::{text_to_bytes, to_os};
use provision_system::{Command, Effect, Ran};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Answer a package's question before it is asked.
#[derive(Args)]
#[args(name = "debconf", required_together("question", "vtype", "value"))]
pub struct DebconfArgs {
    /// The package.
    #[arg(required, alias = "pkg")]
    pub name: String,
    /// The question. Left out: the answers are only told.
    #[arg(alias = "selection", alias = "setting")]
    pub question: Option<String>,
    /// The kind of answer.
    pub vtype: Option<Kind>,
    /// The answer.
    #[arg(alias = "answer")]
    pub value: Argument,
    /// Leave it marked as not asked yet.
    #[arg(default = "no")]
    pub unseen: bool,
}

/// Kinds of answers (debconf-devel(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum Kind {
    Boolean,
    Error,
    Multiselect,
    Note,
    Password,
    Seen,
    Select,
    String,
    Text,
    Title,
}

/// The module.
pub struct Debconf;

impl Module for Debconf {
    type Args = DebconfArgs;

    fn run(args: DebconfArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        for program in ["debconf-show", "debconf-set-selections"] {
            if ctx.sys.find_program(program)?.is_none() {
                return Err(Failure::new(format!(
                    "Failed to find required executable \"{program}\": only Debian has it"
                )));
            }
        }
        let mut answers = answers(ctx, &args.name)?;
        let (Some(question), Some(kind)) = (&args.question, args.vtype) else {
            return Ok(Outcome::new().with("current", told(&answers, &args)).msg(""));
        };
        let wanted = text(kind, &args.value)?;
        let now = match kind {
            // Passwords are not shown by debconf-show.
            Kind::Password => password(ctx, question)?,
            _ => answers.get(question).cloned(),
        };
        let previous = told(&answers, &args);
        let same = match (kind, &now) {
            (_, None) => false,
            (Kind::Boolean, Some(now)) => now.eq_ignore_ascii_case(&wanted),
            (Kind::Multiselect, Some(now)) => words(now) == words(&wanted),
            (_, Some(now)) => *now == wanted,
        };
        if !same {
            let mut command = Command::new(["debconf-set-selections"]);
            command.argv.extend(args.unseen.then(|| "-u".into()));
            let line = format!("{} {question} {} {wanted}\n", args.name, kind.as_str());
            command = command.stdin(text_to_bytes(&line));
            command.secret = kind == Kind::Password;
            if let Ran::Done(output) = ctx.sys.run(&command, Effect::Change)?
                && !output.ok()
            {
                return Err(Failure::new(output.err().trim()).with("rc", output.rc));
            }
            answers.insert(question.clone(), wanted);
        }
        Ok(Outcome::new().with("current", told(&answers, &args)).with("previous", previous).msg(""))
    }
}

/// The answers known, by question, without passwords.
fn told(answers: &BTreeMap<String, String>, args: &DebconfArgs) -> Value {
    let secret = |name: &&String| args.vtype == Some(Kind::Password) && args.question.as_ref() == Some(*name);
    let shown = answers.iter().filter(|(name, _)| !secret(name));
    Value::Object(shown.map(|(name, value)| (name.clone(), value.as_str().into())).collect::<Map<_, _>>())
}

/// The answer as debconf has it.
fn text(kind: Kind, value: &Argument) -> Result<String, Failure> {
    let text = match (kind, value) {
        (Kind::Boolean, Argument::Bool(on)) => on.to_string(),
        (Kind::Boolean, Argument::String(text)) => match text.to_lowercase().as_str() {
            "yes" | "true" | "on" | "1" => "true".to_owned(),
            "no" | "false" | "off" | "0" => "false".to_owned(),
            _ => return Err(Failure::new(format!("value: {text} is no boolean"))),
        },
        (_, Argument::String(text)) => text.clone(),
        (_, Argument::Bool(on)) => if *on { "True" } else { "False" }.to_owned(),
        (_, Argument::Array(items)) => {
            let item = |item: &Argument| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
            items.iter().map(item).collect::<Vec<_>>().join(", ")
        }
        (_, other) => other.to_string(),
    };
    if text.contains('\n') {
        return Err(Failure::new("value: an answer has one line"));
    }
    Ok(text)
}

fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = text.split(',').map(|word| word.trim().to_owned()).collect();
    words.sort();
    words
}

fn answers(ctx: &Ctx<'_>, package: &str) -> Result<BTreeMap<String, String>, Failure> {
    let output = ctx.sys.query(&Command::new(["debconf-show"]).arg(to_os(package)).env("LC_ALL", "C"))?;
    if !output.ok() {
        return Err(Failure::new(output.err().trim()).with("rc", output.rc));
    }
    // "* package/question: answer", the star where it has been asked.
    let answer = |line: &str| {
        let (name, value) = line.trim_start_matches(['*', ' ']).split_once(':')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    Ok(output.out().lines().filter_map(answer).collect())
}

/// A password as debconf's own file has it.
fn password(ctx: &Ctx<'_>, question: &str) -> Result<Option<String>, Failure> {
    let path = std::path::Path::new("/var/cache/debconf/passwords.dat");
    if ctx.sys.stat(path, true)?.is_none() {
        return Ok(None);
    }
    let text = provision_system::text::bytes_to_text(&ctx.sys.read(path)?);
    let name = format!("Name: {question}");
    let block = text.split("\n\n").find(|block| block.lines().any(|line| line == name));
    Ok(block.and_then(|block| block.lines().find_map(|line| line.strip_prefix("Value: "))).map(str::to_owned))
}
