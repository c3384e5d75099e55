//! `alternatives`: which of several programs a name stands for (Debian's update-alternatives).

use crate::support::accounts::change;
use crate::support::files::{path_of, show};
use crate::{Ctx, Failure, Module, Outcome};
use provision_args::{Args, Choice, PathArg};
use provision_system::Command;
use provision_system::text::to_os;
use std::collections::BTreeMap;

/// Choose what a name of Debian's alternatives stands for.
#[derive(Args)]
#[args(name = "alternatives")]
pub struct AlternativesArgs {
    /// The name, as in `editor`.
    #[arg(required)]
    pub name: String,
    /// The program it shall stand for.
    pub path: Option<PathArg>,
    /// The link that programs are called by, as in `/usr/bin/editor`; needed for a new name.
    pub link: Option<PathArg>,
    /// Which program is chosen by itself: that of the highest priority. Left out for a new one: 50.
    pub priority: Option<i64>,
    /// `present`: the program is one of them; `selected`: and chosen; `auto`: and the choice is left to priorities;
    /// `absent`: it is none of them.
    #[arg(default = "selected")]
    pub state: State,
    /// Links that follow the choice.
    #[arg(alias = "slaves")]
    pub subcommands: Option<Vec<Subcommand>>,
    /// A family of alternatives.
    #[arg(refused = "only Red Hat's alternatives have families")]
    pub family: (),
}

/// A link that follows the choice.
#[derive(Args, Debug, Clone, PartialEq, Eq)]
pub struct Subcommand {
    /// Its name.
    #[arg(required)]
    pub name: String,
    /// The link.
    #[arg(required)]
    pub link: PathArg,
    /// What it leads to.
    #[arg(required)]
    pub path: PathArg,
}

/// What shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Choice)]
pub enum State {
    Present,
    Selected,
    Auto,
    Absent,
}

/// The module.
pub struct Alternatives;

impl Module for Alternatives {
    type Args = AlternativesArgs;

    fn run(args: AlternativesArgs, ctx: &Ctx<'_>) -> Result<Outcome, Failure> {
        let path = args.path.as_ref().map(|path| path_of(ctx, path)).transpose()?.map(|path| show(&path));
        let query =
            ctx.sys.query(&Command::new(["update-alternatives", "--query"]).arg(to_os(&args.name)))?;
        let group = if query.ok() { Group::parse(&query.out()) } else { Group::default() };
        let update = |words: Vec<String>| {
            let mut command = Command::new(["update-alternatives"]);
            command.argv.extend(words.iter().map(|word| to_os(word)));
            change(ctx, &command, "update-alternatives failed: ").map(|_| ())
        };
        let known = path.as_ref().and_then(|path| group.choices.get(path));
        let name = || args.name.clone();
        if args.state == State::Absent {
            match &path {
                Some(path) if known.is_some() => update(vec!["--remove".into(), name(), path.clone()])?,
                None if query.ok() => update(vec!["--remove-all".into(), name()])?,
                _ => {}
            }
            return Ok(Outcome::new());
        }
        let Some(path) = path else {
            if args.state == State::Auto && query.ok() {
                if !group.automatic {
                    update(vec!["--auto".into(), name()])?;
                }
                return Ok(Outcome::new());
            }
            return Err(Failure::new("path is needed to say which program"));
        };
        if ctx.sys.stat(&provision_system::text::to_path(&path), true)?.is_none() {
            if ctx.sys.uncertain() {
                ctx.sys.note(&format!("alternative {}", args.name), "unknown", &path)?;
                return Ok(crate::support::files::depends(Outcome::new(), &format!("{path} may come then")));
            }
            return Err(Failure::new(format!("Specified path {path} does not exist")));
        }
        let followers = args.followers(ctx)?;
        let stands = known.is_some_and(|choice| {
            args.priority.is_none_or(|priority| priority == choice.priority)
                && followers.as_ref().is_none_or(|wanted| {
                    let paths: BTreeMap<String, String> =
                        wanted.iter().map(|(name, _, path)| (name.clone(), path.clone())).collect();
                    paths == choice.followers
                })
        });
        if !stands {
            let link = match &args.link {
                Some(link) => Some(show(&path_of(ctx, link)?)),
                None => group.link.clone(),
            };
            let link = link.ok_or_else(|| {
                Failure::new(format!(
                    "Needed to install the alternative, but unable to do so as we are missing the link: {}",
                    args.name
                ))
            })?;
            let priority = args.priority.or(known.map(|choice| choice.priority)).unwrap_or(50);
            let mut words = vec!["--install".to_owned(), link, name(), path.clone(), priority.to_string()];
            let kept = known.map(|choice| choice.followers.clone()).unwrap_or_default();
            for (name, link, path) in followers.unwrap_or_else(|| group.follow(&kept)) {
                words.extend(["--slave".to_owned(), link, name, path]);
            }
            update(words)?;
        }
        match args.state {
            State::Selected if group.current.as_ref() != Some(&path) => {
                update(vec!["--set".into(), name(), path])?
            }
            State::Auto if !group.automatic && query.ok() => update(vec!["--auto".into(), name()])?,
            _ => {}
        }
        Ok(Outcome::new())
    }
}

impl AlternativesArgs {
    /// Name, link and target of each subcommand.
    fn followers(&self, ctx: &Ctx<'_>) -> Result<Option<Vec<Follower>>, Failure> {
        let Some(all) = &self.subcommands else { return Ok(None) };
        let mut found = Vec::new();
        for one in all {
            let (link, path) = (path_of(ctx, &one.link)?, path_of(ctx, &one.path)?);
            found.push((one.name.clone(), show(&link), show(&path)));
        }
        Ok(Some(found))
    }
}

/// A subcommand: its name, its link and what that leads to.
type Follower = (String, String, String);

/// What `update-alternatives --query` tells.
#[derive(Debug, Default, PartialEq, Eq)]
struct Group {
    link: Option<String>,
    automatic: bool,
    current: Option<String>,
    /// Links of subcommands by their names.
    links: BTreeMap<String, String>,
    choices: BTreeMap<String, Program>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Program {
    priority: i64,
    /// Targets of subcommands by their names.
    followers: BTreeMap<String, String>,
}

impl Group {
    fn parse(text: &str) -> Self {
        let mut group = Self::default();
        let mut choice: Option<String> = None;
        for line in text.lines() {
            if let Some(indented) = line.strip_prefix(' ') {
                let Some((name, path)) = indented.split_once(' ') else { continue };
                let into = match choice.as_ref().and_then(|choice| group.choices.get_mut(choice)) {
                    Some(program) => &mut program.followers,
                    None => &mut group.links,
                };
                into.insert(name.to_owned(), path.to_owned());
                continue;
            }
            let Some((field, value)) = line.split_once(':') else { continue };
            let value = value.trim().to_owned();
            match field {
                "Link" => group.link = Some(value),
                "Status" => group.automatic = value == "auto",
                "Value" => group.current = Some(value).filter(|value| value != "none"),
                "Alternative" => {
                    group.choices.insert(value.clone(), Program::default());
                    choice = Some(value);
                }
                "Priority" => {
                    if let Some(program) = choice.as_ref().and_then(|choice| group.choices.get_mut(choice)) {
                        program.priority = value.parse().unwrap_or(0);
                    }
                }
                _ => {}
            }
        }
        group
    }

    /// Subcommands as they are: installing anew would drop those not named.
    fn follow(&self, targets: &BTreeMap<String, String>) -> Vec<Follower> {
        let of = |(name, path): (&String, &String)| {
            Some((name.clone(), self.links.get(name)?.clone(), path.clone()))
        };
        targets.iter().filter_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read() {
        let text = "Name: editor\nLink: /usr/bin/editor\nSlaves:\n editor.1.gz /usr/share/man/man1/editor.1.gz\nStatus: \
                    auto\nBest: /bin/nano\nValue: /bin/nano\n\nAlternative: /bin/ed\nPriority: -100\n\nAlternative: \
                    /bin/nano\nPriority: 40\nSlaves:\n editor.1.gz /usr/share/man/man1/nano.1.gz\n";
        let group = Group::parse(text);
        assert!(group.automatic && group.link.as_deref() == Some("/usr/bin/editor"));
        assert_eq!(group.current.as_deref(), Some("/bin/nano"));
        assert_eq!(group.choices["/bin/ed"].priority, -100);
        let follow = group.follow(&group.choices["/bin/nano"].followers);
        assert_eq!(follow[0].1, "/usr/share/man/man1/editor.1.gz");
    }
}
