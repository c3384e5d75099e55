//! The expansion of `#[derive(Choice)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Fields, Ident, LitStr, Result, Variant};

/// Writes the list of names and the way from a name to its variant and back.
pub fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new(input.span(), "Choice can only be derived on an enum"));
    };
    let separator = if is_kebab(&input.attrs)? { '-' } else { '_' };
    let ident = &input.ident;
    let names = data.variants.iter().map(|variant| name(variant, separator)).collect::<Result<Vec<_>>>()?;
    let variants: Vec<_> = data.variants.iter().map(|variant| &variant.ident).collect();
    let Some((last, first)) = variants.split_last() else {
        return Err(Error::new(input.span(), "an option without choices takes no value"));
    };
    let indices = 0..first.len();

    Ok(quote! {
        #[automatically_derived]
        impl ::provision_args::FromArg for #ident {
            const KIND: ::provision_args::Kind = ::provision_args::Kind::Str;
            const CHOICES: &'static [&'static str] = &[#(#names),*];

            fn from_arg(
                value: &::provision_args::Argument,
            ) -> ::core::result::Result<Self, ::std::string::String> {
                let index = ::provision_args::parse::choice(value, <Self as ::provision_args::FromArg>::CHOICES)?;
                ::core::result::Result::Ok(match index {
                    #(#indices => Self::#first,)*
                    _ => Self::#last,
                })
            }
        }

        #[automatically_derived]
        impl ::provision_args::Choice for #ident {
            fn as_str(&self) -> &'static str {
                match self {
                    #(Self::#variants => #names,)*
                }
            }
        }
    })
}

fn is_kebab(attrs: &[Attribute]) -> Result<bool> {
    let mut kebab = false;
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("choice")) {
        if attr.parse_args::<Ident>()? != "kebab" {
            return Err(Error::new(attr.span(), "expected `kebab`"));
        }
        kebab = true;
    }
    Ok(kebab)
}

fn name(variant: &Variant, separator: char) -> Result<String> {
    if !matches!(variant.fields, Fields::Unit) {
        return Err(Error::new(variant.span(), "a choice carries no data"));
    }
    if let Some(attr) = variant.attrs.iter().find(|attr| attr.path().is_ident("choice")) {
        return Ok(attr.parse_args::<LitStr>()?.value());
    }
    let mut name = String::new();
    for letter in variant.ident.unraw().to_string().chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push(separator);
        }
        name.extend(letter.to_lowercase());
    }
    Ok(name)
}
