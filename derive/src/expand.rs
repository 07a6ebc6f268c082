//! The code of the two implementations.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Data, DeriveInput, Error, Fields, GenericParam, Generics, Path, Result, Type, parse_quote,
};

use crate::{attributes, scalar};

/// A field that is trained.
struct Leaf<'a> {
    /// How the pattern of its type calls it.
    member: syn::Member,
    /// How the code here calls it.
    binding: Ident,
    field: &'a Type,
    /// Its key, if it has one: the only field of a tuple has none, as `serde` sees it.
    key: Option<Key>,
}

enum Key {
    Name(String),
    Index(usize),
}

/// The fields of a struct, or of a variant.
struct Shape<'a> {
    /// `Self` or `Self::Variant`.
    pattern: TokenStream,
    /// The variant's own key.
    key: Option<String>,
    leaves: Vec<Leaf<'a>>,
}

pub(crate) fn params(input: &DeriveInput) -> Result<TokenStream> {
    let thalweg = attributes::of_type(&input.attrs)?;
    let shapes = shapes(input)?;
    let read = implementation(input, &thalweg, &shapes, false);
    let write = implementation(input, &thalweg, &shapes, true);
    let checks = checks(input, &thalweg, &shapes);
    Ok(quote!(#read #write #checks))
}

fn shapes(input: &DeriveInput) -> Result<Vec<Shape<'_>>> {
    match &input.data {
        Data::Struct(data) => {
            let leaves = leaves(&data.fields)?;
            Ok(vec![Shape { pattern: quote!(Self), key: None, leaves }])
        }
        Data::Enum(data) => {
            let mut shapes = Vec::new();
            for variant in &data.variants {
                let name = &variant.ident;
                let rename = attributes::of_variant(&variant.attrs)?;
                let key = rename.map_or_else(|| name.unraw().to_string(), |name| name.value());
                let leaves = leaves(&variant.fields)?;
                shapes.push(Shape { pattern: quote!(Self::#name), key: Some(key), leaves });
            }
            let keys = shapes.iter().filter_map(|shape| shape.key.as_deref());
            distinct(keys.zip(data.variants.iter().map(Spanned::span)))?;
            Ok(shapes)
        }
        Data::Union(data) => Err(Error::new(
            data.union_token.span,
            "a union does not know which of its fields it holds; parameters are structs and enums",
        )),
    }
}

fn leaves(fields: &Fields) -> Result<Vec<Leaf<'_>>> {
    let is_alone = matches!(fields, Fields::Unnamed(fields) if fields.unnamed.len() == 1);
    let mut leaves = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let said = attributes::of_field(&field.attrs)?;
        if said.skip {
            continue;
        }
        let (member, own) = match &field.ident {
            Some(name) => (name.clone().into(), Key::Name(name.unraw().to_string())),
            None => (index.into(), Key::Index(index)),
        };
        let key = match said.rename {
            Some(name) => Some(Key::Name(name.value())),
            None => (!is_alone).then_some(own),
        };
        let binding = format_ident!("__field_{index}");
        leaves.push(Leaf { member, binding, field: &field.ty, key });
    }
    let keys: Vec<String> =
        leaves.iter().map(|leaf| leaf.key.as_ref().map_or_else(String::new, Key::text)).collect();
    distinct(keys.iter().map(String::as_str).zip(leaves.iter().map(|leaf| leaf.member.span())))?;
    Ok(leaves)
}

impl Key {
    fn text(&self) -> String {
        match self {
            Key::Name(name) => name.clone(),
            Key::Index(index) => index.to_string(),
        }
    }
}

/// That no key is there twice.
fn distinct<'a>(keys: impl Iterator<Item = (&'a str, Span)>) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for (key, at) in keys {
        if !seen.insert(key) {
            return Err(Error::new(at, format!("another one here has the name `{key}` already")));
        }
    }
    Ok(())
}

/// `impl Params`, or `impl ParamsMut`, for whatever number all trained fields are trees of.
fn implementation(
    input: &DeriveInput,
    thalweg: &Path,
    shapes: &[Shape<'_>],
    write: bool,
) -> TokenStream {
    let (tree, leaf) = if write { ("ParamsMut", "LeafMut") } else { ("Params", "Leaf") };
    let (tree, leaf) = (format_ident!("{tree}"), format_ident!("{leaf}"));
    let (method, change) =
        if write { (quote!(visit_mut), quote!(mut)) } else { (quote!(visit), quote!()) };

    let mut generics = input.generics.clone();
    generics.params.push(parse_quote!(__Number: #thalweg::Scalar));
    let clauses = &mut generics.make_where_clause().predicates;
    for leaf in shapes.iter().flat_map(|shape| &shape.leaves) {
        // What the type itself is in needs no condition, and one would never come to an end.
        if !scalar::mentions(leaf.field, |word| word == "Self" || *word == input.ident) {
            let field = leaf.field;
            let clause = quote_spanned!(field.span()=> #field: #thalweg::#tree<__Number>);
            clauses.push(parse_quote!(#clause));
        }
    }

    let arms = shapes.iter().map(|shape| {
        let pattern = &shape.pattern;
        let members = shape.leaves.iter().map(|leaf| {
            let (member, binding) = (&leaf.member, &leaf.binding);
            quote!(#member: #binding)
        });
        let node = match &shape.key {
            Some(key) => quote!(let __node = __path.name(#key);),
            None => quote!(let __node = __path;),
        };
        let visits = shape.leaves.iter().map(|leaf| {
            let binding = &leaf.binding;
            let path = match &leaf.key {
                Some(Key::Name(name)) => quote!(__node.name(#name)),
                Some(Key::Index(index)) => quote!(__node.index(#index)),
                None => quote!(__node),
            };
            quote_spanned!(leaf.field.span()=> #thalweg::#tree::<__Number>::#method(#binding, #path, __visit);)
        });
        quote!(#pattern { #(#members,)* .. } => { #node #(#visits)* })
    });
    // An enum without variants has no value.
    let body =
        if shapes.is_empty() { quote!(match *self {}) } else { quote!(match self { #(#arms)* }) };

    let name = &input.ident;
    let (_, of, _) = input.generics.split_for_impl();
    let (with, _, conditions) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        #[allow(deprecated, unused_variables, clippy::all, clippy::pedantic)]
        impl #with #thalweg::#tree<__Number> for #name #of #conditions {
            fn #method<'__tree>(
                &'__tree #change self,
                __path: #thalweg::params::Path<'_>,
                __visit: &mut dyn ::core::ops::FnMut(
                    #thalweg::params::Path<'_>,
                    &'__tree #change dyn #thalweg::params::#leaf<__Number>,
                ),
            ) {
                #body
            }
        }
    }
}

/// Where a field's own words tell the number, each field must be a tree of it: an error stands at the field
/// rather than where the type is first used.
fn checks(input: &DeriveInput, thalweg: &Path, shapes: &[Shape<'_>]) -> TokenStream {
    let leaves = || shapes.iter().flat_map(|shape| &shape.leaves);
    let Some(number) = leaves().find_map(|leaf| scalar::of(leaf.field)) else {
        return TokenStream::new();
    };
    let parameters = parameters(&input.generics);
    let known = |leaf: &&Leaf<'_>| {
        !scalar::mentions(leaf.field, |word| word == "Self" || parameters.contains(word))
    };
    let fields = leaves().filter(known).map(|leaf| {
        let field = leaf.field;
        quote_spanned!(field.span()=> __is_a_tree::<#number, #field>();)
    });
    let (with, _, conditions) = input.generics.split_for_impl();
    quote! {
        const _: () = {
            fn __is_a_tree<__Number: #thalweg::Scalar, __Tree: #thalweg::Params<__Number> + ?::core::marker::Sized>() {}
            #[allow(dead_code, deprecated, clippy::all, clippy::pedantic, clippy::extra_unused_lifetimes)]
            fn __each_field #with () #conditions { #(#fields)* }
        };
    }
}

fn parameters(generics: &Generics) -> Vec<Ident> {
    let name = |parameter: &GenericParam| match parameter {
        GenericParam::Type(parameter) => Some(parameter.ident.clone()),
        _ => None,
    };
    generics.params.iter().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use syn::parse_str;

    use super::params;

    #[test]
    fn what_is_written_wrongly_is_said() {
        let cases = [
            ("union U { a: f32, b: u32 }", "a union does not know"),
            ("struct S { #[params(skip, rename = \"x\")] a: f32 }", "left out has no name"),
            ("struct S { #[params(skipp)] a: f32 }", "a field has `skip` and `rename"),
            ("struct S { #[params(rename = \"\")] a: f32 }", "at least one letter"),
            ("struct S { #[params(rename)] a: f32 }", "expected `=`"),
            ("struct S { #[params(rename = 3)] a: f32 }", "expected string literal"),
            ("struct S { #[params(rename = \"b\")] a: f32, b: f32 }", "has the name `b` already"),
            ("struct S(f32, #[params(rename = \"0\")] f32);", "has the name `0` already"),
            ("enum E { #[params(rename = \"B\")] A(f32), B(f32) }", "has the name `B` already"),
            ("enum E { #[params(skip)] A(f32) }", "`skip` stands at each field"),
            ("#[params(rename = \"x\")] struct S { a: f32 }", "stand at its fields"),
        ];
        for (source, expected) in cases {
            let error = params(&parse_str(source).unwrap()).unwrap_err().to_string();
            assert!(error.contains(expected), "{source}: {error}");
        }
    }

    #[test]
    fn the_number_is_checked_where_the_words_tell_it() {
        let cases = [
            ("struct S { a: Array2<f64>, name: String }", Some("< f64 , String >")),
            ("struct S<'a> { a: Vec<Option<ArrayView1<'a, f32>>> }", Some("< f32 ,")),
            (
                "struct S { a: ndarray::ArrayD<f64>, #[params(skip)] b: Array1<f32> }",
                Some("< f64 ,"),
            ),
            ("struct S { scale: f32, rest: Layer }", Some("< f32 , Layer >")),
            ("struct S { a: BTreeMap<String, Layer<f64>> }", None),
            ("struct S<F> { a: Array2<F> }", None),
            ("struct S { a: Vector }", None),
        ];
        for (source, expected) in cases {
            let code = params(&parse_str(source).unwrap()).unwrap().to_string();
            match expected {
                Some(check) => {
                    assert!(code.contains(&format!("__is_a_tree :: {check}")), "{source}")
                }
                None => assert!(!code.contains("__is_a_tree"), "{source}"),
            }
        }
    }
}
