//! The models that have a role are still served.

use jiff::Zoned;
use oslira_llm::Catalogue;

#[test]
fn no_role_has_a_model_that_is_shut_down() {
    let (catalogue, today) = (Catalogue::embedded(), Zoned::now().date());
    crate::none(catalogue.assignments().filter_map(|assignment| {
        let (model, role) = (assignment.model, assignment.role);
        let days = model.days_until_shutdown(today)?;
        if days <= 0 {
            return Some(format!(
                "{}: was shut down {} days ago; give {role:?} another model in crates/llm/models.toml",
                model.id, -days
            ));
        }
        if days <= 30 {
            eprintln!("warning: {} is shut down in {days} days; give {role:?} another model soon", model.id);
        }
        None
    }));
}
