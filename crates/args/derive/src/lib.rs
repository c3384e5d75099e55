//! `#[derive(Args)]` and `#[derive(Choice)]`: they write a table and as little code as they can; the work is
//! done by the runtime in `provision_args::parse`, so that the agent stays small.

mod args;
mod choice;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Declares a module's arguments.
///
/// On the struct, `#[args(...)]`: `name = "file"`, `free_form = "cmd"`, and, as often as needed,
/// `mutually_exclusive("a", "b")`, `required_one_of("a", "b")`, `required_together("a", "b")`,
/// `required_if("state", "link", ("src"))`.
///
/// On a field, `#[arg(...)]`: `required`, `default = "yes"`, `alias = "dest"` (as often as needed),
/// `choices("a", "b")`, `secret`, `internal`, `refused = "reason"`, `name = "type"`; `sub`, which only tells the human
/// reader that the field's type derives `Args` itself; `flatten`, alone, to take in the options of another such struct.
#[proc_macro_derive(Args, attributes(args, arg))]
pub fn derive_args(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    args::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Makes an enum of unit variants an option's type; its variants, in `snake_case`, are the choices.
///
/// `#[choice(kebab)]` on the enum for `kebab-case`; `#[choice("name")]` on a variant for any other name.
#[proc_macro_derive(Choice, attributes(choice))]
pub fn derive_choice(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    choice::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}
