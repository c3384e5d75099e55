//! `provision docs`: the manuals, from the same declarations that check the arguments.

use super::{print, tell};
use crate::cli::DocsArgs;
use crate::exit::Exit;
use provision_engine::actions::AllModules;
use provision_project::Catalog;

/// A module's manual, or the list of all.
pub fn run(args: &DocsArgs) -> Exit {
    let Some(name) = &args.module else {
        let mut lines: Vec<String> = AllModules
            .names()
            .iter()
            .filter_map(|name| {
                let known = AllModules.find(name)?;
                let summary = known.spec.map(|spec| spec.summary()).unwrap_or_default();
                Some(format!("{:<44} {summary}\n", known.full))
            })
            .collect();
        lines.sort();
        lines.dedup();
        print(&lines.concat());
        return Exit::Done;
    };
    let Some(known) = AllModules.find(name) else {
        let names = AllModules.names();
        let near = provision_source::nearest(name, names.iter().copied());
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        tell(&format!("error: there is no module `{name}`{hint}"));
        return Exit::Usage;
    };
    match known.spec {
        Some(spec) if args.schema => print(&format!("{:#}\n", spec.json_schema())),
        Some(spec) => print(&format!("{}\n", spec.manual().trim_end())),
        None => print(&format!("# {}\n\nTakes any arguments.\n", known.full)),
    }
    Exit::Done
}
