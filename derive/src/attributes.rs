//! What `#[params(..)]` says of a type, a variant or a field.

use syn::{Attribute, Error, LitStr, Path, Result, parse_quote};

/// Of a field or a variant.
#[derive(Default)]
pub(crate) struct Item {
    pub(crate) skip: bool,
    pub(crate) rename: Option<LitStr>,
}

/// What stands at a field.
pub(crate) fn of_field(attributes: &[Attribute]) -> Result<Item> {
    let mut item = Item::default();
    for attribute in ours(attributes) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("skip") {
                item.skip = true;
                Ok(())
            } else if meta.path.is_ident("rename") {
                item.rename = Some(name(&meta)?);
                Ok(())
            } else {
                Err(meta.error("a field has `skip` and `rename = \"..\"`"))
            }
        })?;
    }
    match &item.rename {
        Some(rename) if item.skip => {
            Err(Error::new(rename.span(), "a field that is left out has no name"))
        }
        _ => Ok(item),
    }
}

/// The name that stands at a variant, if one does.
pub(crate) fn of_variant(attributes: &[Attribute]) -> Result<Option<LitStr>> {
    let mut rename = None;
    for attribute in ours(attributes) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("rename") {
                rename = Some(name(&meta)?);
                Ok(())
            } else if meta.path.is_ident("skip") {
                Err(meta.error("`skip` stands at each field that is left out, not at the variant"))
            } else {
                Err(meta.error("a variant has `rename = \"..\"`"))
            }
        })?;
    }
    Ok(rename)
}

/// Where the type finds `thalweg`.
pub(crate) fn of_type(attributes: &[Attribute]) -> Result<Path> {
    let mut found = parse_quote!(::thalweg);
    for attribute in ours(attributes) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("crate") {
                found = meta.value()?.parse::<LitStr>()?.parse()?;
                Ok(())
            } else {
                Err(meta
                    .error("a type has `crate = \"..\"`; `skip` and `rename` stand at its fields"))
            }
        })?;
    }
    Ok(found)
}

fn ours(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("params"))
}

fn name(meta: &syn::meta::ParseNestedMeta<'_>) -> Result<LitStr> {
    let name: LitStr = meta.value()?.parse()?;
    if name.value().is_empty() {
        return Err(Error::new(name.span(), "a name has at least one letter"));
    }
    Ok(name)
}
