//! `shell`: a command line read by a shell.

use crate::support::exec::{self, Conditions, Run};
use crate::support::files;
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, PathArg};
use provision_system::Command;
use provision_system::text::to_os;

/// Run a command line through a shell, `/bin/sh` unless `executable` names another. Use `command` where no shell is
/// needed, and the `quote` filter around every variable.
#[derive(Args)]
#[args(name = "shell", free_form = "cmd", required_one_of("cmd"))]
pub struct ShellArgs {
    /// The command line.
    pub cmd: Option<String>,
    /// The directory to run it in.
    pub chdir: Option<PathArg>,
    /// A file, or a shell pattern: when there is one, the command is not run.
    pub creates: Option<PathArg>,
    /// A file, or a shell pattern: when there is none, the command is not run.
    pub removes: Option<PathArg>,
    /// The shell: an absolute path.
    #[arg(default = "/bin/sh")]
    pub executable: PathArg,
    /// What the command reads on its standard input.
    pub stdin: Option<String>,
    /// End `stdin` with a newline.
    #[arg(default = "yes")]
    pub stdin_add_newline: bool,
    /// Take empty lines off the end of the output in the results.
    #[arg(default = "yes")]
    pub strip_empty_ends: bool,
}

/// The module.
pub struct Shell;

impl Module for Shell {
    type Args = ShellArgs;

    fn run(args: ShellArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let line = args.cmd.unwrap_or_default();
        if line.trim().is_empty() {
            return Err(Failure::new("no command given").with("rc", 256));
        }
        let cwd = exec::directory(ctx, args.chdir.as_ref()).map_err(|why| why.with("cmd", line.as_str()))?;
        let base = cwd.clone().unwrap_or_else(|| ctx.sys.identity().home);
        let shell = files::expand(ctx, &args.executable);
        let mut command = Command::new([to_os(&shell), to_os("-c"), to_os(&line)]);
        command.cwd = cwd;
        command.stdin = exec::input(args.stdin.as_ref(), args.stdin_add_newline);
        command.stream = true;
        let conditions =
            Conditions { creates: args.creates.as_ref(), removes: args.removes.as_ref(), base: &base };
        Run { command, shown: line.into(), conditions, strip: args.strip_empty_ends }.run(ctx)
    }
}
