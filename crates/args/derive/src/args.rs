//! The expansion of `#[derive(Args)]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, ExprLit, Field, Fields, Ident, Lit, LitStr, Meta, Result,
    Token,
};

/// Writes the table and the reader.
pub fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(input.span(), "Args can only be derived on a struct"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new(input.span(), "Args needs named fields"));
    };
    if !input.generics.params.is_empty() {
        return Err(Error::new(input.generics.span(), "Args cannot be derived on a generic struct"));
    }

    let ident = &input.ident;
    let rules = Rules::read(&input.attrs)?;
    let options = fields.named.iter().map(Declared::read).collect::<Result<Vec<_>>>()?;
    check_references(&rules, &options)?;

    let name = rules.name.clone().unwrap_or_else(|| ident.to_string());
    let doc = doc(&input.attrs);
    let free_form = optional(rules.free_form.as_ref());
    let (exclusive, one_of, together) =
        (lists(&rules.exclusive), lists(&rules.one_of), lists(&rules.together));
    let required_if =
        rules.required_if.iter().map(|(option, value, names)| quote!((#option, #value, &[#(#names),*])));
    let (flat, own): (Vec<_>, Vec<_>) = options.iter().partition(|option| option.flatten);
    let entries = own.iter().map(|option| option.entry());
    let guards = options.iter().filter_map(Declared::guard);
    let own_count = own.len();
    let flat_types: Vec<_> = flat.iter().map(|option| &option.field.ty).collect();
    let lengths: Vec<_> =
        flat_types.iter().map(|ty| quote!(<#ty as ::provision_args::Args>::SPEC.options.len())).collect();
    // The options of flattened structs follow the struct's own.
    let table = if flat.is_empty() {
        quote!(&[#(#entries),*])
    } else {
        quote! {
            &::provision_args::spec::concat::<{ #own_count #(+ #lengths)* }>(
                &[&[#(#entries),*], #(<#flat_types as ::provision_args::Args>::SPEC.options),*],
            )
        }
    };
    let read_own = own.iter().enumerate().map(|(index, option)| {
        let (value, ty) = (option.variable(), &option.field.ty);
        quote!(let #value = reader.get::<#ty>(first + #index);)
    });
    let read_flat = flat.iter().enumerate().map(|(index, option)| {
        let (value, ty, before) = (option.variable(), &option.field.ty, &lengths[..index]);
        quote!(let #value = <#ty as ::provision_args::Args>::read(reader, first + #own_count #(+ #before)*);)
    });
    let names = options.iter().filter_map(|option| option.field.ident.as_ref());
    let values = options.iter().map(Declared::variable);

    Ok(quote! {
        #[automatically_derived]
        impl ::provision_args::Args for #ident {
            const SPEC: &'static ::provision_args::ArgSpec = &::provision_args::ArgSpec {
                name: #name,
                doc: #doc,
                options: #table,
                mutually_exclusive: &[#(#exclusive),*],
                required_one_of: &[#(#one_of),*],
                required_together: &[#(#together),*],
                required_if: &[#(#required_if),*],
                free_form: #free_form,
            };

            fn read(
                reader: &mut ::provision_args::parse::Reader,
                first: usize,
            ) -> ::core::option::Option<Self> {
                // All are read before the first `?`, so that every problem is noted.
                #(#read_own)*
                #(#read_flat)*
                ::core::option::Option::Some(Self { #(#names: #values?,)* })
            }
        }

        #[automatically_derived]
        impl ::provision_args::FromArg for #ident {
            const KIND: ::provision_args::Kind = ::provision_args::Kind::Sub(<Self as ::provision_args::Args>::SPEC);

            fn from_arg(
                value: &::provision_args::Argument,
            ) -> ::core::result::Result<Self, ::std::string::String> {
                ::provision_args::parse::sub(value)
            }
        }

        #(#guards)*
    })
}

/// What `#[args(...)]` says.
#[derive(Default)]
struct Rules {
    name: Option<String>,
    free_form: Option<LitStr>,
    exclusive: Vec<Vec<LitStr>>,
    one_of: Vec<Vec<LitStr>>,
    together: Vec<Vec<LitStr>>,
    required_if: Vec<(LitStr, LitStr, Vec<LitStr>)>,
}

impl Rules {
    fn read(attrs: &[Attribute]) -> Result<Self> {
        let mut rules = Self::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("args")) {
            attr.parse_nested_meta(|meta| {
                let Some(key) = meta.path.get_ident().map(ToString::to_string) else {
                    return Err(meta.error("expected a word"));
                };
                match key.as_str() {
                    "name" => rules.name = Some(meta.value()?.parse::<LitStr>()?.value()),
                    "free_form" => rules.free_form = Some(meta.value()?.parse()?),
                    "mutually_exclusive" => rules.exclusive.push(strings(&meta)?),
                    "required_one_of" => rules.one_of.push(strings(&meta)?),
                    "required_together" => rules.together.push(strings(&meta)?),
                    "required_if" => rules.required_if.push(condition(&meta)?),
                    _ => return Err(meta.error("unknown rule")),
                }
                Ok(())
            })?;
        }
        Ok(rules)
    }

    /// Every option name that a rule mentions.
    fn mentioned(&self) -> impl Iterator<Item = &LitStr> {
        let lists = self.exclusive.iter().chain(&self.one_of).chain(&self.together).flatten();
        let conditions = self.required_if.iter().flat_map(|(option, _, names)| names.iter().chain([option]));
        lists.chain(conditions).chain(&self.free_form)
    }
}

/// One field and what `#[arg(...)]` says of it.
struct Declared<'a> {
    field: &'a Field,
    name: String,
    doc: String,
    aliases: Vec<LitStr>,
    choices: Vec<LitStr>,
    default: Option<LitStr>,
    refused: Option<LitStr>,
    required: bool,
    secret: bool,
    internal: bool,
    flatten: bool,
}

impl<'a> Declared<'a> {
    fn read(field: &'a Field) -> Result<Self> {
        let name = field.ident.as_ref().map(|ident| ident.unraw().to_string()).unwrap_or_default();
        let mut this = Self {
            field,
            name,
            doc: doc(&field.attrs),
            aliases: Vec::new(),
            choices: Vec::new(),
            default: None,
            refused: None,
            required: false,
            secret: false,
            internal: false,
            flatten: false,
        };
        for attr in field.attrs.iter().filter(|attr| attr.path().is_ident("arg")) {
            attr.parse_nested_meta(|meta| {
                let Some(key) = meta.path.get_ident().map(ToString::to_string) else {
                    return Err(meta.error("expected a word"));
                };
                match key.as_str() {
                    "required" => this.required = true,
                    "secret" => this.secret = true,
                    "internal" => this.internal = true,
                    "sub" => {}
                    "flatten" => this.flatten = true,
                    "name" => this.name = meta.value()?.parse::<LitStr>()?.value(),
                    "alias" => this.aliases.push(meta.value()?.parse()?),
                    "default" => this.default = Some(meta.value()?.parse()?),
                    "refused" => this.refused = Some(meta.value()?.parse()?),
                    "choices" => this.choices = strings(&meta)?,
                    _ => return Err(meta.error("unknown property of an option")),
                }
                Ok(())
            })?;
        }
        if this.required && this.default.is_some() {
            return Err(Error::new(field.span(), "an option with a default is not required"));
        }
        if this.required && this.refused.is_some() {
            return Err(Error::new(field.span(), "a refused option cannot be required"));
        }
        if this.internal != this.name.starts_with('_') {
            return Err(Error::new(
                field.span(),
                "internal options, and no others, begin with an underscore",
            ));
        }
        Ok(this)
    }

    /// What the field's value is called until the struct is made.
    fn variable(&self) -> Ident {
        let name = self.field.ident.as_ref().map(IdentExt::unraw);
        format_ident!("value_{}", name.as_ref().map(ToString::to_string).unwrap_or_default())
    }

    /// The option's row in the table.
    fn entry(&self) -> TokenStream {
        let Self { field, name, doc, aliases, choices, required, secret, internal, .. } = self;
        let ty = &field.ty;
        let default = optional(self.default.as_ref());
        let refused = optional(self.refused.as_ref());
        let choices = if choices.is_empty() {
            quote!(<#ty as ::provision_args::FromArg>::CHOICES)
        } else {
            quote!(&[#(#choices),*])
        };
        quote_spanned! {ty.span()=> ::provision_args::Opt {
            name: #name,
            aliases: &[#(#aliases),*],
            kind: <#ty as ::provision_args::FromArg>::KIND,
            required: #required,
            default: #default,
            choices: #choices,
            doc: #doc,
            secret: #secret,
            refused: #refused,
            internal: #internal,
        }}
    }

    /// A compile-time proof that the field has a value when the option is not given.
    fn guard(&self) -> Option<TokenStream> {
        let ty = &self.field.ty;
        if self.flatten {
            return Some(quote_spanned! {ty.span()=>
                const _: () = ::core::assert!(
                    <#ty as ::provision_args::Args>::SPEC.has_no_rules(),
                    "a flattened struct cannot have rules or a free form; declare them where it is used"
                );
            });
        }
        if self.required || self.default.is_some() {
            return None;
        }
        let message = format!("option `{}` needs `required`, a `default` or the type Option<_>", self.name);
        Some(quote_spanned! {ty.span()=>
            const _: () = ::core::assert!(<#ty as ::provision_args::FromArg>::OPTIONAL, #message);
        })
    }
}

/// Rules and names that contradict each other are errors of whoever wrote the struct.
fn check_references(rules: &Rules, options: &[Declared<'_>]) -> Result<()> {
    // A rule may mention a flattened struct's option, which cannot be seen from here; `self_test` looks.
    let flattens = options.iter().any(|option| option.flatten);
    for name in rules.mentioned().filter(|_| !flattens) {
        if !options.iter().any(|option| option.name == name.value()) {
            return Err(Error::new(name.span(), "no field of this struct declares that option"));
        }
    }
    let mut seen = Vec::new();
    for option in options.iter().filter(|option| !option.flatten) {
        for name in option.aliases.iter().map(LitStr::value).chain([option.name.clone()]) {
            if seen.contains(&name) {
                return Err(Error::new(option.field.span(), format!("`{name}` is declared twice")));
            }
            seen.push(name);
        }
    }
    Ok(())
}

/// `("a", "b")`.
fn strings(meta: &ParseNestedMeta<'_>) -> Result<Vec<LitStr>> {
    let content;
    syn::parenthesized!(content in meta.input);
    Ok(Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?.into_iter().collect())
}

/// `("state", "link", ("src", "path"))`.
fn condition(meta: &ParseNestedMeta<'_>) -> Result<(LitStr, LitStr, Vec<LitStr>)> {
    let content;
    syn::parenthesized!(content in meta.input);
    let option = content.parse()?;
    content.parse::<Token![,]>()?;
    let value = content.parse()?;
    content.parse::<Token![,]>()?;
    let names;
    syn::parenthesized!(names in content);
    let names = Punctuated::<LitStr, Token![,]>::parse_terminated(&names)?.into_iter().collect();
    content.parse::<Option<Token![,]>>()?;
    Ok((option, value, names))
}

fn lists(lists: &[Vec<LitStr>]) -> impl Iterator<Item = TokenStream> {
    lists.iter().map(|names| quote!(&[#(#names),*]))
}

fn optional(text: Option<&LitStr>) -> TokenStream {
    match text {
        Some(text) => quote!(::core::option::Option::Some(#text)),
        None => quote!(::core::option::Option::None),
    }
}

/// The doc comment; nothing without the `docs` feature.
fn doc(attrs: &[Attribute]) -> String {
    if !cfg!(feature = "docs") {
        return String::new();
    }
    let mut lines = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("doc")) {
        if let Meta::NameValue(pair) = &attr.meta
            && let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &pair.value
        {
            let text = text.value();
            lines.push(text.strip_prefix(' ').unwrap_or(&text).trim_end().to_owned());
        }
    }
    lines.join("\n").trim().to_owned()
}
