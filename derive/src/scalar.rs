//! Of which numbers a type is made, where its own words tell it.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::Type;

/// `f32` or `f64`, where the type is one of them or an array of `ndarray` that names one.
///
/// An alias, a nested struct or a parameter tell nothing here; the compiler finds out.
pub(crate) fn of(field: &Type) -> Option<Ident> {
    let tokens: Vec<TokenTree> = flat(field.to_token_stream());
    if let [TokenTree::Ident(only)] = tokens.as_slice()
        && is_scalar(only)
    {
        return Some(only.clone());
    }
    let mut after_array = false;
    for token in tokens {
        let TokenTree::Ident(word) = token else { continue };
        if after_array && is_scalar(&word) {
            return Some(word);
        }
        after_array |= is_array(&word);
    }
    None
}

/// Whether a type's words include this one.
pub(crate) fn mentions(field: &Type, name: impl Fn(&Ident) -> bool) -> bool {
    let word = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if name(word));
    flat(field.to_token_stream()).iter().any(word)
}

fn is_scalar(word: &Ident) -> bool {
    word == "f32" || word == "f64"
}

/// `Array`, `Array2`, `ArrayD`, `ArrayView1`, `ArrayViewMut3`, `ArcArray2`, `CowArray`: those whose first
/// parameter but a lifetime is the number.
fn is_array(word: &Ident) -> bool {
    let word = word.to_string();
    let kind = word.trim_end_matches(|last: char| last.is_ascii_digit() || last == 'D');
    ["Array", "ArrayView", "ArrayViewMut", "ArcArray", "CowArray"].contains(&kind)
}

/// All words, those in parentheses and brackets too.
fn flat(tokens: TokenStream) -> Vec<TokenTree> {
    let mut all = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) => all.extend(flat(group.stream())),
            other => all.push(other),
        }
    }
    all
}
