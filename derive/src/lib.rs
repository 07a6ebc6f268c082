//! `#[derive(Params)]` for `thalweg`, which has it again under its feature `derive`: the documentation is there.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod attributes;
mod expand;
mod scalar;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct or an enum a tree of parameters.
#[proc_macro_derive(Params, attributes(params))]
pub fn derive_params(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::params(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
