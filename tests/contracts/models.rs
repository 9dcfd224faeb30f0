//! The models that have a role are still served.

use crate::none;
use jiff::Zoned;
use oslira_llm::Catalogue;

#[test]
fn no_role_has_a_model_that_is_shut_down() {
    let (catalogue, today) = (Catalogue::embedded(), Zoned::now().date());
    none(catalogue.ending(today).filter_map(|ending| {
        if ending.is_past() {
            return Some(format!("{ending}: give the role another in crates/models/models.toml"));
        }
        println!("note: {ending}; give the role another model soon");
        None
    }));
}
