//! `command`: a program and its arguments, without a shell.

use crate::support::exec::{self, Conditions, Run};
use crate::support::{files, words};
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, PathArg};
use provision_system::Command as Program;
use provision_system::text::to_os;

/// Run a command. No shell reads it: `|`, `>`, `&&` and patterns are plain arguments. Use `shell` for those.
#[derive(Args)]
#[args(
    name = "command",
    free_form = "cmd",
    mutually_exclusive("cmd", "argv"),
    required_one_of("cmd", "argv")
)]
pub struct CommandArgs {
    /// The command in one line. Quotes and backslashes group words as in a shell.
    pub cmd: Option<String>,
    /// The command as a list of words, none of which is split.
    pub argv: Option<Vec<String>>,
    /// The directory to run it in.
    pub chdir: Option<PathArg>,
    /// A file, or a shell pattern: when there is one, the command is not run.
    pub creates: Option<PathArg>,
    /// A file, or a shell pattern: when there is none, the command is not run.
    pub removes: Option<PathArg>,
    /// What the command reads on its standard input.
    pub stdin: Option<String>,
    /// End `stdin` with a newline.
    #[arg(default = "yes")]
    pub stdin_add_newline: bool,
    /// Take empty lines off the end of the output in the results.
    #[arg(default = "yes")]
    pub strip_empty_ends: bool,
    /// Replace `$NAME` and a leading `~` in arguments. What is not set stays as written.
    #[arg(default = "yes")]
    pub expand_argument_vars: bool,
    /// Has no effect, as there is no shell; a warning says so.
    pub executable: Option<PathArg>,
}

/// The module.
pub struct Command;

impl Module for Command {
    type Args = CommandArgs;

    fn run(args: CommandArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let words = match (args.argv, &args.cmd) {
            (Some(argv), _) => argv,
            (None, Some(line)) => words::split(line)?,
            (None, None) => Vec::new(),
        };
        if words.is_empty() {
            return Err(Failure::new("no command given").with("rc", 256));
        }
        let cwd = exec::directory(ctx, args.chdir.as_ref()).map_err(|why| why.with("cmd", words.clone()))?;
        let base = cwd.clone().unwrap_or_else(|| ctx.sys.identity().home);
        let expanded = words.iter().map(|word| match args.expand_argument_vars {
            true => to_os(&files::expand(ctx, &PathArg(word.clone()))),
            false => to_os(word),
        });
        let mut command = Program::new(expanded);
        command.cwd = cwd;
        command.stdin = exec::input(args.stdin.as_ref(), args.stdin_add_newline);
        command.stream = true;
        let conditions =
            Conditions { creates: args.creates.as_ref(), removes: args.removes.as_ref(), base: &base };
        let run = Run { command, shown: words.into(), conditions, strip: args.strip_empty_ends };
        let outcome = run.run(ctx)?;
        Ok(match args.executable {
            Some(_) => outcome.with("warnings", vec!["command runs no shell, so 'executable' has no effect"]),
            None => outcome,
        })
    }
}
