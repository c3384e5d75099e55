//! `provision adhoc`: one task on hosts, as `ansible` runs it.

use super::{print, tell};
use crate::cli::{AdhocArgs, TaskArgs, complain};
use crate::config::table;
use crate::exit::Exit;
use crate::reporting;
use crate::run::{Work, engine, go};
use crate::settings::{Flags, Wrong, settings};
use crate::setup::{self, Setup};
use provision_engine::check;
use provision_engine::event::Reporter;
use provision_report::{Minimal, Options, Tee, Tree};
use serde_json::{Map, Value, json};

/// Modules that are nothing without arguments.
const NEEDY: &[&str] = &["command", "shell", "raw", "script"];

pub fn run(args: &AdhocArgs) -> Exit {
    match prepare(args) {
        Ok(work) => go(&work),
        Err(exit) => exit,
    }
}

fn prepare(args: &AdhocArgs) -> Result<Work, Exit> {
    let config = setup::config()?;
    let here = std::env::current_dir().unwrap_or_default();
    let dir = args.playbook_dir.clone().or_else(|| config.path(&table::PLAYBOOK_DIR)).unwrap_or_default();
    let dir = here.join(dir);
    let mut setup = Setup::read(config, &args.hosts, &args.vars, &args.vault, Some(dir.clone()))?;
    let module = args
        .module_name
        .clone()
        .or_else(|| setup.config.text(&table::DEFAULT_MODULE_NAME))
        .unwrap_or_default();
    // Whose hosts are only listed needs no task that could run.
    let module = if args.list_hosts { "ping".to_owned() } else { module };
    let short = module.rsplit('.').next().unwrap_or_default().to_owned();
    let words =
        args.args.clone().or_else(|| setup.config.text(&table::DEFAULT_MODULE_ARGS)).unwrap_or_default();
    let wrong = |text: String| {
        tell(&format!("[ERROR]: {text}"));
        Exit::Setting
    };
    if NEEDY.contains(&short.as_str()) && words.trim().is_empty() && !args.list_hosts {
        return Err(wrong(format!("No argument passed to {short} module")));
    }
    if short.starts_with("import_") || short == "meta" && words.trim().is_empty() {
        return Err(wrong(format!("'{short}' is not a valid action for ad-hoc commands")));
    }
    let task = task(args, &module, &words, &setup).map_err(|text| complain(&format!("--args: {text}")))?;
    let play =
        json!([{"name": "Ansible Ad-Hoc", "hosts": args.pattern, "gather_facts": false, "tasks": [task]}]);
    let place = format!("<adhoc '{module}' task>");
    let playbook = match provision_source::parse_str(&setup.sources, place.as_str(), play.to_string()) {
        Ok(documents) => match documents.first() {
            Some(node) => setup.loader.playbook_of(node, &dir, &mut setup.diags),
            None => return Err(Exit::Usage),
        },
        Err(errors) => {
            setup.diags.extend(errors);
            setup.say(&args.say.color)?;
            return Err(Exit::Invalid);
        }
    };
    let asked = check::Asked { limit: args.hosts.limit.clone(), ..check::Asked::default() };
    setup.check(std::slice::from_ref(&playbook), asked);
    setup.say(&args.say.color)?;
    setup::warn_of_nobody(&setup);
    let flags = Flags {
        hosts: &args.hosts,
        tasks: &TaskArgs::default(),
        check: &args.check,
        run: &args.run,
        say: &args.say,
        r#become: &args.r#become,
        connection: &args.connection,
    };
    let settings = settings(&flags, &setup.config, setup.extra.clone()).map_err(Wrong::tell)?;
    let options = reporting::options(&setup.config, &args.say.color, settings.verbosity);
    let origin = format!("{place}\n\n{}", excerpt(&module, &words, args, &setup));
    let reporter = reporter(args, options, origin).map_err(|text| complain(&text))?;
    let engine = engine(setup, settings, reporter, args.run.flush_cache).map_err(wrong)?;
    let hosts = match playbook.plays.first().map(|play| engine.play_hosts(play)) {
        Some(Ok(hosts)) => hosts,
        Some(Err(text)) => {
            tell(&format!("[ERROR]: {text}"));
            return Err(Exit::NoHosts);
        }
        None => return Err(Exit::Invalid),
    };
    if hosts.is_empty() {
        tell("[WARNING]: No hosts matched, nothing to do");
    }
    if args.list_hosts {
        print(&format!("  hosts ({}):\n", hosts.len()));
        print(&hosts.iter().map(|host| format!("    {host}\n")).collect::<String>());
    }
    if hosts.is_empty() || args.list_hosts {
        return Err(Exit::Done);
    }
    Ok(Work { engine, playbooks: vec![playbook] })
}

/// The task as a playbook would have it.
fn task(args: &AdhocArgs, module: &str, words: &str, setup: &Setup) -> Result<Value, String> {
    let action = if words.trim_start().starts_with('{') {
        let options: Map<String, Value> = serde_json::from_str(words).map_err(|error| error.to_string())?;
        let mut action = Map::from_iter([("module".to_owned(), json!(module))]);
        action.extend(options);
        Value::Object(action)
    } else {
        json!(format!("{module} {words}").trim_end())
    };
    let mut task = Map::from_iter([("action".to_owned(), action)]);
    if let Some(seconds) = args.background.filter(|seconds| *seconds > 0) {
        let poll = args.poll_interval.or(setup.config.number(&table::DEFAULT_POLL_INTERVAL)).unwrap_or(15);
        task.insert("async".to_owned(), json!(seconds));
        task.insert("poll".to_owned(), json!(poll));
    }
    if let Some(seconds) = args.task_timeout {
        task.insert("timeout".to_owned(), json!(seconds));
    }
    Ok(Value::Object(task))
}

/// What Ansible shows of the task below an error, as Python prints it.
fn excerpt(module: &str, words: &str, args: &AdhocArgs, setup: &Setup) -> String {
    const WIDTH: usize = 120;
    const MORE: &str = "[...]";
    let short = module.rsplit('.').next().unwrap_or(module);
    let options = if words.trim_start().starts_with('{') {
        serde_json::from_str(words).unwrap_or_default()
    } else if NEEDY.contains(&short) {
        json!({"_raw_params": words})
    } else {
        let words = provision_project::words::split(words);
        Value::Object(
            words
                .iter()
                .filter_map(|word| provision_project::words::pair(word))
                .map(|(name, value)| (name.to_owned(), json!(value)))
                .collect(),
        )
    };
    let shown = json!({
        "action": module,
        "args": options,
        "timeout": args.task_timeout.unwrap_or(0),
        "async_val": args.background.unwrap_or(0),
        "poll": args.poll_interval.or(setup.config.number(&table::DEFAULT_POLL_INTERVAL)).unwrap_or(15),
    });
    let text = provision_report::python_str(&shown);
    match text.char_indices().nth(WIDTH) {
        Some(_) => {
            let kept: String = text.chars().take(WIDTH - MORE.len()).collect();
            format!("{kept}{MORE}")
        }
        None => text,
    }
}

fn reporter(args: &AdhocArgs, options: Options, origin: String) -> Result<Box<dyn Reporter>, String> {
    let minimal =
        Minimal::new(Box::new(std::io::stdout()), Box::new(std::io::stderr()), options).with_origin(origin);
    let first: Box<dyn Reporter> = Box::new(if args.one_line { minimal.one_line() } else { minimal });
    let Some(dir) = &args.tree else { return Ok(first) };
    let second = Tree::new(dir.clone()).map_err(|error| format!("--tree {}: {error}", dir.display()))?;
    Ok(Box::new(Tee { first, second: Box::new(second) }))
}
