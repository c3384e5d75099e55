//! `--list-hosts`, `--list-tasks`, `--list-tags`, as Ansible prints them.

use super::print;
use crate::cli::PlayArgs;
use provision_engine::{Engine, tags};
use provision_project::{Common, Item, Play, Playbook};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Prints what was asked for; the error is a bad host pattern.
pub fn run(engine: &Arc<Engine>, playbooks: &[Playbook], args: &PlayArgs) -> Result<(), String> {
    let mut text = String::new();
    for (playbook, given) in playbooks.iter().zip(&args.playbooks) {
        text.push_str(&format!("\nplaybook: {}\n", given.display()));
        for (index, play) in playbook.plays.iter().enumerate() {
            play_text(engine, play, index + 1, args, &mut text)?;
        }
    }
    print(&text);
    Ok(())
}

fn play_text(
    engine: &Arc<Engine>,
    play: &Play,
    number: usize,
    args: &PlayArgs,
    text: &mut String,
) -> Result<(), String> {
    let pattern = provision_engine::names::hosts_text(&play.hosts);
    let name = play.name.as_ref().and_then(|n| n.scalar_text()).unwrap_or_default();
    let own = names(&play.common);
    text.push_str(&format!("\n  play #{number} ({pattern}): {name}\tTAGS: [{}]\n", own.join(",")));
    if args.look.list_hosts {
        let hosts = engine.play_hosts(play)?;
        text.push_str(&format!("    pattern: ['{pattern}']\n    hosts ({}):\n", hosts.len()));
        for host in hosts {
            text.push_str(&format!("      {host}\n"));
        }
    }
    let mut all = BTreeSet::new();
    let mut lines = String::new();
    for items in [&play.pre_tasks, &play.tasks, &play.post_tasks] {
        tasks(engine, items, &mut lines, &mut all);
    }
    if args.look.list_tasks {
        text.push_str("    tasks:\n");
        text.push_str(&lines);
    }
    if args.look.list_tags {
        text.push_str(&format!("      TASK TAGS: [{}]\n", all.into_iter().collect::<Vec<_>>().join(", ")));
    }
    Ok(())
}

fn tasks(engine: &Arc<Engine>, items: &[Item], lines: &mut String, all: &mut BTreeSet<String>) {
    for item in items {
        match item {
            Item::Role(_, body) => tasks(engine, body, lines, all),
            Item::Block(block) => {
                for part in [&block.block, &block.rescue, &block.always] {
                    tasks(engine, part, lines, all);
                }
            }
            Item::Task(task) => {
                let own = names(&task.common);
                if task.action.full.ends_with(".meta")
                    || !tags::selected(&own, &engine.settings.tags, &engine.settings.skip_tags)
                {
                    continue;
                }
                lines.push_str(&format!(
                    "      {}\tTAGS: [{}]\n",
                    provision_engine::names::task_name(task, None),
                    own.join(", ")
                ));
                all.extend(own);
            }
        }
    }
}

fn names(common: &Common) -> Vec<String> {
    let mut names = provision_engine::names::tags(common);
    names.sort();
    names
}
