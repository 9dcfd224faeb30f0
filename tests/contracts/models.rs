//! The models that have a role are still served.

use crate::{files, none};
use jiff::Zoned;
use oslira_llm::Catalogue;

#[test]
fn no_role_has_a_model_that_is_shut_down() {
    let catalogue = Catalogue::parse(&files::text("crates/llm/models.toml")).expect("models.toml is valid");
    let today = Zoned::now().date();
    none(catalogue.assignments().filter_map(|assignment| {
        let (model, role) = (assignment.model, assignment.role);
        let days = model.days_until_shutdown(today)?;
        if model.is_shut_down(today) {
            return Some(format!(
                "{}: is shut down since {} days; give {role:?} another model in crates/llm/models.toml",
                model.id, -days
            ));
        }
        if days <= 30 {
            println!("note: {} is shut down in {days} days; give {role:?} another model soon", model.id);
        }
        None
    }));
}
