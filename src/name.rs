//! The names the command is called by. Under one of Ansible's (a link), it behaves as that program does.

use crate::exit::Exit;
use std::path::Path;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    Provision,
    /// `ansible-playbook`
    Playbook,
    /// `ansible`
    Adhoc,
    /// Another of Ansible's programs, which is a subcommand here: both names.
    Other(&'static str, &'static str),
}

const OTHERS: &[(&str, &str)] = &[
    ("ansible-inventory", "inventory"),
    ("ansible-vault", "vault"),
    ("ansible-config", "config"),
    ("ansible-galaxy", "galaxy"),
];

impl Name {
    /// The name in this process's first argument.
    pub fn called() -> Self {
        let first = std::env::args_os().next().unwrap_or_default();
        let name =
            Path::new(&first).file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        match name.as_str() {
            "ansible-playbook" => Self::Playbook,
            "ansible" => Self::Adhoc,
            other => OTHERS
                .iter()
                .find(|(name, _)| *name == other)
                .map_or(Self::Provision, |(name, command)| Self::Other(name, command)),
        }
    }

    /// Is it one of Ansible's?
    pub fn is_ansible(self) -> bool {
        self != Self::Provision
    }

    pub fn program(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Playbook => "ansible-playbook",
            Self::Adhoc => "ansible",
            Self::Other(name, _) => name,
        }
    }

    /// The subcommand that does what the program of this name does.
    pub fn subcommand(self) -> Option<&'static str> {
        match self {
            Self::Provision | Self::Playbook => None,
            Self::Adhoc => Some("adhoc"),
            Self::Other(_, command) => Some(command),
        }
    }

    /// The number a process of this name ends with; Ansible's own under its names.
    pub fn code(self, exit: Exit) -> u8 {
        if !self.is_ansible() {
            return match exit {
                Exit::Missing | Exit::NoHosts => Exit::Invalid as u8,
                Exit::Setting | Exit::Undone => Exit::Usage as u8,
                other => other as u8,
            };
        }
        match exit {
            Exit::Done => 0,
            Exit::Missing | Exit::NoHosts | Exit::Undone => 1,
            Exit::Usage | Exit::Failed => 2,
            // An ad-hoc task is made on the way, so what is wrong with it is a task that failed.
            Exit::Invalid if self == Self::Adhoc => 2,
            Exit::Invalid | Exit::Unreachable => 4,
            Exit::Setting => 5,
            Exit::Interrupted => 99,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_ansibles_under_its_names_only() {
        let exits = [
            (Exit::Done, 0, 0),
            (Exit::Usage, 1, 2),
            (Exit::Failed, 2, 2),
            (Exit::Unreachable, 3, 4),
            (Exit::Invalid, 4, 4),
            (Exit::Missing, 4, 1),
            (Exit::NoHosts, 4, 1),
            (Exit::Setting, 1, 5),
            (Exit::Undone, 1, 1),
            (Exit::Interrupted, 130, 99),
        ];
        for (exit, own, ansible) in exits {
            assert_eq!((Name::Provision.code(exit), Name::Playbook.code(exit)), (own, ansible), "{exit:?}");
        }
        assert_eq!(Name::Adhoc.code(Exit::Invalid), 2);
    }
}
