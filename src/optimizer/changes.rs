//! Changes of groups that were made amid training, in a state.

use super::Change;
use crate::error::Error;
use crate::params::Pattern;
use crate::state::{Record, compare};

/// Puts in the patterns of groups, and what was changed amid training by those that no closure stands
/// behind.
pub(crate) fn save_groups<'g>(
    record: &mut Record,
    groups: impl ExactSizeIterator<Item = (&'g Pattern, Option<&'g Change>)>,
) {
    record.count("groups", groups.len() as u64);
    for (i, (leaves, change)) in groups.enumerate() {
        record.text(format!("group.{i}"), leaves.to_string());
        if let Some(change) = change {
            save_change(record, i, leaves, change);
        }
    }
}

fn save_change(record: &mut Record, i: usize, leaves: &Pattern, change: &Change) {
    let Some(rank) = leaves.kept() else { return };
    let Change { frozen, rate_factor, schedule, numbers } = change;
    record.count(format!("change.{i}.numbers"), numbers.len() as u64);
    if let Some(rank) = rank {
        record.count(format!("change.{i}.rank"), rank as u64);
    }
    if let Some(frozen) = frozen {
        record.count(format!("change.{i}.frozen"), u64::from(*frozen));
    }
    if let Some(factor) = rate_factor {
        record.number(format!("change.{i}.rate_factor"), *factor);
    }
    if let Some(schedule) = schedule {
        record.schedule(format!("change.{i}.schedule"), schedule.clone());
    }
    for (j, (name, value)) in numbers.iter().enumerate() {
        record.text(format!("change.{i}.number.{j}"), name.clone());
        record.number(format!("change.{i}.number.{j}"), *value);
    }
}

fn load_change(record: &Record, i: u64) -> Result<Option<(Pattern, Change)>, Error> {
    let Ok(count) = record.get_count(&format!("change.{i}.numbers")) else { return Ok(None) };
    let leaves = match record.get_count(&format!("change.{i}.rank")) {
        Ok(rank) => Pattern::rank_at_most(rank as usize),
        Err(_) => record.get_text(&format!("group.{i}"))?.into(),
    };
    let frozen = format!("change.{i}.frozen");
    let frozen = record.get_count(&frozen).is_ok().then(|| record.get_flag(&frozen)).transpose()?;
    let mut change = Change {
        frozen,
        rate_factor: record.get_number(&format!("change.{i}.rate_factor")).ok(),
        schedule: record.get_schedule(&format!("change.{i}.schedule")).ok().cloned(),
        numbers: Vec::new(),
    };
    for j in 0..count {
        let name = format!("change.{i}.number.{j}");
        change.numbers.push((record.get_text(&name)?.to_owned(), record.get_number(&name)?));
    }
    Ok(Some((leaves, change)))
}

/// What was changed in a saved run after the groups that are here, which must be its first ones; `each` is
/// given what was changed by those.
pub(crate) fn load_groups<'g>(
    record: &Record,
    here: impl ExactSizeIterator<Item = &'g Pattern>,
    mut each: impl FnMut(usize, &Change) -> Result<(), Error>,
) -> Result<Vec<(Pattern, Change)>, Error> {
    let count = record.get_counter("groups")?;
    let (mut since, mut again) = (Vec::new(), record.filtered(&|_| false).without_leaves());
    let (known, mut here) = (here.len() as u64, here);
    for i in 0..count.max(known) {
        let change = load_change(record, i)?;
        if let Some((leaves, change)) = &change {
            save_change(&mut again, i as usize, leaves, change);
        }
        match (here.next(), change) {
            (Some(leaves), change) if i < count => {
                record.compare_text(&format!("group.{i}"), &leaves.to_string())?;
                if let Some((_, change)) = change {
                    each(i as usize, &change)?;
                }
            }
            (None, Some(change)) => since.push(change),
            _ => compare("the number of groups", &count.to_string(), &known.to_string())?,
        }
    }
    record.filtered(&|name| name.starts_with("change.")).without_leaves().assert_like(&again)?;
    Ok(since)
}
