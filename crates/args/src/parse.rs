//! From arguments to typed values: the runtime behind `#[derive(Args)]`.

use crate::check::{self, Slot};
use crate::convert;
use crate::spec::{ArgSpec, Kind};
use crate::types::{ByteSize, CopyMode, ModeArg, PathArg};
use crate::{Args, Argument, Arguments};

/// Something wrong with a task's arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The option as the task spells it; sub-options as "a.b"; empty for the task as a whole.
    pub option: String,
    /// The mistake is in the value, not in the name.
    pub value: bool,
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// A type that an option can have.
pub trait FromArg: Sized {
    const KIND: Kind;
    /// The values there are; empty: any.
    const CHOICES: &'static [&'static str] = &[];
    /// Null has a meaning, so the option need not be given.
    const OPTIONAL: bool = false;
    /// Converts as Ansible does; the error says what is wrong with the value.
    fn from_arg(value: &Argument) -> Result<Self, String>;
}

/// Reads one task's arguments, option by option, and keeps every problem.
pub struct Reader {
    spec: &'static ArgSpec,
    slots: Vec<Slot>,
    problems: Vec<Problem>,
}

impl Reader {
    /// Checks all that the table can tell.
    #[must_use]
    pub fn new(spec: &'static ArgSpec, args: &Arguments) -> Self {
        let (slots, problems) = check::run(spec, args);
        Self { spec, slots, problems }
    }

    /// The option at `index` in the table; None after noting a problem.
    pub fn get<T: FromArg>(&mut self, index: usize) -> Option<T> {
        let value = self.value(index)?;
        match T::from_arg(&value) {
            Ok(value) => Some(value),
            Err(why) => {
                self.bad(index, T::KIND, &value, &why);
                None
            }
        }
    }

    /// The typed arguments, unless there was a problem.
    pub fn finish<T>(self, read: Option<T>) -> Result<T, Vec<Problem>> {
        match read {
            Some(read) if self.problems.is_empty() => Ok(read),
            _ => Err(self.problems),
        }
    }

    fn value(&mut self, index: usize) -> Option<Argument> {
        let slot = self.slots.get_mut(index)?;
        if slot.bad || slot.missing {
            return None;
        }
        let default = || self.spec.options.get(index).and_then(|option| option.default);
        Some(match slot.value.take() {
            Some(value) => value,
            None => default().map_or(Argument::Null, |text| Argument::String(text.to_owned())),
        })
    }

    fn bad(&mut self, index: usize, kind: Kind, value: &Argument, why: &str) {
        if let (Some(option), Some(slot)) = (self.spec.options.get(index), self.slots.get(index)) {
            self.problems.push(check::unconvertible(
                self.spec.name,
                &slot.given,
                option.secret,
                kind,
                value,
                why,
            ));
        }
    }
}

/// A nested set of options.
pub fn sub<T: Args>(value: &Argument) -> Result<T, String> {
    T::from_json(&convert::dict(value)?).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        lines.join("; ")
    })
}

/// The index of the choice that `value` names.
pub fn choice(value: &Argument, choices: &[&str]) -> Result<usize, String> {
    let text = convert::choice(value, choices);
    choices.iter().position(|choice| *choice == text).ok_or_else(|| check::not_a_choice(&text, choices))
}

macro_rules! from_arg {
    ($($ty:ty: $kind:expr, $convert:expr;)*) => { $(
        impl FromArg for $ty {
            const KIND: Kind = $kind;
            fn from_arg(value: &Argument) -> Result<Self, String> {
                $convert(value)
            }
        }
    )* };
}

from_arg! {
    String: Kind::Str, |value| Ok(convert::text(value));
    bool: Kind::Bool, convert::boolean;
    f64: Kind::Float, convert::float;
    i64: Kind::Int, convert::int;
    PathArg: Kind::Path, |value| Ok(PathArg(convert::text(value)));
    ModeArg: Kind::Mode, ModeArg::parse;
    CopyMode: Kind::Mode, CopyMode::parse;
    ByteSize: Kind::Bytes, |value| convert::bytes(value).map(ByteSize);
    u8: Kind::Int, ranged;
    u16: Kind::Int, ranged;
    u32: Kind::Int, ranged;
    u64: Kind::Int, ranged;
    usize: Kind::Int, ranged;
    i32: Kind::Int, ranged;
}

fn ranged<T: TryFrom<i64>>(value: &Argument) -> Result<T, String> {
    let number = convert::int(value)?;
    T::try_from(number).map_err(|_| format!("{number} is out of range"))
}

impl<T: FromArg> FromArg for Option<T> {
    const KIND: Kind = T::KIND;
    const CHOICES: &'static [&'static str] = T::CHOICES;
    const OPTIONAL: bool = true;

    fn from_arg(value: &Argument) -> Result<Self, String> {
        if value.is_null() { Ok(None) } else { T::from_arg(value).map(Some) }
    }
}

impl<T: FromArg> FromArg for Vec<T> {
    const KIND: Kind = Kind::List(&T::KIND);
    const CHOICES: &'static [&'static str] = T::CHOICES;
    const OPTIONAL: bool = true;

    fn from_arg(value: &Argument) -> Result<Self, String> {
        if value.is_null() {
            return Ok(Self::new());
        }
        convert::list(value)?.iter().map(T::from_arg).collect()
    }
}

impl FromArg for Arguments {
    const KIND: Kind = Kind::Dict;
    const OPTIONAL: bool = true;

    fn from_arg(value: &Argument) -> Result<Self, String> {
        if value.is_null() { Ok(Self::new()) } else { convert::dict(value) }
    }
}

impl FromArg for Argument {
    const KIND: Kind = Kind::Raw;
    const OPTIONAL: bool = true;

    fn from_arg(value: &Argument) -> Result<Self, String> {
        Ok(value.clone())
    }
}

/// The type of a field that only declares a refused option.
impl FromArg for () {
    const KIND: Kind = Kind::Raw;
    const OPTIONAL: bool = true;

    fn from_arg(_: &Argument) -> Result<Self, String> {
        Ok(())
    }
}
