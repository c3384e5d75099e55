//! Checking arguments against the table: when a playbook is loaded, and again when values are known.

use crate::spec::{ArgSpec, Kind, Opt};
use crate::{Argument, Arguments, Problem, convert};

/// What is known of one option of a task.
#[derive(Default)]
pub struct Slot {
    /// The value given, not null; None: not given, or a mistake.
    pub value: Option<Argument>,
    /// The name it was given by, with its path.
    pub given: String,
    /// What was given is wrong; the problem has been noted.
    pub bad: bool,
    /// It is required and was not given; the problem has been noted.
    pub missing: bool,
    /// The value is a template: what it will be, and whether it will be given at all, is not known yet.
    open: bool,
}

impl Slot {
    /// Given for sure (Some(true)), absent for sure (Some(false)), or not known yet.
    fn is_given(&self) -> Option<bool> {
        if self.open { None } else { Some(self.value.is_some() || self.bad) }
    }
}

/// The check of templated arguments: one slot for each option of the table.
pub fn run(spec: &ArgSpec, args: &Arguments) -> (Vec<Slot>, Vec<Problem>) {
    let mut pass = Pass { module: spec.name, playbook: false, is_template: &|_| false, problems: Vec::new() };
    let slots = pass.options(spec, args, "");
    (slots, pass.problems)
}

/// A value that does not convert. A secret's value is not told, nor why it is wrong.
pub fn unconvertible(
    module: &str,
    option: &str,
    secret: bool,
    kind: Kind,
    value: &Argument,
    why: &str,
) -> Problem {
    let (given, wanted) = (convert::type_name(value), kind.to_string());
    let why = if secret { String::new() } else { format!(": {why}") };
    let message = if given == wanted || matches!(kind, Kind::Str | Kind::Raw) {
        format!("option '{option}' of '{module}' cannot take this value{why}")
    } else {
        format!("option '{option}' of '{module}' is of type {given} and cannot be converted to {wanted}{why}")
    };
    Problem { option: option.to_owned(), value: true, message, hint: None }
}

pub fn not_a_choice(text: &str, choices: &[&str]) -> String {
    format!("'{text}' is not one of {}", choices.join(", "))
}

/// The nearest of `known`, as a question.
pub fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let lower = word.to_lowercase();
    let scored = known.map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name));
    let (distance, name) = scored.min_by_key(|(distance, _)| *distance)?;
    let near = distance <= (word.chars().count().max(name.chars().count()) / 3).max(1);
    // Changing every letter is no likeness.
    let near = near && distance < name.chars().count();
    near.then(|| format!("did you mean '{name}'?"))
}

impl ArgSpec {
    /// The option that answers to `name`, itself or by an alias.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&'static Opt> {
        self.options.iter().find(|option| option.answers_to(name))
    }

    /// The problems that names alone show, in a playbook.
    pub fn check_names<'a>(&self, given: impl Iterator<Item = &'a str>) -> Vec<Problem> {
        let mut pass =
            Pass { module: self.name, playbook: true, is_template: &|_| true, problems: Vec::new() };
        let mut slots = self.empty_slots();
        for name in given {
            let option = pass.name(self, name, "", &mut slots).and_then(|index| self.options.get(index));
            // With a default, the value decides.
            if let Some(Opt { refused: Some(reason), default: None, .. }) = option {
                pass.refused(name, reason);
            }
        }
        pass.problems
    }

    /// All that can be said of a playbook's arguments before they are templated: what is a template may be anything,
    /// or be omitted.
    pub fn check(&self, args: &Arguments, is_template: impl Fn(&Argument) -> bool) -> Vec<Problem> {
        let mut pass =
            Pass { module: self.name, playbook: true, is_template: &is_template, problems: Vec::new() };
        pass.options(self, args, "");
        pass.problems
    }

    /// Aliases replaced by names; the free form by the option it fills.
    #[must_use]
    pub fn normalize(&self, args: &Arguments) -> Arguments {
        let name = |given: &str| {
            self.position(given).and_then(|index| self.options.get(index)).map(|option| option.name)
        };
        args.iter().map(|(given, value)| (name(given).unwrap_or(given).to_owned(), value.clone())).collect()
    }

    /// What is wrong with the declaration itself; for the tests of modules.
    #[must_use]
    pub fn self_test(&self) -> Vec<Problem> {
        let mut pass =
            Pass { module: self.name, playbook: false, is_template: &|_| false, problems: Vec::new() };
        for option in self.options {
            if let Some(default) = option.default {
                pass.value(option, option.kind, &Argument::from(default), option.name);
            }
            if let Some(spec) = option.kind.sub() {
                pass.problems.extend(spec.self_test());
            }
        }
        for (option, value, _) in self.required_if {
            if let Some(option) = self.find(option) {
                pass.value(option, option.kind, &Argument::from(*value), option.name);
            }
        }
        // What the derive cannot see where a struct is flattened.
        let names = || self.options.iter().flat_map(|option| option.aliases.iter().chain([&option.name]));
        for name in names() {
            if names().filter(|other| *other == name).count() > 1 {
                pass.note(name, false, format!("'{name}' is declared twice"), None);
            }
        }
        let lists = [self.mutually_exclusive, self.required_one_of, self.required_together];
        let conditions = self.required_if.iter().flat_map(|(option, _, names)| names.iter().chain([option]));
        let mentioned =
            lists.into_iter().flatten().copied().flatten().chain(conditions).chain(&self.free_form);
        for name in mentioned.filter(|name| !self.options.iter().any(|option| option.name == **name)) {
            pass.note(name, false, format!("a rule mentions '{name}', which no option is called"), None);
        }
        pass.problems
    }

    fn position(&self, name: &str) -> Option<usize> {
        let name = if name == "_raw_params" { self.free_form.unwrap_or(name) } else { name };
        self.options.iter().position(|option| option.answers_to(name))
    }

    fn empty_slots(&self) -> Vec<Slot> {
        self.options.iter().map(|_| Slot::default()).collect()
    }
}

impl Opt {
    fn answers_to(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }
}

/// One pass over a task's arguments.
struct Pass<'a> {
    module: &'a str,
    /// The arguments are a playbook's, so internal options are not for them.
    playbook: bool,
    is_template: &'a dyn Fn(&Argument) -> bool,
    problems: Vec<Problem>,
}

impl Pass<'_> {
    fn note(&mut self, option: &str, value: bool, message: String, hint: Option<String>) {
        self.problems.push(Problem { option: option.to_owned(), value, message, hint });
    }

    /// All of one table; `path` is the way to it, with a dot at the end.
    fn options(&mut self, spec: &ArgSpec, args: &Arguments, path: &str) -> Vec<Slot> {
        let mut slots = spec.empty_slots();
        for (name, value) in args {
            let Some(index) = self.name(spec, name, path, &mut slots) else { continue };
            let (Some(option), Some(slot)) = (spec.options.get(index), slots.get_mut(index)) else {
                continue;
            };
            if value.is_null() {
                continue;
            }
            if let Opt { refused: Some(reason), default: None, .. } = option {
                slot.bad = true;
                self.refused(&slot.given, reason);
                continue;
            }
            slot.open = (self.is_template)(value);
            if slot.open {
                continue;
            }
            let before = self.problems.len();
            slot.value = self.value(option, option.kind, value, &slot.given);
            slot.bad = self.problems.len() > before;
            if let Some(reason) =
                option.refused.filter(|_| !slot.bad && !asks_for_nothing(option, slot.value.as_ref()))
            {
                slot.bad = true;
                self.refused(&slot.given, reason);
            }
        }
        self.rules(spec, &mut slots, path);
        slots
    }

    /// One name: its place in the table, unless something is wrong with it.
    fn name(&mut self, spec: &ArgSpec, name: &str, path: &str, slots: &mut [Slot]) -> Option<usize> {
        let full = format!("{path}{name}");
        let index = spec.position(name);
        let option = index
            .and_then(|index| spec.options.get(index))
            .filter(|option| !(self.playbook && option.internal));
        let (Some(index), Some(option)) = (index, option) else {
            let public = || spec.options.iter().filter(|option| !option.internal && option.refused.is_none());
            let names = public().flat_map(|option| option.aliases.iter().copied().chain([option.name]));
            let hint = did_you_mean(name, names).unwrap_or_else(|| {
                format!("it has {}", public().map(|option| option.name).collect::<Vec<_>>().join(", "))
            });
            self.note(&full, false, format!("'{}' has no option '{full}'", self.module), Some(hint));
            return None;
        };
        let slot = slots.get_mut(index)?;
        if !slot.given.is_empty() {
            let message = format!(
                "option '{}' of '{}' is given twice: as '{}' and as '{full}'",
                option.name, self.module, slot.given
            );
            self.note(&full, false, message, Some(format!("keep '{}'", option.name)));
            return None;
        }
        slot.given = full;
        Some(index)
    }

    fn refused(&mut self, name: &str, reason: &str) {
        self.note(
            name,
            false,
            format!("option '{name}' of '{}' is not supported: {reason}", self.module),
            None,
        );
    }

    /// The converted value; problems are noted.
    fn value(&mut self, option: &Opt, kind: Kind, value: &Argument, path: &str) -> Option<Argument> {
        let opened = match kind {
            Kind::List(inner) => match convert::list(value) {
                Ok(items) => {
                    let convert = |item| {
                        if (self.is_template)(&item) {
                            Some(item)
                        } else {
                            self.value(option, *inner, &item, path)
                        }
                    };
                    return items.into_iter().map(convert).collect::<Option<_>>().map(Argument::Array);
                }
                Err(why) => Err(why),
            },
            Kind::Sub(spec) => match convert::dict(value) {
                Ok(map) => {
                    self.options(spec, &map, &format!("{path}."));
                    return Some(Argument::Object(map));
                }
                Err(why) => Err(why),
            },
            _ => convert::scalar(kind, value),
        };
        match opened {
            Ok(_) if !option.choices.is_empty() => self.choice(option, value, path),
            Ok(value) => Some(value),
            Err(why) => {
                self.problems.push(unconvertible(self.module, path, option.secret, kind, value, &why));
                None
            }
        }
    }

    fn choice(&mut self, option: &Opt, value: &Argument, path: &str) -> Option<Argument> {
        let text = convert::choice(value, option.choices);
        if option.choices.contains(&text.as_str()) {
            return Some(Argument::String(text));
        }
        let shown = if option.secret { "this" } else { &text };
        let message =
            format!("option '{path}' of '{}': {}", self.module, not_a_choice(shown, option.choices));
        self.note(path, true, message, did_you_mean(&text, option.choices.iter().copied()));
        None
    }

    /// What must be given, and what not together.
    fn rules(&mut self, spec: &ArgSpec, slots: &mut [Slot], path: &str) {
        let given = |slots: &[Slot], name: &str| match spec.position(name).and_then(|index| slots.get(index))
        {
            Some(slot) => slot.is_given(),
            None => Some(false),
        };
        let whole = path.trim_end_matches('.');
        let module = if whole.is_empty() {
            format!("'{}'", self.module)
        } else {
            format!("'{whole}' of '{}'", self.module)
        };

        let (options, missing) =
            (spec.options.iter().zip(slots.iter_mut()), |slot: &Slot| slot.is_given() == Some(false));
        for (option, slot) in options.filter(|(option, slot)| option.required && missing(slot)) {
            slot.missing = true;
            self.note(whole, false, format!("{module} needs the option '{}'", option.name), None);
        }
        for names in spec.mutually_exclusive {
            let both: Vec<&str> =
                names.iter().copied().filter(|name| given(slots, name) == Some(true)).collect();
            if both.len() > 1 {
                self.note(whole, false, format!("{module} takes only one of {}", quoted_list(&both)), None);
            }
        }
        for names in spec.required_one_of {
            let defaulted = |name: &&&str| spec.find(name).is_some_and(|option| option.default.is_some());
            if names.iter().all(|name| given(slots, name) == Some(false))
                && names.iter().find(defaulted).is_none()
            {
                self.note(whole, false, format!("{module} needs one of {}", quoted_list(names)), None);
            }
        }
        for names in spec.required_together {
            let (has, lacks): (Vec<&str>, Vec<&str>) =
                names.iter().copied().partition(|name| given(slots, name) != Some(false));
            if let (Some(one), false) =
                (has.iter().find(|name| given(slots, name) == Some(true)), lacks.is_empty())
            {
                self.note(
                    whole,
                    false,
                    format!("{module}: '{one}' needs {} as well", quoted_list(&lacks)),
                    None,
                );
            }
        }
        for (name, value, names) in spec.required_if {
            let Some(index) = spec.position(name) else { continue };
            let (Some(option), Some(slot)) = (spec.options.get(index), slots.get(index)) else { continue };
            if slot.open || slot.bad || !holds(option, slot.value.as_ref(), value) {
                continue;
            }
            let lacks: Vec<&str> =
                names.iter().copied().filter(|name| given(slots, name) == Some(false)).collect();
            if !lacks.is_empty() {
                self.note(
                    whole,
                    false,
                    format!("{module}: {name}={value} needs {}", quoted_list(&lacks)),
                    None,
                );
            }
        }
    }
}

/// The option, with its default, has the value that a rule names.
fn holds(option: &Opt, given: Option<&Argument>, value: &str) -> bool {
    let default = || option.default.and_then(|text| convert::scalar(option.kind, &Argument::from(text)).ok());
    let wanted = convert::scalar(option.kind, &Argument::from(value)).ok();
    wanted.is_some() && given.cloned().or_else(default) == wanted
}

/// A refused option that is given just what it would be without.
fn asks_for_nothing(option: &Opt, given: Option<&Argument>) -> bool {
    let default = |text| convert::scalar(option.kind, &Argument::from(text)).ok();
    option.default.and_then(default).as_ref() == given
}

fn quoted_list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    quoted.join(", ")
}
